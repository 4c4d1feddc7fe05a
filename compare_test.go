package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"sessionengine/bench"
	"sessionengine/bench/scale"
)

func TestMain(m *testing.M) {
	quickTime /= 8 // a second
	testscript.Main(m, map[string]func(){"compare": main})
}

// The scripts run the program as people do, and check what it says to what it
// cannot do.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// compareOnce runs the program in this process.
func compareOnce(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(ctx, args, &out, &errOut)
	return out.String(), errOut.String(), err
}

func TestReport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report.json")
	stdout, stderr, err := compareOnce(t, t.Context(), "-quick", "-rounds", "12", "-tables", "-json", out)
	if err != nil {
		t.Fatal(err)
	}
	if stderr != "" {
		t.Errorf("there is no terminal, and still there is progress: %q", stderr)
	}
	for _, want := range []string{
		"signedcookie", "dbstore", "seed 1", "12 rounds",
		"TIME OF A REQUEST", "ALLOCATIONS", "DATABASE QUERIES", "BYTES OF COOKIE",
		"ATTACKS AND ACCIDENTS", "WHICH ENGINE TO USE", "Assumed:",
		"login, 220 B", "untouched", "anonymous", "read", "write", "login", "logout",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report says nothing of %q", want)
		}
	}
	for line := range strings.Lines(stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}

	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Rounds   int
		Requests []struct {
			Engine, Session, Kind string
			Times                 [][]float64 `json:"ns_per_op"`
			Queries               float64     `json:"queries_per_op"`
		}
	}
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatal(err)
	}
	if want := len(bench.DefaultEngines()) * len(bench.QuickShapes()) * len(bench.Kinds()); len(raw.Requests) != want {
		t.Errorf("%d kinds of request in %s, want %d", len(raw.Requests), out, want)
	}
	for _, r := range raw.Requests {
		if len(r.Times) != 12 {
			t.Errorf("%s/%s/%s: %d rounds", r.Engine, r.Session, r.Kind, len(r.Times))
		}
	}
	alone(t, out)
}

// alone checks that nothing is left beside some files of one directory.
func alone(t *testing.T, paths ...string) {
	t.Helper()
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	files, err := os.ReadDir(filepath.Dir(paths[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(names, f.Name()) {
			t.Errorf("%s was left behind", f.Name())
		}
	}
}

func TestOwnSessionsAreMeasuredAndNotShown(t *testing.T) {
	dir := t.TempDir()
	file, out := filepath.Join(dir, "sessions.jsonl"), filepath.Join(dir, "report.json")
	var lines strings.Builder
	for i := range 20 {
		lines.WriteString(`{"confidential_key":"confidential value","n":"` + strings.Repeat("x", i) + "\"}\n")
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	page, table, benchmarks, markdown := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.csv"),
		filepath.Join(dir, "report.txt"), filepath.Join(dir, "report.md")
	stdout, _, err := compareOnce(t, t.Context(), "-quick", "-rounds", "12", "-tables", "-sessions", file, "-json", out, "-html",
		page, "-csv", table, "-benchstat", benchmarks, "-markdown", markdown)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"yours-median", "yours-p90", "yours-max", "YOUR SESSIONS\n20 sessions"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report says nothing of %q", want)
		}
	}
	if strings.Contains(stdout, "confidential") {
		t.Error("the report shows what is in the sessions")
	}
	for _, path := range []string{out, page, table, benchmarks, markdown} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// The page has the raw results, which are those of the first file, in
		// another encoding.
		if !bytes.Contains(content, []byte("yours-median")) || bytes.Contains(content, []byte("confidential")) {
			t.Errorf("%s does not show the sessions' sizes, or shows what is in them", filepath.Base(path))
		}
	}
}

func TestDatabaseOfTheUsersOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := compareOnce(t, t.Context(), "-quick", "-rounds", "12", "-tables", "-db", "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout, "Sessions in signedcookie, dbstore-sqlite\n") {
		t.Errorf("other engines were measured: %.80s", stdout)
	}
	stdout, _, err = compareOnce(t, t.Context(), "-quick", "-rounds", "12", "-tables", "-engines", "dbstore", "-db", "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout, "Sessions in dbstore, dbstore-sqlite\n") {
		t.Errorf("other engines were measured: %.80s", stdout)
	}
	alone(t, path)
}

func TestReportIsWrittenInEveryForm(t *testing.T) {
	dir := t.TempDir()
	page, table, benchmarks, markdown := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.csv"),
		filepath.Join(dir, "report.txt"), filepath.Join(dir, "report.md")
	if _, _, err := compareOnce(t, t.Context(), "-quick", "-rounds", "12", "-html", page, "-csv", table, "-benchstat",
		benchmarks, "-markdown", markdown); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		page:       "<title>Sessions in signedcookie, dbstore</title>",
		table:      "\r\nrequest,dbstore,login,220,read,false,12,",
		markdown:   "# Sessions in signedcookie, dbstore\n",
		benchmarks: "\nBenchmarkRequest/engine=dbstore/session=login/kind=read",
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		} else if !bytes.Contains(content, []byte(want)) {
			t.Errorf("%s does not contain %q", filepath.Base(path), want)
		}
	}
	alone(t, page, table, benchmarks, markdown)
}

func TestInterruptedRunSaysWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(3*time.Second, cancel)
	dir := t.TempDir()
	out, page := filepath.Join(dir, "report.json"), filepath.Join(dir, "report.html")
	stdout, _, err := compareOnce(t, ctx, "-full", "-engines", "signedcookie,dbstore", "-rounds", "1000", "-json", out,
		"-html", page)
	if !errors.Is(err, context.Canceled) || exitStatus(err) != 130 {
		t.Fatalf("got %v, exit status %d", err, exitStatus(err))
	}
	if !strings.Contains(stdout, "INTERRUPTED after ") || !strings.Contains(stdout, " of 1000 rounds") {
		t.Error("the report does not say that it was interrupted")
	}
	content, err := os.ReadFile(out)
	if err != nil || !json.Valid(content) {
		t.Errorf("the raw results: %d bytes, %v", len(content), err)
	}
	content, err = os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"INTERRUPTED after ", "INTERRUPTED: not all was measured of ",
		"load through a server", "The run was interrupted before this was measured"} {
		if !bytes.Contains(content, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
	alone(t, out, page)
}

func TestFailureLeavesAnOldFileAlone(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := compareOnce(t, t.Context(), "-json", out, "-sessions",
		filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Fatal("a missing file was measured")
	}
	if content, err := os.ReadFile(out); err != nil || string(content) != "old" {
		t.Errorf("the file now holds %q, %v", content, err)
	}
	alone(t, out)
}

// A flag that is missing follows from the other one.
func TestTheSizeOfASite(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []scale.Site
	}{
		{nil, []scale.Site{scale.Small, scale.Large}},
		{[]string{"-alive", "50000"}, []scale.Site{{Sessions: 50_000, Requests: 100, Life: scale.Life}}},
		{[]string{"-requests-per-second", "4"}, []scale.Site{{Sessions: 2000, Requests: 4, Life: scale.Life}}},
		{[]string{"-alive", "7", "-requests-per-second", "3"}, []scale.Site{{Sessions: 7, Requests: 3, Life: scale.Life}}},
	} {
		opts, err := parse(tc.args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(opts.sites, tc.want) {
			t.Errorf("%q: %+v, want %+v", tc.args, opts.sites, tc.want)
		}
	}
}

// A site that has to log visitors out is told of cookies that can do it.
func TestEnginesOfASiteThatMustLogOut(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "signedcookie dbstore"},
		{[]string{"-must-log-out"}, "signedcookie signedcookie+revocation dbstore"},
		{[]string{"-must-log-out", "-engines", "dbstore,sealed"}, "dbstore sealed"},
	} {
		opts, err := parse(tc.args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range opts.engines {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.args, got, tc.want)
		}
	}
}
