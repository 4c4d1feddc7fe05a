package report

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"sessionengine/bench"
)

// csvHeader names the columns of WriteCSV.
var csvHeader = []string{
	"what", "engine", "session", "json_bytes", "kind", "too_large", "rounds",
	"ns", "ns_lo", "ns_hi", "confidence", "allocs", "allocated_bytes",
	"queries", "cookie_up_bytes", "cookie_down_bytes",
}

// WriteCSV writes what was measured as a table (RFC 4180) with a header: a line
// for each kind of request of each session in each engine, for each floor, and
// for the empty handler, as the first column says. Times are medians with their
// confidence interval, and like allocations they are those of requests over the
// empty handler's. What was not measured is empty, and so is a bound of an
// interval that takes more rounds.
func WriteCSV(w io.Writer, r *bench.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	out.Write(csvHeader) // errors are kept until Flush
	line := func(what, engine, session string, kind bench.Kind, tooLarge bool, ns, allocs, bytes []float64,
		moved ...float64) {
		size := ""
		if i := slices.IndexFunc(r.Settings.Sessions,
			func(s bench.SessionSize) bool { return s.Name == session }); i >= 0 {
			size = strconv.Itoa(r.Settings.Sessions[i].Size)
		}
		times := bench.Summarize(ns, r.Quiet.Confidence())
		row := []string{
			what, engine, session, size, string(kind), strconv.FormatBool(tooLarge), strconv.Itoa(len(ns)),
			number(times.Median), number(times.Lo), number(times.Hi), number(times.Confidence),
			number(bench.Summarize(allocs, 0.95).Median), number(bench.Summarize(bytes, 0.95).Median),
		}
		for _, v := range moved {
			row = append(row, number(v))
		}
		for len(row) < len(csvHeader) {
			row = append(row, "")
		}
		out.Write(row)
	}
	line("empty handler", "", "", "", false, r.Empty.Nanosec, r.Empty.Allocs, r.Empty.Bytes)
	for i := range r.Requests {
		q := &r.Requests[i]
		if q.TooLarge != "" {
			line("request", q.Engine, q.Session, q.Kind, true, nil, nil, nil)
			continue
		}
		line("request", q.Engine, q.Session, q.Kind, false, r.Net(q), less(q.Allocs, r.Empty.Allocs),
			less(q.Bytes, r.Empty.Bytes),
			q.Queries, q.CookieUp, q.CookieDown)
	}
	for _, f := range r.Floors {
		line("floor", f.Engine, f.Session, f.Kind, false, f.Nanosec, f.Allocs, f.Bytes)
	}
	out.Flush()
	return out.Error()
}

// less returns a - b, round by round.
func less(a, b []float64) []float64 {
	d := slices.Clone(a)
	for i := range d {
		d[i] -= b[i]
	}
	return d
}

// number formats v for machines; what is no number or not finite is empty.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// WriteBenchmarks writes the raw results in the Go benchmark format, a line for
// each measurement, under the names of [bench.BenchmarkRequests], and of Floor for
// what an engine cannot do without: benchstat compares the engines with -col
// /engine. The empty handler's part is included.
func WriteBenchmarks(w io.Writer, r *bench.Results) error {
	out := bufio.NewWriter(w)
	env := r.Environment
	goos, goarch, _ := strings.Cut(env.Platform, "/")
	fmt.Fprintf(out, "goos: %s\ngoarch: %s\npkg: sessionengine/bench\n", goos, goarch)
	if env.CPU != "" {
		fmt.Fprintf(out, "cpu: %s\n", env.CPU)
	}
	// Counts are what they are: benchstat need not test them.
	for _, unit := range []string{"queries/op", "cookie-B", "set-cookie-B"} {
		fmt.Fprintf(out, "Unit %s assume=exact better=lower\n", unit)
	}
	procs := ""
	if env.Cores > 1 { // as package testing does
		procs = fmt.Sprintf("-%d", env.Cores)
	}
	line := func(name string, s bench.Series, round int) {
		fmt.Fprintf(out, "Benchmark%s%s\t%d\t%s ns/op\t%s B/op\t%s allocs/op", name, procs, s.Iterations,
			number(s.Nanosec[round]), number(math.Round(s.Bytes[round])), number(math.Round(s.Allocs[round])))
	}
	for round := range r.Rounds {
		line("Floor/engine=none/kind=empty", r.Empty, round)
		fmt.Fprintln(out)
		for _, q := range r.Requests {
			if round >= len(q.Nanosec) {
				continue // too large
			}
			line(fmt.Sprintf("Request/engine=%s/session=%s/kind=%s", q.Engine, q.Session, q.Kind), q.Series, round)
			fmt.Fprintf(out, "\t%s queries/op\t%s cookie-B\t%s set-cookie-B\n", number(q.Queries), number(q.CookieUp),
				number(q.CookieDown))
		}
		for _, f := range r.Floors {
			line(fmt.Sprintf("Floor/engine=%s/session=%s/kind=%s", f.Engine, f.Session, f.Kind), f.Series, round)
			fmt.Fprintln(out)
		}
	}
	return out.Flush()
}
