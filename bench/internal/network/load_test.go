package network_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
)

func engines(t *testing.T, names ...string) []bench.Engine {
	t.Helper()
	engines, err := bench.EnginesNamed(names...)
	if err != nil {
		t.Fatal(err)
	}
	return engines
}

func sessions(t *testing.T, kinds ...string) []bench.Session {
	t.Helper()
	sessions, err := bench.Corpus(kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// small is a configuration that takes little time.
func small(t *testing.T, engines []bench.Engine, kinds ...string) network.LoadConfig {
	cfg := network.DefaultLoad(engines, sessions(t, kinds...))
	cfg.Concurrency = []int{1, 4}
	cfg.Rounds = 2
	cfg.Requests = 20
	return cfg
}

func TestLoadIsMeasuredForAllEnginesAndLoops(t *testing.T) {
	cfg := small(t, engines(t, "signedcookie", "dbstore"), "login")
	steps := 0
	cfg.Progress = func(done, total int) {
		if steps++; done != steps || total != 2*3*2*2 {
			t.Errorf("progress is %d of %d; want %d of 24", done, total, steps)
		}
	}
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * 2 * 2; len(r.Samples) != want || steps != 2*want {
		t.Fatalf("got %d samples in %d steps; want %d and %d", len(r.Samples), steps, want, 2*want)
	}
	for _, s := range r.Samples {
		l := s.Latency
		if int(l.N)+s.Errors+s.Unsent != cfg.Rounds*cfg.Requests || s.Errors != 0 {
			t.Errorf("%+v: want %d requests", s, cfg.Rounds*cfg.Requests)
		}
		if !(0 < l.P50 && l.P50 <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.P999 && l.P999 <= l.Max) || l.Mean <= 0 ||
			l.Mean > l.Max {
			t.Errorf("%s: percentiles %+v", s.Engine, l)
		}
		if s.Throughput.N != cfg.Rounds || !(s.Throughput.Value > 0) || !(s.Median.Value > 0) ||
			(s.Loop == network.Open) != (s.Rate > 0) {
			t.Errorf("%s, %s: %+v", s.Engine, s.Loop, s)
		}
	}
}

// onlyReads is more requests than a test sends before one that writes.
const onlyReads = 1 << 20

// fakeSite is a site whose handlers wait.
type fakeSite struct {
	wait func(a bench.Action)
	bench.Site
}

func (f fakeSite) Handler(a bench.Action) http.Handler {
	next := f.Site.Handler(a)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.wait(a)
		next.ServeHTTP(w, r)
	})
}

// waiting is signedcookie behind handlers that wait.
func waiting(t *testing.T, wait func(bench.Action)) bench.Engine {
	engine := engines(t, "signedcookie")[0]
	inner := engine.Open
	engine.Name = "fake"
	engine.Open = func(ctx context.Context, dir string, count *bench.Counter) (bench.Site, error) {
		site, err := inner(ctx, dir, count)
		return fakeSite{wait, site}, err
	}
	return engine
}

func TestTheOpenLoopCountsTheWaitForAStalledSite(t *testing.T) {
	const requests, stall = 30, 500 * time.Millisecond
	var reads atomic.Int64
	engine := waiting(t, func(a bench.Action) {
		if a.Read.Key == "" {
			return
		}
		// One read warms up; the next ones are those of the closed loop, and
		// then those of the open one, of which the first stalls.
		if reads.Add(1) == 1+requests+1 {
			time.Sleep(stall)
		}
		time.Sleep(time.Millisecond)
	})
	cfg := small(t, []bench.Engine{engine}, "login")
	cfg.ReadsPerWrite, cfg.Concurrency, cfg.Rounds, cfg.Requests, cfg.Utilization = onlyReads, []int{1}, 1, requests,
		0.9
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Samples {
		if s.Engine != "fake" || s.Loop != network.Open {
			continue
		}
		if s.Latency.Max < stall {
			t.Errorf("the longest request took %v; want %v", s.Latency.Max, stall)
		}
		if within := s.Rate * stall.Seconds() / 2; within < requests {
			t.Skipf("this machine is too busy: only %.0f requests were due in half the time of the stall", within)
		}
		// All were due in the first half of the stall, and wait for its end.
		if s.Latency.P50 < stall/2 {
			t.Errorf("half of the requests took less than %v at %.0f a second, though the site stalled for %v",
				s.Latency.P50, s.Rate, stall)
		}
	}
}

