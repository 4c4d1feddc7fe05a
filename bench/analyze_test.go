package bench

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// made makes results as a run would, of a cookie engine and a row engine whose
// costs are round numbers.
func made(rounds int, spread float64) *Results {
	r := rand.New(rand.NewPCG(1, uint64(rounds)))
	series := func(ns, allocs float64) Series {
		s := Series{Iterations: 1000}
		for range rounds {
			s.Nanosec = append(s.Nanosec, ns*(1+spread*r.NormFloat64()))
			s.Allocs = append(s.Allocs, allocs)
			s.Bytes = append(s.Bytes, 100*allocs)
		}
		return s
	}
	results := &Results{
		Environment: Environment{
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), GoVersion: "go1.26.0", Platform: "linux/amd64",
			CPU: "Example Processor", Cores: 2,
		},
		Settings: Settings{
			Engines:  []string{"cookie", "row"},
			Sessions: []SessionSize{{"small", 200}, {"middling", 2000}, {"huge", 9000}},
			Rounds:   rounds, Sample: 20 * time.Millisecond, Seed: 1,
		},
		Rounds: rounds,
		Empty:  series(300, 5),
	}
	for _, s := range results.Settings.Sessions {
		size := float64(s.Size)
		for _, kind := range Kinds() {
			cookie := RequestResult{Engine: "cookie", Session: s.Name, Kind: kind}
			row := RequestResult{Engine: "row", Session: s.Name, Kind: kind}
			if size > 4000 && kind != Anonymous {
				cookie.TooLarge = "too large"
			}
			if kind != Anonymous {
				cookie.CookieUp, row.CookieUp = size/2, 42
			}
			var cookieTime, rowTime, cookieAllocs, rowAllocs float64
			switch kind {
			case Untouched, Anonymous:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 300, 300, 7, 7
			case Read:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 5300+size, 9300, 25, 45
				row.Queries = 1
			case Again:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 1300, 9300, 15, 45
				row.Queries = 1
			case Write, Login:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 15300+size, 45300, 55, 85
				row.Queries = 2
				cookie.CookieDown, row.CookieDown = size/2+60, 100
			case Logout:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 6300+size, 50300, 35, 65
				row.Queries = 1
				cookie.CookieDown, row.CookieDown = 100, 100
			}
			if cookie.TooLarge == "" {
				cookie.Series = series(cookieTime, cookieAllocs)
			}
			row.Series = series(rowTime, rowAllocs)
			results.Requests = append(results.Requests, cookie, row)
		}
		for _, kind := range []Kind{Read, Write} {
			if size < 4000 {
				results.Floors = append(results.Floors, FloorResult{"cookie", s.Name, kind, series(4000+size, 10)})
			}
			results.Floors = append(results.Floors, FloorResult{"row", s.Name, kind, series(7000, 23)})
		}
	}
	for _, b := range Behaviours() {
		results.Behaviours = append(results.Behaviours, BehaviourResult{"cookie", b, true},
			BehaviourResult{"row", b, false})
	}
	return results
}

func (r *Report) ahead(t *testing.T, session string, trip time.Duration) string {
	t.Helper()
	for _, p := range r.Pages {
		if p.Session == session && p.RoundTrip == trip {
			return p.Ahead
		}
	}
	t.Fatalf("no page of %s", session)
	return ""
}

func TestVerdictFollowsFromTheInputs(t *testing.T) {
	results := made(10, 0.01)
	near := Analyze(results, DefaultModel())
	if got := near.ahead(t, "small", 0); got != "row" {
		t.Errorf("database on the web server: %q is ahead, want row: the cookie takes a fifth of a millisecond on the "+
			"wire", got)
	}
	if got := near.ahead(t, "small", 500*time.Microsecond); got != "cookie" {
		t.Errorf("database half a millisecond away: %q is ahead, want cookie", got)
	}
	if got := near.ahead(t, "middling", 500*time.Microsecond); got != "row" {
		t.Errorf("a large cookie: %q is ahead, want row", got)
	}
	if got := near.ahead(t, "huge", 500*time.Microsecond); got != "row" {
		t.Errorf("a session that no cookie holds: %q is ahead, want row", got)
	}

	far := DefaultModel()
	far.RoundTrip = 5 * time.Millisecond
	if got := Analyze(results, far).ahead(t, "middling", far.RoundTrip); got != "cookie" {
		t.Errorf("database far away: %q is ahead, want cookie", got)
	}
	slow := DefaultModel()
	slow.Uplink = 0.5
	if got := Analyze(results, slow).ahead(t, "small", slow.RoundTrip); got != "row" {
		t.Errorf("a slow uplink: %q is ahead, want row", got)
	}
	old := DefaultModel()
	old.HTTP1 = true
	if got := Analyze(results, old).ahead(t, "small", old.RoundTrip); got != "row" {
		t.Errorf("HTTP/1.1 with twenty requests a page: %q is ahead, want row", got)
	}
}

func TestCrossover(t *testing.T) {
	model := DefaultModel()
	c := Analyze(made(10, 0.001), model).crossover(model.RoundTrip)
	if c == nil || c.small != "cookie" || c.large != "row" {
		t.Fatalf("got %+v", c)
	}
	// What the row's way to the database takes more, the cookie's bytes make up
	// for: 1.1 queries of 500 µs, and about 3 µs of work, at 0.8 µs a byte up
	// and a tenth of 0.16 µs down, more than the row's 42 bytes.
	if want := 42 + 552/0.816; math.Abs(c.bytes-want) > 25 {
		t.Errorf("got %.0f bytes, want about %.0f", c.bytes, want)
	}
	if c := Analyze(made(10, 0.001), model).crossover(0); c != nil {
		t.Errorf("one engine is always ahead, and still there is a crossover: %+v", c)
	}
}

