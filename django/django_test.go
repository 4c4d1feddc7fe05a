package django_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// secretKey is the SECRET_KEY of the sites of these tests.
const secretKey = "for tests only: 7h3*k#v2!qz9m$w1^x8r&c5(n4)p6_t0+y=Ωж"

// python returns an interpreter that has Django. Without one the test is
// skipped, or fails if the environment variable SESSIONENGINE_REQUIRE_SERVERS
// is 1. SESSIONENGINE_PYTHON names an interpreter to use instead.
func python(t testing.TB) string {
	t.Helper()
	path, err := findPython()
	switch {
	case err == nil:
	case os.Getenv("SESSIONENGINE_REQUIRE_SERVERS") == "1":
		t.Fatalf("no Python with Django: %v", err)
	default:
		t.Skipf("no Python with Django: %v", err)
	}
	return path
}

var findPython = sync.OnceValues(func() (path string, err error) {
	candidates := []string{"/usr/bin/python3", "python3"}
	if p := os.Getenv("SESSIONENGINE_PYTHON"); p != "" {
		candidates = []string{p}
	}
	for _, path = range candidates {
		if err = exec.Command(path, "-c", "import django").Run(); err == nil {
			return path, nil
		}
	}
	return "", err
})

// process is a Python program that ends with the test, or with the test's
// process, since its standard input does.
type process struct {
	in  io.Writer
	out *bufio.Reader
}

func startPython(t testing.TB, script string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(python(t), append([]string{"-W", "ignore", script}, args...)...)
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

func newPeer(t testing.TB, settings ask) *peer {
	t.Helper()
	p := &peer{t: t, process: startPython(t, "testdata/peer.py")}
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
	for name, value := range args {
		request[name] = value
	}
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
	for name, value := range more {
		args[name] = value
	}
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
