package bench_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
)

// runsOf returns how many runs an environment variable asks for.
func runsOf(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	runs, err := strconv.Atoi(s)
	if err != nil || runs < 1 {
		t.Fatalf("%s=%s is not a number of runs", variable, s)
	}
	return runs
}

// keepBusy runs a loop on every core until the returned function is called.
func keepBusy(t *testing.T) (stop func()) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no sh to keep the machine busy with")
	}
	var loops []*exec.Cmd
	for range runtime.NumCPU() {
		loop := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		loops = append(loops, loop)
	}
	return func() {
		for _, loop := range loops {
			loop.Process.Kill()
			loop.Wait()
		}
	}
}

// What the report says of engines is the same on an idle machine and beside a loop
// on every core. SESSIONENGINE_BUSY_RUNS=10 does it ten times each, with the
// sessions and the time of "go run . -quick", and logs what it found; once is a
// check that the two do not contradict each other.
func TestVerdictOnABusyMachine(t *testing.T) {
	runs := runsOf(t, "SESSIONENGINE_BUSY_RUNS", 1)
	duration := 8 * time.Second
	if os.Getenv("SESSIONENGINE_BUSY_RUNS") == "" {
		if duration = time.Second; testing.Short() {
			t.Skip("it takes some seconds")
		}
	}
	engines, err := bench.EnginesNamed(bench.DefaultEngines()...)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := bench.Corpus(bench.QuickShapes()...)
	if err != nil {
		t.Fatal(err)
	}
	measure := func(seed int) *bench.Report {
		results, err := bench.Run(t.Context(), bench.Config{Engines: engines, Sessions: sessions, Rounds: bench.MinRounds,
			Duration: duration, Seed: uint64(seed), CollectorSamples: 1})
		if err != nil {
			t.Fatal(err)
		}
		return bench.Analyze(results, bench.DefaultModel())
	}
	var idle, busy []*bench.Report
	for run := range runs {
		idle = append(idle, measure(run))
		stop := keepBusy(t)
		busy = append(busy, measure(1000+run))
		stop()
	}
	for i, p := range idle[0].Pages {
		said := make(map[string]int)
		for run := range runs {
			for state, report := range map[string]*bench.Report{"idle": idle[run], "busy": busy[run]} {
				q := report.Pages[i]
				said[fmt.Sprintf("%s: %s %s", state, q.Outcome, strings.Join(q.Best, " "))]++
				if a := q.Ahead(); a != "" && p.Ahead() != "" && a != p.Ahead() {
					t.Errorf("%s, %v: %s is ahead in one run, %s in another", p.Session, p.RoundTrip, p.Ahead(), a)
				}
			}
		}
		t.Logf("%s, database %v away: %v", p.Session, p.RoundTrip, said)
	}
	for state, reports := range map[string][]*bench.Report{"idle": idle, "busy": busy} {
		logIntervals(t, state, reports)
	}
	held, compared := 0, 0
	for run := range runs {
		for i, a := range idle[run].Ratios {
			b := busy[run].Ratios[i]
			if compared++; a.Ratio.Lo <= b.Ratio.Hi && b.Ratio.Lo <= a.Ratio.Hi {
				held++
			}
		}
	}
	t.Logf("of %d ratios, the intervals of the idle and of the busy machine overlap in %d", compared, held)
}

// logIntervals logs how wide intervals are, and fails at negative figures.
func logIntervals(t *testing.T, state string, reports []*bench.Report) {
	var ratios, others []float64
	for _, r := range reports {
		others = append(others, r.Others)
		for _, ratio := range r.Ratios {
			ratios = append(ratios, ratio.Ratio.Spread())
		}
		for _, c := range r.Costs {
			for _, e := range []bench.Estimate{c.Inline, c.Collection, c.CPU} {
				if e.Value < 0 || e.Lo < 0 || math.IsNaN(e.Value) {
					t.Errorf("%s: %s/%s/%s: %+v", state, c.Engine, c.Session, c.Kind, e)
				}
			}
		}
	}
	slices.Sort(ratios)
	slices.Sort(others)
	t.Logf("%s: others used %.0f %% of the cores in the median; intervals of ratios: ±%.1f %% in the median, ±%.1f %% "+
		"in nine of ten", state, 100*others[len(others)/2], 100*ratios[len(ratios)/2], 100*ratios[len(ratios)*9/10])
}
