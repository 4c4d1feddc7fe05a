package bench_test

import (
	"bytes"
	"encoding/json"
	"errors"
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
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != len(corpusPaths(t)) {
		t.Errorf("gen makes %d files, %v; the corpus has %d", len(made), err, len(corpusPaths(t)))
	}
	for _, path := range corpusPaths(t) {
		want, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
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
	for _, path := range corpusPaths(t) {
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
	for _, kind := range bench.CorpusKinds() {
		content, err := os.ReadFile(filepath.Join(corpusDir, kind+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		slices.Sort(lines)
		if n := len(slices.Compact(slices.Clone(lines))); n != len(lines) || n < 8 {
			t.Errorf("%s: %d lines, %d different", kind, len(lines), n)
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
	for _, path := range corpusPaths(t) {
		files = append(files, filepath.Base(path))
	}
	slices.Sort(sections)
	if !slices.Equal(sections, files) {
		t.Errorf("README.md has sections on %q, and the files are %q", sections, files)
	}
}

func TestCorpusHasEveryFile(t *testing.T) {
	kinds := bench.CorpusKinds()
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

func TestReadSessions(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string // keys and values in order, a session each
	}{
		{"one object", `{"a":1}`, []string{`a=1`}},
		{"order of keys is kept", `{"b":1,"a":2}`, []string{`b=1 a=2`}},
		{"white space and blank lines", "\n {\"a\" : [ 1, 2 ]}\r\n\n{\"b\":{}}\n", []string{`a=[1,2]`, `b={}`}},
		{"byte order mark", "\ufeff{\"a\":1}", []string{`a=1`}},
		{"the last of two equal keys counts", `{"a":1,"b":2,"a":3}`, []string{`a=3 b=2`}},
		{"a framework's own keys are left out", `{"_session_expiry":60,"a":1}`, []string{`a=1`}},
		{"large numbers are kept digit by digit", `{"a":12345678901234567890}`, []string{`a=12345678901234567890`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sessions, err := bench.ReadSessions(strings.NewReader(tt.in), "x")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sessions {
				var fields []string
				for _, e := range s.Entries {
					fields = append(fields, e.Key+"="+string(e.Value))
				}
				got = append(got, strings.Join(fields, " "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadSessionsNamesTheLineAndQuotesNothing(t *testing.T) {
	tests := []struct {
		name, in string
		line     int
	}{
		{"not JSON", "{\"a\":1}\nsecret\n", 2},
		{"an array", "[\"secret\"]\n", 1},
		{"a truncated object", "\n\n{\"secret\":1", 3},
		{"two objects on a line", `{"secret":1}{"secret":2}`, 1},
		{"an empty object", "{\"a\":1}\n{}\n", 2},
		{"bytes that are no UTF-8", "{\"secret\":\"\xff\"}", 1},
		{"a line too long", "{\"a\":1}\n{\"secret\":\"" + strings.Repeat("x", 5<<20) + "\"}", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bench.ReadSessions(strings.NewReader(tt.in), "x")
			lineErr, ok := errors.AsType[*bench.LineError](err)
			if !ok || lineErr.Line != tt.line {
				t.Fatalf("got %v, want an error on line %d", err, tt.line)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "'s'") {
				t.Errorf("the error quotes the session: %v", err)
			}
		})
	}
	for _, in := range []string{"", "\n\n"} {
		if _, err := bench.ReadSessions(strings.NewReader(in), "x"); !errors.Is(err, bench.ErrNoSessions) {
			t.Errorf("of %q: got %v, want ErrNoSessions", in, err)
		}
	}
}

func TestSessionSizeIsThatOfCompactJSON(t *testing.T) {
	for _, line := range []string{
		`{"a":1}`, `{"giỏ hàng":"<b>&amp;</b>","x":[1,2,{"y":null}]}`, `{"\"":"\n"}`, `{"<":1}`,
	} {
		sessions, err := bench.ReadSessions(strings.NewReader(line), "x")
		if err != nil {
			t.Fatal(err)
		}
		if sessions[0].Size != len(line) {
			t.Errorf("%s: size %d, want %d", line, sessions[0].Size, len(line))
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

func FuzzReadSessions(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n{\"b\":[true,null]}\n"))
	f.Add([]byte("{\"a\":1"))
	f.Add([]byte("\xef\xbb\xbf{\"\\u0000\":\"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		sessions, err := bench.ReadSessions(bytes.NewReader(in), "x")
		if err != nil {
			if sessions != nil {
				t.Error("sessions together with an error")
			}
			return
		}
		for _, s := range sessions {
			if len(s.Entries) == 0 || s.Size < len(`{"":0}`) {
				t.Errorf("a session of %d entries, %d bytes", len(s.Entries), s.Size)
			}
			for _, e := range s.Entries {
				if !json.Valid(e.Value) {
					t.Error("a value that is not JSON")
				}
			}
		}
	})
}
