package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
)

// small is a configuration that measures everything, in about two seconds.
func small(t *testing.T) Config {
	t.Helper()
	engines, err := bench.EnginesNamed("signedcookie", "dbstore")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := bench.Corpus("login", "token-cache")
	if err != nil {
		t.Fatal(err)
	}
	logins, err := bench.CorpusSessions("login")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Config: bench.Config{Engines: engines, Sessions: sessions, Rounds: 2, Duration: 300 * time.Millisecond,
			Seed: 1},
		Model: bench.DefaultModel(),
		Kinds: []Kind{{Name: "login", Sessions: logins}},
	}
	cfg.AddAll()
	cfg.trace = &network.Trace{Pages: 1, Calls: 1, Assets: 1, ChangeEvery: 2}
	cfg.load.Rounds, cfg.load.Requests, cfg.load.Concurrency = 2, 20, []int{2}
	cfg.links.Rounds, cfg.links.Pages, cfg.links.RequestsPerPage = 2, 1, 2
	cfg.links.RoundTrips, cfg.links.Visitors = cfg.links.RoundTrips[:1], cfg.links.Visitors[2:]
	return cfg
}

func TestRunMeasuresWhatItIsAskedFor(t *testing.T) {
	cfg := small(t)
	last := 0.0
	cfg.Progress = func(done float64) {
		if done < last || done > 1 {
			t.Errorf("progress from %v to %v", last, done)
		}
		last = done
	}
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Stages {
		if s.State != Done {
			t.Errorf("%s: %s", s.Name, s.State)
		}
	}
	if last != 1 {
		t.Errorf("at the end, %v of the run is done", last)
	}
	if report.Rounds != 2 || len(report.Encoders) == 0 || report.Wire == nil || report.Load == nil ||
		report.Links == nil {
		t.Fatalf("something is missing: %+v", report.Stages)
	}
	// The larger session is too large for a cookie, so that only one engine has
	// times to hold the model against.
	if v := report.Validation; v == nil || len(v.Observations) == 0 || v.Scenarios != 2 {
		t.Errorf("the model was validated by %+v", v)
	}

	var out bytes.Buffer
	if err := report.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &parts); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"environment", "requests", "ratios", "pages", "sensitivity", "validation", "encoders",
		"stages", "wire", "load", "links"} {
		if len(parts[part]) < 3 {
			t.Errorf("%s: %s", part, parts[part])
		}
	}
}

func TestRunMeasuresNothingElse(t *testing.T) {
	cfg := small(t)
	cfg.Kinds, cfg.trace, cfg.load, cfg.links = nil, nil, nil, nil
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Stages {
		want := NotAsked
		if s.Name == Requests {
			want = Done
		}
		if s.State != want {
			t.Errorf("%s: %s, want %s", s.Name, s.State, want)
		}
	}
}

// Wherever a run is interrupted, there is a report, and it says what is missing.
func TestInterruptedRunHasAReport(t *testing.T) {
	for _, tc := range []struct {
		name string
		stop func(cfg *Config, cancel func()) // calls cancel in a stage
		done []StageName
		cut  []StageName
	}{
		{
			name: "before it began",
			stop: func(_ *Config, cancel func()) { cancel() },
			cut:  []StageName{Requests, Encoders, Wire, Load, Links},
		},
		{
			name: "in the first stage",
			stop: func(cfg *Config, cancel func()) {
				cfg.Progress = func(float64) { cancel() }
			},
			cut: []StageName{Requests, Encoders, Wire, Load, Links},
		},
		{
			name: "under load",
			stop: func(cfg *Config, cancel func()) {
				open := cfg.load.Engines[0].Open
				cfg.load.Engines = append([]bench.Engine(nil), cfg.load.Engines...)
				cfg.load.Engines[0].Open = func(ctx context.Context, dir string, count *bench.Counter) (bench.Site,
					error) {
					cancel()
					return open(ctx, dir, count)
				}
			},
			done: []StageName{Requests, Encoders, Wire},
			cut:  []StageName{Load, Links},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := small(t)
			tc.stop(&cfg, cancel)
			report, err := Run(ctx, cfg)
			if !errors.Is(err, context.Canceled) || report == nil {
				t.Fatalf("got %v, %v", report, err)
			}
			for _, name := range tc.done {
				if state := report.State(name); state != Done {
					t.Errorf("%s: %s", name, state)
				}
			}
			var out bytes.Buffer
			if err := report.WriteJSON(&out); err != nil {
				t.Fatal(err)
			}
			for _, name := range tc.cut {
				if state := report.State(name); state != Interrupted {
					t.Errorf("%s: %s", name, state)
				}
			}
			if !json.Valid(out.Bytes()) {
				t.Error("the raw results are not JSON")
			}
		})
	}
}

func TestRunReportsAFailure(t *testing.T) {
	failed := errors.New("no disk")
	cfg := small(t)
	cfg.Engines = append([]bench.Engine(nil), cfg.Engines...)
	cfg.Engines[1].Open = func(context.Context, string, *bench.Counter) (bench.Site, error) { return nil, failed }
	if _, err := Run(t.Context(), cfg); !errors.Is(err, failed) {
		t.Errorf("an engine that does not open: got %v", err)
	}
}
