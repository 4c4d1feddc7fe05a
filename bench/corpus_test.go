package bench_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sessionengine/bench"
)

const corpusDir = "testdata/corpus"

func TestCorpusIsWhatItsGeneratorMakes(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "./"+corpusDir+"/gen", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	madeHeldOut, err2 := filepath.Glob(filepath.Join(dir, "heldout", "*.jsonl"))
	paths := slices.Concat(corpusPaths(t), heldOutPaths(t))
	if n := len(made) + len(madeHeldOut); n != len(paths) || err != nil || err2 != nil {
		t.Errorf("gen makes %d files, %v, %v; the corpus has %d", n, err, err2, len(paths))
	}
	for _, path := range paths {
		name, err := filepath.Rel(corpusDir, path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from what gen makes, %v; run go generate", path, err)
		}
	}
}

func TestCorpusLinesAreCompactJSONObjects(t *testing.T) {
	for _, path := range slices.Concat(corpusPaths(t), heldOutPaths(t)) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")) {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(line, &object); err != nil {
				t.Errorf("%s:%d: %v", path, i+1, err)
			}
			var compact bytes.Buffer
			if json.Compact(&compact, line); !bytes.Equal(compact.Bytes(), line) {
				t.Errorf("%s:%d is not compact", path, i+1)
			}
		}
	}
}

func TestCorpusSizes(t *testing.T) {
	between := func(kind string, lo, hi int) {
		t.Helper()
		sessions, err := bench.CorpusSessions(kind)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range sessions {
			if s.Size < lo || s.Size > hi {
				t.Errorf("%s.jsonl:%d has %d bytes, want %d to %d", kind, i+1, s.Size, lo, hi)
			}
		}
	}
	between("login", 220, 220)
	between("visitor", 49, 49)
	between("cart", 950, 1400)
	between("large-cart", 3000, 3500)
	between("token-cache", 8000, 9000)
}

func TestCorpusSessionsOfAKindDiffer(t *testing.T) {
	for _, path := range slices.Concat(corpusPaths(t), heldOutPaths(t)) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		slices.Sort(lines)
		if n := len(slices.Compact(slices.Clone(lines))); n != len(lines) || n < 8 {
			t.Errorf("%s: %d lines, %d different", path, len(lines), n)
		}
	}
}

func TestCorpusReadmeTellsWhereEachFileComesFrom(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(corpusDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllSubmatch(readme, -1) {
		sections = append(sections, string(m[1]))
	}
	var files []string
	for _, path := range slices.Concat(corpusPaths(t), heldOutPaths(t)) {
		name, err := filepath.Rel(corpusDir, path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.ToSlash(name))
	}
	slices.Sort(sections)
	slices.Sort(files)
	if !slices.Equal(sections, files) {
		t.Errorf("README.md has sections on %q, and the files are %q", sections, files)
	}
}

func TestCorpusHasEveryFile(t *testing.T) {
	kinds := bench.CorpusShapes()
	if len(kinds) != len(corpusPaths(t)) {
		t.Errorf("%d kinds, %d files", len(kinds), len(corpusPaths(t)))
	}
	sessions, err := bench.Corpus()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sessions {
		if s.Name != kinds[i] {
			t.Errorf("session %d is named %q, want %q", i, s.Name, kinds[i])
		}
	}
	if _, err := bench.Corpus("login", "no-such-kind"); err == nil {
		t.Error("an unknown kind was accepted")
	}
}

func corpusPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusDir, "*.jsonl"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	return paths
}

// heldOutPaths are the files that no dictionary was made from.
func heldOutPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusDir, "heldout", "*.jsonl"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sessions that are held out: %v", err)
	}
	return paths
}

func TestParseSession(t *testing.T) {
	for in, want := range map[string]string{ // keys and values in order
		`{"a":1}`:                      `a=1`,
		`{"b":1,"a":2}`:                `b=1 a=2`,
		" {\"a\" : [ 1, 2 ]}\r\n":      `a=[1,2]`,
		`{"a":1,"b":2,"a":3}`:          `a=3 b=2`, // the last of two equal keys counts
		`{"_session_expiry":60,"a":1}`: `a=1`,
		`{"a":12345678901234567890}`:   `a=12345678901234567890`,
	} {
		s, err := bench.ParseSession([]byte(in), "x")
		var fields []string
		for _, e := range s.Entries {
			fields = append(fields, e.Key+"="+string(e.Value))
		}
		if got := strings.Join(fields, " "); err != nil || got != want || s.Name != "x" {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"secret", `["secret"]`, `{"secret":1`, `{"secret":1}{"secret":2}`, "{}",
		"{\"secret\":\"\xff\"}", ""} {
		if _, err := bench.ParseSession([]byte(in), "x"); err == nil || strings.Contains(err.Error(), "secret") ||
			strings.Contains(err.Error(), "'s'") {
			t.Errorf("%s: got %v, want an error that quotes nothing", in, err)
		}
	}
}

func TestSessionSizeIsThatOfCompactJSON(t *testing.T) {
	for _, text := range []string{
		`{"a":1}`, `{"giỏ hàng":"<b>&amp;</b>","x":[1,2,{"y":null}]}`, `{"\"":"\n"}`, `{"<":1}`,
	} {
		if s, err := bench.ParseSession([]byte(text), "x"); err != nil || s.Size != len(text) {
			t.Errorf("%s: size %d, %v, want %d", text, s.Size, err, len(text))
		}
	}
}

func TestRepresentatives(t *testing.T) {
	sessionsOf := func(n int) []bench.Session {
		var sessions []bench.Session
		for i := range n {
			sessions = append(sessions, bench.Session{Size: 1000 - i}) // largest first
		}
		return sessions
	}
	tests := []struct {
		n    int
		want map[string]int
	}{
		{1, map[string]int{"mine-median": 1000}},
		{2, map[string]int{"mine-median": 999, "mine-max": 1000}},
		{101, map[string]int{"mine-median": 950, "mine-p90": 990, "mine-max": 1000}},
	}
	for _, tt := range tests {
		got := make(map[string]int)
		for _, s := range bench.Representatives(sessionsOf(tt.n), "mine") {
			got[s.Name] = s.Size
		}
		if len(got) != len(tt.want) {
			t.Errorf("of %d: got %v, want %v", tt.n, got, tt.want)
		}
		for name, size := range tt.want {
			if got[name] != size {
				t.Errorf("of %d: got %v, want %v", tt.n, got, tt.want)
			}
		}
	}
}

func FuzzParseSession(f *testing.F) {
	f.Add([]byte(`{"b":[true,null]}`))
	f.Add([]byte(`{"a":1`))
	f.Add([]byte(`{"\u0000":"\ud800"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := bench.ParseSession(in, "x")
		if err != nil {
			return
		}
		if len(s.Entries) == 0 || s.Size < len(`{"":0}`) {
			t.Errorf("a session of %d entries, %d bytes", len(s.Entries), s.Size)
		}
		for _, e := range s.Entries {
			if !json.Valid(e.Value) {
				t.Error("a value that is not JSON")
			}
		}
	})
}
