package main

import (
	"bytes"
	"flag"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"sessionengine/bench"
	"sessionengine/internal/testserver"
)

var (
	postgresServer = testserver.Postgres()
	redisServer    = testserver.Redis()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgresServer, redisServer)) }

// ours tells our engines from the others, which are measured and tried, and not
// held to anything: they may change.
func ours(name string) bool {
	return slices.Contains([]string{"signedcookie", "signedcookie+revocation", "+revocation", "sealed"}, name) ||
		strings.HasPrefix(name, "dbstore") || strings.HasPrefix(name, "redisstore")
}

// results measures everything once. The harness checks that each engine does
// what it should.
func results(t *testing.T, engines []bench.Engine, err error) *bench.Results {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		t.Fatal(err)
	}
	results, err := bench.Run(t.Context(), bench.Config{Engines: engines, Sessions: sessions, Rounds: 1,
		Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func checkResults(t *testing.T, r *bench.Results) {
	for _, q := range r.Requests {
		if q.TooLarge != "" || len(q.Nanosec) != 1 {
			t.Errorf("%s/%s/%s: %q", q.Engine, q.Session, q.Kind, q.TooLarge)
		}
		want := map[bench.Kind]float64{bench.Read: 1, bench.Again: 1, bench.Write: 2, bench.Login: 2,
			bench.Logout: q.Queries}[q.Kind]
		if strings.HasSuffix(q.Engine, "+nearcache") && q.Kind == bench.Again {
			want = 0
		}
		if (strings.HasPrefix(q.Engine, "dbstore") || q.Engine == "redisstore") && q.Queries != want {
			t.Errorf("%s/%s/%s: %v queries, want %v", q.Engine, q.Session, q.Kind, q.Queries, want)
		}
		if strings.HasPrefix(q.Engine, "scs-") {
			t.Logf("%s/%s/%s: %v queries", q.Engine, q.Session, q.Kind, q.Queries)
		}
	}
	for _, b := range r.Behaviours {
		inCookie := b.Engine == "signedcookie" || b.Engine == "sealed"
		if strings.HasSuffix(b.Engine, "+revocation") { // bench has a test of its own
			continue
		}
		if ours(b.Engine) && b.Observed != inCookie {
			t.Errorf("%s: %s: %v, want %v", b.Engine, b.Behaviour, b.Observed, inCookie)
		}
	}
}

func TestPeersUnderTheHarness(t *testing.T) {
	all, err := engines("", "")
	checkResults(t, results(t, all, err))
}

// onServer returns the engines that the URLs of servers add.
func onServer(postgres, redis string) ([]bench.Engine, error) {
	without, err := engines("", "")
	if err != nil {
		return nil, err
	}
	all, err := engines(postgres, redis)
	if err != nil {
		return nil, err
	}
	return all[len(without):], nil
}

func TestPeersOnPostgreSQL(t *testing.T) {
	server := postgresServer.Start(t)
	both, err := onServer(server.URL, "")
	r := results(t, both, err)
	if want := []string{"dbstore-postgres", "dbstore-postgres+nearcache", "scs-postgres"}; !slices.Equal(r.Settings.Engines, want) {
		t.Errorf("measured %q, want %q", r.Settings.Engines, want)
	}
	checkResults(t, r)

	var left int
	db := server.Open(t)
	if err := db.QueryRow("SELECT (SELECT COUNT(*) FROM pg_tables WHERE tablename LIKE 'sessionengine%') + (SELECT " +
		"COUNT(*) FROM pg_namespace WHERE nspname LIKE 'sessionengine%')").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tables and schemas are left, %v", left, err)
	}
}

// scs asks Redis once at the beginning of each request that brings a cookie, and
// once more for all commands of a write, which are sent together.
func TestPeersOnRedis(t *testing.T) {
	server := redisServer.Start(t)
	both, err := onServer("", server.URL)
	r := results(t, both, err)
	if want := []string{"redisstore", "redisstore+nearcache", "scs-redis"}; !slices.Equal(r.Settings.Engines, want) {
		t.Errorf("measured %q, want %q", r.Settings.Engines, want)
	}
	checkResults(t, r)
	for _, q := range r.Requests {
		if q.Engine != "scs-redis" {
			continue
		}
		want := map[bench.Kind]float64{bench.Untouched: 1, bench.Read: 1, bench.Again: 1, bench.Write: 2,
			bench.Login: 3, bench.Logout: 2}[q.Kind]
		if q.Queries != want {
			t.Errorf("scs-redis/%s/%s: %v queries, want %v", q.Session, q.Kind, q.Queries, want)
		}
	}
	conn, err := redis.DialURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if left, err := redis.Int(conn.Do("DBSIZE")); err != nil || left != 0 {
		t.Errorf("%d keys are left, %v", left, err)
	}
}

// One report has all contenders, in every format.
func TestRunWritesOneReport(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"-html": filepath.Join(dir, "r.html"), "-markdown": filepath.Join(dir, "r.md"),
		"-json": filepath.Join(dir, "r.json")}
	args := []string{"-rounds", "1", "-time", "1ms"}
	for flag, file := range files {
		args = append(args, flag, file)
	}
	var out strings.Builder
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"text": out.String()}
	for flag, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[flag] = html.UnescapeString(string(text))
	}
	all, err := engines("", "")
	if err != nil {
		t.Fatal(err)
	}
	for format, text := range texts {
		for _, e := range all {
			if !strings.Contains(text, e.Name) {
				t.Errorf("%s: there is nothing of %s", format, e.Name)
			}
		}
	}
}

