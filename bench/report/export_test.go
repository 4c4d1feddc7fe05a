package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"sessionengine/bench"
)

// csvOf reads what WriteCSV wrote, as a map from column to cell for each line.
func csvOf(t *testing.T, r *bench.Report) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteCSV(&b, r); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll() // all lines are of one length
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]string
	for _, record := range records[1:] {
		line := make(map[string]string)
		for i, cell := range record {
			line[records[0][i]] = cell
		}
		lines = append(lines, line)
	}
	return lines
}

func TestCSVHasALineForEverythingMeasured(t *testing.T) {
	report := bench.Analyze(made(12, 0.01), bench.DefaultModel())
	lines := csvOf(t, report)
	if want := len(report.Requests) + len(report.Floors); len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	found := false
	for _, l := range lines {
		if l["what"] == "request" && l["engine"] == "cookie" && l["session"] == "small" && l["kind"] == "read" {
			found = true
			number := func(column string) float64 {
				v, err := strconv.ParseFloat(l[column], 64)
				if err != nil {
					t.Error(err)
				}
				return v
			}
			ns, lo, hi := number("cpu_ns"), number("cpu_ns_lo"), number("cpu_ns_hi")
			if math.Abs(ns-5200) > 150 || lo > ns || hi < ns || lo == hi {
				t.Errorf("%v ns, from %v to %v", ns, lo, hi)
			}
			if l["json_bytes"] != "200" || l["samples"] != "240" || l["allocs"] != "25" || l["queries"] != "0" ||
				l["cookie_up_bytes"] != "100" {
				t.Errorf("%v", l)
			}
		}
		if l["session"] == "huge" && l["engine"] == "cookie" && l["kind"] == "read" &&
			(l["too_large"] != "true" || l["cpu_ns"] != "" || l["queries"] != "") {
			t.Errorf("a session that does not fit: %v", l)
		}
	}
	if !found {
		t.Error("there is no line for a read with a cookie")
	}
}

func TestCSVLeavesOutBoundsThatAreNotKnown(t *testing.T) {
	for _, l := range csvOf(t, bench.Analyze(made(3, 0.01), bench.DefaultModel())) {
		if l["too_large"] == "false" && (l["cpu_ns"] == "" || l["cpu_ns_lo"] != "" || l["cpu_ns_hi"] != "") {
			t.Fatalf("three rounds: %v", l)
		}
	}
}

func TestBenchmarksAreReadAsTheirNamesSay(t *testing.T) {
	results := made(12, 0.01)
	var b bytes.Buffer
	if err := WriteBenchmarks(&b, results); err != nil {
		t.Fatal(err)
	}
	reader := benchfmt.NewReader(&b, "results")
	count := make(map[string]int)
	units := make(map[string]bool)
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			count[rec.Name.String()]++
			if rec.GetConfig("goarch") != "amd64" || rec.GetConfig("cpu") != "Example Processor" {
				t.Fatalf("measured on %q, %q", rec.GetConfig("goarch"), rec.GetConfig("cpu"))
			}
			if rec.Name.String() != "Request/engine=row/session=small/kind=write-2" {
				continue
			}
			if ns, ok := rec.Value("sec/op"); !ok || math.Abs(ns-45.3e-6) > 3e-6 {
				t.Errorf("a write takes %v s", ns)
			}
			if queries, ok := rec.Value("queries/op"); !ok || queries != 2 {
				t.Errorf("a write takes %v queries", queries)
			}
		case *benchfmt.UnitMetadata:
			units[rec.OrigUnit+" "+rec.Key+" "+rec.Value] = true
		case *benchfmt.SyntaxError:
			t.Errorf("%v", rec)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	if n := count["Request/engine=row/session=small/kind=write-2"]; n != 12 {
		t.Errorf("%d measurements of a write, want one each round", n)
	}
	if n := count["Floor/engine=none/session=small/kind=read-2"]; n != 12 {
		t.Errorf("%d measurements of the empty handler", n)
	}
	if n := count["Request/engine=cookie/session=huge/kind=write-2"]; n != 0 {
		t.Error("a session that does not fit was measured")
	}
	if !units["cookie-B assume exact"] || !units["queries/op better lower"] {
		t.Errorf("units: %v", units)
	}
	if benchunit.ClassOf("cookie-B") != benchunit.Binary {
		t.Error("benchstat does not take cookie-B for bytes")
	}
}
