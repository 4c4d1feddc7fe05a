package report

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// baseline returns a Baseline of these flags, opened for the engines and sessions
// of the report.
func baseline(t *testing.T, found *suite.Report, args ...string) (*Baseline, error) {
	t.Helper()
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	b := DeclareBaseline(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	var engines []bench.Engine
	for _, name := range found.Settings.Engines {
		engines = append(engines, bench.Engine{Name: name})
	}
	var sessions []bench.Session
	for _, s := range found.Settings.Sessions {
		sessions = append(sessions, bench.Session{Name: s.Name, Size: s.Size})
	}
	return b, b.Open(engines, sessions)
}

func writeReport(t *testing.T, r *suite.Report) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "report.json")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.WriteJSON(f); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestChangesAreInTheReport(t *testing.T) {
	before := &suite.Report{Report: bench.Analyze(made(12, 0.05), bench.DefaultModel())}
	now := made(12, 0.05)
	for i := range now.Requests {
		if q := &now.Requests[i]; q.Engine == "row" && q.Session == "small" && q.Kind == bench.Read {
			q.Queries = 2
			for _, samples := range q.Nanosec {
				for j := range samples {
					samples[j] *= 1.5
				}
			}
		}
	}
	found := &suite.Report{Report: bench.Analyze(now, bench.DefaultModel())}
	b, err := baseline(t, found, "-baseline", writeReport(t, before), "-fail-if", "read > 1.2", "-fail-if", "write > 1.2",
		"-fail-if", "worse")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Compare(found); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := New(found).WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SINCE THE BASELINE", "2 January 2026", "1 has changed; of what was counted or tried,"} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), want) {
			t.Errorf("the report has no %q", want)
		}
	}
	err = b.Judge(found)
	if err == nil {
		t.Fatal("passed")
	}
	for _, want := range []string{"-fail-if read > 1.2: row, small, read: 1.5", "; -fail-if worse: row, small, read: 1.5",
		"row, small, read: queries: 1 before, now 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "write > 1.2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

func TestARunThatHasNotChangedPasses(t *testing.T) {
	found := &suite.Report{Report: bench.Analyze(made(12, 0.05), bench.DefaultModel())}
	b, err := baseline(t, found, "-baseline", writeReport(t, found), "-fail-if", "any > 1.05", "-fail-if", "worse")
	if err == nil {
		err = b.Compare(found)
	}
	if err == nil {
		err = b.Judge(found)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestBaselinesThatWillNotDo(t *testing.T) {
	found := &suite.Report{Report: bench.Analyze(made(12, 0.05), bench.DefaultModel())}
	whole, err := os.ReadFile(writeReport(t, found))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"empty":         {"", "it is no report of -json"},
		"a list":        {"[]", "it is no report of this version's -json"},
		"older version": {`{"rounds": 8, "empty": {}}`, "it is no report of this version's -json"},
		"newer version": {strings.Replace(string(whole), `"format": 1`, `"format": 99`, 1), "it has 99"},
		"wrong types":   {`{"format": 1, "rounds": "many"}`, "it is no report of -json: json: cannot unmarshal"},
		"no round":      {strings.ReplaceAll(string(whole), `"rounds": 12`, `"rounds": 0`), "no complete round"},
		"damaged":       {strings.ReplaceAll(string(whole), `"rounds": 12`, `"rounds": 13`), "it is damaged"},
		"others": {strings.ReplaceAll(strings.ReplaceAll(string(whole), `"cookie"`, `"a"`), `"row"`, `"b"`),
			"none of the engines"},
	} {
		file := filepath.Join(t.TempDir(), "old.json")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := baseline(t, found, "-baseline", file); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}
