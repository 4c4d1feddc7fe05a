package django_test

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/internal/testserver"
)

// secretKey is the SECRET_KEY of the sites of these tests.
const secretKey = "for tests only: 7h3*k#v2!qz9m$w1^x8r&c5(n4)p6_t0+y=Ωж"

// eachDjango runs a test with each version of Django that there is, with -short
// with the newest: the code in Go is the same with all of them.
func eachDjango(t *testing.T, test func(t *testing.T, d testserver.Django)) {
	t.Helper()
	djangos := testserver.Djangos(t)
	if testing.Short() {
		djangos = djangos[len(djangos)-1:]
	}
	for _, d := range djangos {
		t.Run("django="+d.Version, func(t *testing.T) { test(t, d) })
	}
}

// databaseFile returns an SQLite file of the test's own, with Django's tables
// and the users of testdata/site/site.py. Migrating takes most of the time that
// a site takes to start, so it is done once for each version.
func databaseFile(t testing.TB, d testserver.Django) string {
	t.Helper()
	content, ok := migrated[d.Version]
	if !ok {
		file := filepath.Join(t.TempDir(), "migrated.sqlite3")
		if out, err := d.Command("-W", "ignore", "testdata/site/site.py", rows, file, secretKey,
			"{}").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var err error
		if content, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		migrated[d.Version] = content
	}
	file := filepath.Join(t.TempDir(), "db.sqlite3")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// migrated holds the contents of databases by version of Django. The tests of
// this package do not run in parallel.
var migrated = make(map[string][]byte)

// process is a Python program that ends with the test, or with the test's
// process, since its standard input does.
type process struct {
	in  io.Writer
	out *bufio.Reader
}

func startPython(t testing.TB, d testserver.Django, script string, args ...string) *process {
	t.Helper()
	cmd := d.Command(append([]string{"-W", "ignore", script}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s: %v\n%s", script, err, stderr.String())
		}
	})
	return &process{in: in, out: bufio.NewReader(out)}
}

// peer is Django as testdata/peer.py offers it.
type peer struct {
	t testing.TB
	*process
	version string
}

// ask is the arguments of an op of peer.py.
type ask map[string]any

func newPeer(t testing.TB, d testserver.Django, settings ask) *peer {
	t.Helper()
	p := &peer{t: t, process: startPython(t, d, "testdata/peer.py")}
	if settings["secret"] == nil {
		settings["secret"] = secretKey
	}
	var answer struct{ Version string }
	p.do("configure", settings, &answer)
	p.version = answer.Version
	return p
}

// try does an op and returns the text of the exception, if there was one.
func (p *peer) try(op string, args ask, answer any) (exception string) {
	p.t.Helper()
	request := ask{"op": op}
	maps.Copy(request, args)
	line, err := json.Marshal(request)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("%s: %v", op, err)
	}
	line, err = p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("%s: %v", op, err)
	}
	var failed struct{ Error string }
	if err := json.Unmarshal(line, &failed); err != nil {
		p.t.Fatalf("%s: %v", op, err)
	}
	if failed.Error == "" && answer != nil {
		if err := json.Unmarshal(line, answer); err != nil {
			p.t.Fatalf("%s: %v", op, err)
		}
	}
	return failed.Error
}

func (p *peer) do(op string, args ask, answer any) {
	p.t.Helper()
	if exception := p.try(op, args, answer); exception != "" {
		p.t.Fatalf("Django: %s: %s", op, exception)
	}
}

// The engines of django.contrib.sessions.backends.
const (
	cookies = "signed_cookies"
	rows    = "db"
)

// write lets Django store a session, and returns what a cookie would hold.
func (p *peer) write(engine, session string, more ask) (key string) {
	p.t.Helper()
	args := ask{"engine": engine, "session": session}
	maps.Copy(args, more)
	var answer struct{ Key string }
	p.do("write", args, &answer)
	return answer.Key
}

// stored is what Django reads.
type stored struct {
	Session        string
	Empty          bool
	Equal          bool // to what was expected
	Age            any  // seconds, as Django tells them
	AtBrowserClose bool `json:"at_browser_close"`
}

func (p *peer) read(engine, key, expect string) stored {
	p.t.Helper()
	var s stored
	args := ask{"engine": engine, "key": key}
	if expect != "" {
		args["expect"] = expect
	}
	p.do("read", args, &s)
	return s
}
