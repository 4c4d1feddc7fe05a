package bench_test

import (
	"os"
	"testing"
	"time"

	"sessionengine/bench"
)

// An engine against itself, measured for real, is found to be no quicker and no
// slower than it is. Few runs say little, so that with three of them the test
// fails only if all find a difference; SESSIONENGINE_TWIN_RUNS=100 runs as many,
// which takes some minutes, and lets five of them be wrong. With
// SESSIONENGINE_TWIN_BUSY=1 a loop runs on every core meanwhile.
func TestEngineIsNotToldFromItself(t *testing.T) {
	runs := runsOf(t, "SESSIONENGINE_TWIN_RUNS", 3)
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	if os.Getenv("SESSIONENGINE_TWIN_BUSY") != "" {
		defer keepBusy(t)()
	}
	engines, err := bench.EnginesNamed("signedcookie", "dbstore-mem")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := bench.Corpus("login")
	if err != nil {
		t.Fatal(err)
	}
	wrong, others := 0, 0.0
	for run := range runs {
		one := engines[run%len(engines)]
		one.Floor = nil
		other := one
		other.Name = "twin"
		results, err := bench.Run(t.Context(), bench.Config{
			Engines: []bench.Engine{one, other}, Sessions: sessions,
			Rounds: bench.MinRounds, Duration: 2 * time.Second, Seed: uint64(run), CollectorSamples: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		report := bench.Analyze(results, bench.DefaultModel())
		others += results.Others
		found := false
		for _, r := range report.Ratios {
			if r.Different {
				found = true
				t.Logf("run %d, %s: %s: %.3f times its twin, from %.3f to %.3f", run, one.Name, r.Kind, r.Ratio.Value,
					r.Ratio.Lo, r.Ratio.Hi)
			}
		}
		for _, p := range report.Pages {
			if p.Ahead() != "" {
				found = true
				t.Logf("run %d, %s: %s is ahead", run, one.Name, p.Ahead())
			}
		}
		if found {
			wrong++
		}
	}
	t.Logf("%d of %d runs found a difference between an engine and itself; others used %.0f %% of the processor", wrong,
		runs, 100*others/float64(runs))
	if wrong > max(2, runs/20) {
		t.Errorf("%d of %d runs found a difference", wrong, runs)
	}
}
