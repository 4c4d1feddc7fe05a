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
	"what", "engine", "session", "json_bytes", "kind", "too_large", "samples",
	"cpu_ns", "cpu_ns_lo", "cpu_ns_hi", "inline_ns", "collection_ns", "confidence",
	"took_mean_ns", "took_p50_ns", "took_p90_ns", "took_p99_ns", "allocs", "allocated_bytes",
	"queries", "cookie_up_bytes", "cookie_down_bytes",
}

// WriteCSV writes what was measured as a table (RFC 4180) with a header: a line
// for each kind of request of each session in each engine, and one for each floor,
// as the first column says. Times are estimates with their confidence interval,
// those of requests over the empty handler's. What was not measured is empty, and
// so is a bound of an interval that takes more rounds.
func WriteCSV(w io.Writer, r *bench.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	out.Write(csvHeader) // errors are kept until Flush
	line := func(what, engine, session string, kind bench.Kind, tooLarge bool, values ...string) {
		size := ""
		if i := slices.IndexFunc(r.Settings.Sessions,
			func(s bench.SessionSize) bool { return s.Name == session }); i >= 0 {
			size = strconv.Itoa(r.Settings.Sessions[i].Size)
		}
		row := append([]string{what, engine, session, size, string(kind), strconv.FormatBool(tooLarge)}, values...)
		for len(row) < len(csvHeader) {
			row = append(row, "")
		}
		out.Write(row)
	}
	for i := range r.Requests {
		q := &r.Requests[i]
		c := r.Cost(q.Engine, q.Session, q.Kind)
		if q.TooLarge != "" || c == nil {
			line("request", q.Engine, q.Session, q.Kind, q.TooLarge != "")
			continue
		}
		took := make([]string, 4)
		if d := c.Took; d != nil {
			for i, e := range []bench.Estimate{d.Mean, d.P50, d.P90, d.P99} {
				took[i] = number(e.Value)
			}
		}
		values := []string{
			strconv.Itoa(c.CPU.N), number(c.CPU.Value), number(c.CPU.Lo), number(c.CPU.Hi), number(c.Inline.Value),
			number(c.Collection.Value), number(c.CPU.Confidence),
		}
		values = append(append(values, took...), number(q.Allocs), number(q.Bytes), number(q.Queries),
			number(q.CookieUp), number(q.CookieDown))
		line("request", q.Engine, q.Session, q.Kind, false, values...)
	}
	for _, f := range r.Floor {
		line("floor", f.Engine, f.Session, f.Kind, false, strconv.Itoa(f.Floor.N), number(f.Floor.Value),
			number(f.Floor.Lo), number(f.Floor.Hi), number(f.Floor.Value), "", number(f.Floor.Confidence))
	}
	out.Flush()
	return out.Error()
}

// number formats v for machines; what is no number or not finite is empty.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// WriteBenchmarks writes the raw results in the Go benchmark format, a line for
// each round with the 10 % quantile of its samples, under the names of [bench.BenchmarkRequests], and of Floor for
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
	line := func(name string, c *bench.Cell, round int) {
		fmt.Fprintf(out, "Benchmark%s%s\t%d\t%s ns/op\t%s B/op\t%s allocs/op", name, procs, c.Iterations,
			number(low(c.Nanosec[round])), number(math.Round(c.Bytes)), number(math.Round(c.Allocs)))
	}
	for round := range r.Rounds {
		for i := range r.Requests {
			q := &r.Requests[i]
			if round >= len(q.Nanosec) {
				continue // too large
			}
			line(fmt.Sprintf("Request/engine=%s/session=%s/kind=%s", q.Engine, q.Session, q.Kind), &q.Cell, round)
			fmt.Fprintf(out, "\t%s queries/op\t%s cookie-B\t%s set-cookie-B\n", number(q.Queries), number(q.CookieUp),
				number(q.CookieDown))
		}
		for i := range r.Floors {
			f := &r.Floors[i]
			line(fmt.Sprintf("Floor/engine=%s/session=%s/kind=%s", f.Engine, f.Session, f.Kind), &f.Cell, round)
			fmt.Fprintln(out)
		}
		for i := range r.Empty {
			e := &r.Empty[i]
			line(fmt.Sprintf("Floor/engine=none/session=%s/kind=%s", e.Session, e.Kind), &e.Cell, round)
			fmt.Fprintln(out)
		}
	}
	return out.Flush()
}

// low returns the 10 % quantile of the samples of a round.
func low(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)-1)/10]
}
