package scale_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sessionengine/bench"
	"sessionengine/bench/scale"
	"sessionengine/bench/wire"
)

func login(t *testing.T) bench.Session {
	t.Helper()
	sessions, err := bench.Corpus("login")
	if err != nil {
		t.Fatal(err)
	}
	return sessions[0]
}

func engines(t *testing.T) []bench.Engine {
	t.Helper()
	engines, err := bench.EnginesNamed("signedcookie", "sealed", "dbstore")
	if err != nil {
		t.Fatal(err)
	}
	return engines
}

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	var announced []int
	result, err := scale.Measure(t.Context(), scale.Config{
		Session: login(t), Rows: []int{1000, 2000, 4000}, Engines: engines(t), Dir: dir,
		Progress: func(rows int) { announced = append(announced, rows) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Tables) != 3 || len(announced) != 3 || result.JSON != 220 {
		t.Fatalf("%d tables, %d announced, of sessions of %d bytes; want 3, 3 and 220", len(result.Tables), len(announced), result.JSON)
	}
	for _, table := range result.Tables {
		n := int64(table.Rows)
		if table.Cleanup.Deleted != n/2 {
			t.Errorf("%d rows: %d deleted, want half", n, table.Cleanup.Deleted)
		}
		for name, s := range map[string]scale.Sizes{"filled": table.Filled, "refilled": table.Refilled} {
			// A row holds 220 bytes and more, a key 40, a moment 19.
			if s.Table < 220*n || s.Table > 600*n || s.KeyIndex < 40*n || s.KeyIndex > 120*n || s.ExpiryIndex < 19*n || s.ExpiryIndex > 80*n {
				t.Errorf("%d rows, %s: %+v", n, name, s)
			}
			if sum := s.Table + s.KeyIndex + s.ExpiryIndex; s.File < sum || s.File > sum+sum/2 {
				t.Errorf("%d rows, %s: a file of %d bytes with %d in it", n, name, s.File, sum)
			}
		}
		if table.Save <= 0 || table.Load <= 0 || table.Cleanup.Seconds <= 0 {
			t.Errorf("%d rows: %+v", n, table)
		}
	}
	if want := 2 * 3; len(result.Pages) != want {
		t.Errorf("%d pages, want %d", len(result.Pages), want)
	}
	up := make(map[string]float64)
	for _, p := range result.Pages {
		up[p.Engine+" "+p.Protocol] = p.Up
	}
	if !(up["signedcookie "+wire.HTTP1] > up["sealed "+wire.HTTP1] && up["sealed "+wire.HTTP1] > up["dbstore "+wire.HTTP1] && up["dbstore "+wire.HTTP1] > 21*40) {
		t.Errorf("bytes of a page: %v", up)
	}

	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMeasureRefuses(t *testing.T) {
	for _, rows := range [][]int{nil, {1000}, {2000, 1000}, {10, 1000}} {
		if _, err := scale.Measure(t.Context(), scale.Config{Session: login(t), Rows: rows}); err == nil {
			t.Errorf("%v: accepted", rows)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := scale.Measure(ctx, scale.Config{Session: login(t), Rows: []int{1000, 2000}, Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What is worked out of round numbers is a round number.
func TestForecast(t *testing.T) {
	result := &scale.Result{
		Environment: scale.Environment{Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), GoVersion: "go1.26", Platform: "linux/amd64", Cores: 2},
		Session:     "login", JSON: 220, Batch: 500,
		Pages: []scale.Page{{Engine: "signedcookie", Protocol: wire.HTTP1, Requests: 21, Up: 5000, Down: 600}},
	}
	for _, n := range []int64{10_000, 100_000, 1_000_000} {
		result.Tables = append(result.Tables, scale.Table{
			Rows: int(n), Save: 50e-6, Load: 10e-6,
			Refilled: scale.Sizes{Table: 8192 + 300*n, KeyIndex: 60 * n, ExpiryIndex: 30 * n, File: 16384 + 400*n},
			Cleanup:  scale.Cleanup{Deleted: n / 2, Seconds: 0.1 + 100e-6*float64(n)/2},
		})
	}
	result.Tables[2].Refilled.File *= 2 // which the smaller ones do not foretell
	var out strings.Builder
	if err := result.WriteText(&out, scale.DefaultForecast()); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"10 000 000 sessions, from tables of 10 000, 100 000 and 1 000 000",
		"table 3.00 GB = 8192 B + 300.0 B × n 0.0 %",
		"index on session_key 600 MB = 0 B + 60.0 B × n 0.0 %",
		"index on expire_date 300 MB = 0 B + 30.0 B × n 0.0 %",
		"-50.0 %",
		"8m20s = 0.100 s + 100.0 µs × 5 000 000 rows, in 10 000 batches",
		"signedcookie HTTP/1.1 5000 B 600 B 50.0 GB 6.00 GB",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
	checkWidth(t, out.String())
}

func checkWidth(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// The figures in bench/results are taken with
//
//	go test ./bench/scale -run TestTenMillion -timeout 30m -args -measure
var (
	measure = flag.Bool("measure", false, "measure, and write bench/results/ten-million.json and .txt anew, which takes minutes")
	update  = flag.Bool("update", false, "write bench/results/ten-million.txt anew from the raw figures")
)

const (
	rawFile  = "../results/ten-million.json"
	textFile = "../results/ten-million.txt"
)

// The table in bench/results follows from the raw figures beside it.
func TestTenMillionSessions(t *testing.T) {
	if *measure {
		result, err := scale.Measure(t.Context(), scale.Config{
			Session: login(t), Rows: []int{10_000, 100_000, 1_000_000}, Engines: engines(t),
			Progress: func(rows int) { t.Logf("%s: %d sessions", time.Now().Format(time.TimeOnly), rows) },
		})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.MarshalIndent(result, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(rawFile, append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(rawFile)
	if err != nil {
		t.Fatal(err)
	}
	var result scale.Result
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := result.WriteText(&text, scale.DefaultForecast()); err != nil {
		t.Fatal(err)
	}
	checkWidth(t, text.String())
	if *measure || *update {
		if err := os.WriteFile(textFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(textFile)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s is not what %s tells:\n%s", textFile, rawFile, text.String())
	}
}