// What our engines do is known; what the others do is written down.
func TestMatrix(t *testing.T) {
	all := libraries()
	outcomes, err := try(t.Context(), all, trials)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(all) * len(trials); len(outcomes) != want {
		t.Fatalf("%d outcomes, want %d", len(outcomes), want)
	}
	// What a cookie cannot do by itself.
	cannot := map[string][]string{
		"signedcookie": {"parallel writers", "replay after logout", "old cookie", "resurrection"},
		"+revocation":  {"parallel writers", "old cookie"},
	}
	for _, o := range outcomes {
		if !ours(o.Library) {
			t.Logf("%s: %s: %s: %s", o.Library, o.Trial, o.Verdict, o.What)
			continue
		}
		if want := !slices.Contains(cannot[o.Library], o.Trial); o.Verdict == bad && want || o.Verdict == good &&
			!want {
			t.Errorf("%s: %s: %s: %s", o.Library, o.Trial, o.Verdict, o.What)
		}
	}
	var text strings.Builder
	if err := writeMatrix(&text, all, trials, outcomes); err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials {
		if !strings.Contains(text.String(), "\n"+trial.name+": ") {
			t.Errorf("the text says nothing of %q", trial.name)
		}
	}
}

// The figures in bench/results are taken with
//
//	go test -run TestMeasure -timeout 60m -args -measure 5m -machine 2026-11-26-epyc-2
var (
	measure = flag.Duration("measure", 0, "measure so long, and write peers.txt and behaviours.txt in bench/results anew")
	machine = flag.String("machine", "", "the folder of bench/results that is the machine's")
)

func TestMeasure(t *testing.T) {
	if *measure == 0 {
		t.Skip("-measure takes minutes")
	}
	postgres, redis := postgresServer.Start(t), redisServer.Start(t)
	peers := filepath.Join("../results", *machine, "peers")
	for file, args := range map[string][]string{
		"../results/behaviours.txt": {"-behaviour"},
		peers + ".txt": {"-time", measure.String(), "-postgres", postgres.URL, "-redis", redis.URL, "-links", "-json",
			peers + ".json"}, // which is kept packed by gzip
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	all, err := engines("", "")
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		b.Fatal(err)
	}
	bench.BenchmarkRequests(b, all, sessions)
}