func TestEqualAtIsWhereBothTakeAsLong(t *testing.T) {
	results := made(10, 0)
	report := Analyze(results, DefaultModel())
	for _, p := range report.Pages {
		if p.EqualAt == nil {
			continue
		}
		model := DefaultModel()
		model.RoundTrip = time.Duration(p.EqualAt.Median)
		for _, at := range Analyze(results, model).Pages {
			if at.Session != p.Session || at.RoundTrip == 0 {
				continue
			}
			if a, b := at.Engines[0].Seconds(), at.Engines[1].Seconds(); math.Abs(a-b) > 1e-8 {
				t.Errorf("%s: at a round trip of %v one takes %v s and the other %v s", p.Session, model.RoundTrip, a,
					b)
			}
		}
	}
}

func TestReportOfAnEngineAgainstItselfFindsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const runs = 100
	wrong := 0
	for range runs {
		results := made(10, 0)
		results.Settings.Sessions = results.Settings.Sessions[:2]
		var requests []RequestResult
		for _, q := range results.Requests {
			if q.Engine != "row" {
				continue
			}
			a, b := q, q
			a.Engine, b.Engine = "cookie", "row"
			a.Nanosec, b.Nanosec = nil, nil
			for range 10 {
				a.Nanosec = append(a.Nanosec, q.Nanosec[0]*(1+0.05*r.NormFloat64()))
				b.Nanosec = append(b.Nanosec, q.Nanosec[0]*(1+0.05*r.NormFloat64()))
			}
			requests = append(requests, a, b)
		}
		results.Requests = requests
		report := Analyze(results, DefaultModel())
		found := false
		for _, ratio := range report.Ratios {
			found = found || ratio.Different
		}
		for _, p := range report.Pages {
			found = found || p.Ahead != ""
		}
		if found {
			wrong++
		}
	}
	if wrong > 5 {
		t.Errorf("%d of %d runs found a difference between an engine and itself", wrong, runs)
	}
}

func TestNoisyMachineGetsNoVerdict(t *testing.T) {
	results := made(10, 0.01)
	for i := range results.Empty.Nanosec {
		results.Empty.Nanosec[i] = 100 * float64(1+i)
	}
	report := Analyze(results, DefaultModel())
	if !report.Quiet.TooNoisy() {
		t.Fatalf("spread %v counts as quiet", report.Quiet.Spread)
	}
	for _, p := range report.Pages {
		if p.Ahead != "" {
			t.Errorf("%s is called ahead for %s", p.Ahead, p.Session)
		}
	}
	if got := report.Verdict(); len(got) == 0 || got[0] != "No verdict: the machine was too noisy." {
		t.Errorf("the verdict is %q", got)
	}
}

func TestNoisyMachineGetsWiderIntervals(t *testing.T) {
	quiet, noisy := made(10, 0.01), made(10, 0.01)
	for i := range noisy.Empty.Nanosec {
		noisy.Empty.Nanosec[i] = 300 + 8*float64(i)
	}
	a, b := Analyze(quiet, DefaultModel()), Analyze(noisy, DefaultModel())
	if a.Quiet.Noisy() || !b.Quiet.Noisy() || b.Quiet.TooNoisy() {
		t.Fatalf("spreads %v and %v", a.Quiet.Spread, b.Quiet.Spread)
	}
	for i := range a.Floor {
		if wa, wb := a.Floor[i].Ratio.Hi-a.Floor[i].Ratio.Lo, b.Floor[i].Ratio.Hi-b.Floor[i].Ratio.Lo; wb <= wa {
			t.Errorf("%s: %v wide on a quiet machine, %v on a noisy one", a.Floor[i].Session, wa, wb)
		}
	}
}

func TestFewRoundsGetNoVerdict(t *testing.T) {
	report := Analyze(made(3, 0.01), DefaultModel())
	if got := report.ahead(t, "small", 500*time.Microsecond); got != "" {
		t.Errorf("%s is called ahead after three rounds", got)
	}
}

func TestReportJSONHoldsTheRawFigures(t *testing.T) {
	for _, rounds := range []int{1, 10} {
		encoded, err := json.Marshal(Analyze(made(rounds, 0.01), DefaultModel()))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Rounds   int
			Requests []struct {
				Engine string
				Times  []float64 `json:"ns_per_op"`
			}
			Ratios []struct {
				Ratio struct{ Median, Lo *float64 }
			}
			Model struct {
				Trip int64 `json:"round_trip_ns"`
			}
			Pages []struct{ Ahead string }
		}
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatal(err)
		}
		if got.Rounds != rounds || len(got.Requests) == 0 || len(got.Requests[0].Times) != rounds {
			t.Errorf("%d rounds, %d requests", got.Rounds, len(got.Requests))
		}
		if got.Model.Trip != 500_000 || len(got.Pages) == 0 {
			t.Errorf("model %+v, %d pages", got.Model, len(got.Pages))
		}
		if known := got.Ratios[2].Ratio.Lo != nil; known != (rounds == 10) {
			t.Errorf("%d rounds: an interval: %v", rounds, known)
		}
	}
}