func TestWhatIsNotSentInTimeIsCounted(t *testing.T) {
	engine := waiting(t, func(a bench.Action) {
		if a.Read.Key != "" {
			time.Sleep(20 * time.Millisecond)
		}
	})
	cfg := small(t, []bench.Engine{engine}, "login")
	cfg.ReadsPerWrite, cfg.Concurrency, cfg.Rounds, cfg.Limit = onlyReads, []int{1}, 1, 100*time.Millisecond
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Samples {
		if s.Engine != "fake" {
			continue
		}
		// 20 ms each, begun within 100; it may be that none was due.
		if n := s.Latency.N; n > 6 || n < 1 && s.Loop == network.Closed {
			t.Errorf("%s loop: %d requests were sent within %v", s.Loop, n, cfg.Limit)
		}
		if s.Loop == network.Open && s.Unsent != cfg.Requests-int(s.Latency.N) {
			t.Errorf("%d unsent of %d, and %d sent", s.Unsent, cfg.Requests, s.Latency.N)
		}
	}
}

func TestALimitThatIsOverAtOnceIsAnError(t *testing.T) {
	cfg := small(t, nil, "login")
	cfg.Limit = 1
	if _, err := network.RunLoad(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "none was sent") {
		t.Errorf("got %v", err)
	}
}

func TestFailedRequestsAreCountedAndTheVisitorComesBack(t *testing.T) {
	var reads atomic.Int64
	engine := waiting(t, func(a bench.Action) {
		if a.Read.Key != "" && reads.Add(1)%4 == 0 {
			panic(http.ErrAbortHandler) // cuts the connection
		}
	})
	cfg := small(t, []bench.Engine{engine}, "login")
	cfg.ReadsPerWrite, cfg.Concurrency, cfg.Utilization = onlyReads, []int{1}, 0
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Samples {
		total := cfg.Rounds * cfg.Requests
		if want := total / 4; s.Engine == "fake" && (s.Errors != want || int(s.Latency.N) != total-want) {
			t.Errorf("%d errors and %d answers of %d requests; want %d errors", s.Errors, s.Latency.N, total, want)
		}
	}
}

func TestASessionThatDoesNotFitIsReported(t *testing.T) {
	cfg := small(t, engines(t, "signedcookie", "dbstore"), "token-cache")
	cfg.Concurrency = []int{1}
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Samples {
		fits := s.Engine != "signedcookie"
		if (s.TooLarge == "") != fits || (s.Latency.N > 0) != fits {
			t.Errorf("%s: %+v", s.Engine, s)
		}
	}
}

func TestASiteThatDoesNotWorkIsAnError(t *testing.T) {
	var broken atomic.Bool
	engine := waiting(t, func(a bench.Action) {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
	})
	cfg := small(t, []bench.Engine{engine}, "login")
	cfg.Progress = func(int, int) { broken.Store(true) }
	if _, err := network.RunLoad(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "fake/login") {
		t.Errorf("got %v, want an error that names the engine and the session", err)
	}
}

func TestAnInterruptedRunReturnsTheRoundsThatAreComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := small(t, engines(t, "signedcookie"), "login")
	cfg.Rounds = 50
	cfg.Progress = func(done, total int) {
		if done > 2*total/cfg.Rounds {
			cancel()
		}
	}
	r, err := network.RunLoad(ctx, cfg)
	if !errors.Is(err, context.Canceled) || r == nil || r.Rounds != 2 {
		t.Fatalf("got %+v, %v; want two rounds, and %v", r, err, context.Canceled)
	}
	for _, s := range r.Samples {
		if int(s.Latency.N) != 2*cfg.Requests || s.Throughput.N != 2 {
			t.Errorf("%s: %d requests in %d rounds", s.Engine, s.Latency.N, s.Throughput.N)
		}
	}
}

func TestResultsAreJSON(t *testing.T) {
	cfg := small(t, engines(t, "signedcookie"), "login")
	cfg.Rounds = 1 // too few for an interval, which JSON has no number for
	r, err := network.RunLoad(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var decoded network.LoadResult
	if err := json.Unmarshal(encoded, &decoded); err != nil || decoded.Samples[3].Latency != r.Samples[3].Latency ||
		decoded.Samples[3].Median.Value != r.Samples[3].Median.Value {
		t.Errorf("%v: %s", err, encoded)
	}
}
