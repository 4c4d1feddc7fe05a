package bench

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// made makes results as a run would, of a cookie engine and a row engine whose
// costs are round numbers.
func made(rounds int, spread float64) *Results {
	r := rand.New(rand.NewPCG(1, uint64(rounds)))
	cell := func(ns, allocs float64) Cell {
		c := Cell{Iterations: 20, Allocs: allocs, Bytes: 100 * allocs}
		for range rounds {
			var samples []float64
			for range 20 {
				samples = append(samples, ns*(1+spread*r.ExpFloat64())) // interference only adds
			}
			c.Nanosec = append(c.Nanosec, samples)
		}
		return c
	}
	results := &Results{
		Environment: Environment{
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), GoVersion: "go1.26.0", Platform: "linux/amd64",
			CPU: "Example Processor", Cores: 2,
		},
		Settings: Settings{
			Engines:  []string{"cookie", "row"},
			Sessions: []SessionSize{{"small", 200}, {"middling", 2000}, {"huge", 9000}},
			Rounds:   rounds, Sample: 100 * time.Microsecond, Seed: 1,
		},
		Rounds: rounds,
	}
	for _, s := range results.Settings.Sessions {
		size := float64(s.Size)
		for _, kind := range Kinds() {
			results.Empty = append(results.Empty, EmptyResult{s.Name, kind, cell(300, 5)})
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
				cookie.Cell = cell(cookieTime, cookieAllocs)
			}
			row.Cell = cell(rowTime, rowAllocs)
			results.Requests = append(results.Requests, cookie, row)
		}
		for _, kind := range []Kind{Read, Write} {
			if size < 4000 {
				results.Floors = append(results.Floors, FloorResult{"cookie", s.Name, kind, cell(4000+size, 10)})
			}
			results.Floors = append(results.Floors, FloorResult{"row", s.Name, kind, cell(7000, 23)})
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
			return p.Ahead()
		}
	}
	t.Fatalf("no page of %s", session)
	return ""
}

func TestVerdictFollowsFromTheInputs(t *testing.T) {
	results := made(12, 0.01)
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
	c := Analyze(made(12, 0.001), model).crossover(model.RoundTrip)
	if c == nil || c.small != "cookie" || c.large != "row" {
		t.Fatalf("got %+v", c)
	}
	// What the row's way to the database takes more, the cookie's bytes make up
	// for: 1.1 queries of 500 µs, and about 3 µs of work, at 0.8 µs a byte up
	// and a tenth of 0.16 µs down, more than the row's 42 bytes.
	if want := 42 + 552/0.816; math.Abs(c.bytes-want) > 25 {
		t.Errorf("got %.0f bytes, want about %.0f", c.bytes, want)
	}
	if c := Analyze(made(12, 0.001), model).crossover(0); c != nil {
		t.Errorf("one engine is always ahead, and still there is a crossover: %+v", c)
	}
}

func TestEqualAtIsWhereBothTakeAsLong(t *testing.T) {
	results := made(12, 0)
	report := Analyze(results, DefaultModel())
	for _, p := range report.Pages {
		if p.EqualAt == nil {
			continue
		}
		model := DefaultModel()
		model.RoundTrip = time.Duration(p.EqualAt.Value)
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

// The verdict does not change with what else runs on the machine.
func TestVerdictIsTheSameOnABusyMachine(t *testing.T) {
	quiet, busy := Analyze(made(12, 0.02), DefaultModel()), Analyze(made(12, 0.8), DefaultModel())
	for i, p := range quiet.Pages {
		if got := busy.Pages[i].Ahead(); got != p.Ahead() || got == "" && len(p.Engines) > 1 {
			t.Errorf("%s, %v: %q is ahead on a busy machine, %q on a quiet one", p.Session, p.RoundTrip, got, p.Ahead())
		}
	}
	for _, c := range busy.Costs {
		if c.Inline.Value < 0 || c.CPU.Lo < 0 || c.Collection.Value < 0 {
			t.Errorf("a negative cost: %+v", c)
		}
	}
}

func TestPagesThatDifferByLessThanAnythingDependsOnAreEqual(t *testing.T) {
	results := made(12, 0.01)
	for _, q := range results.Requests {
		if q.Engine == "row" {
			q.Engine = "twin"
			results.Requests = append(results.Requests, q)
		}
	}
	results.Settings.Engines = []string{"row", "twin"}
	for _, p := range Analyze(results, DefaultModel()).Pages {
		if p.Outcome != Equal || len(p.Best) != 2 {
			t.Errorf("%s: %s, %q", p.Session, p.Outcome, p.Best)
		}
	}
}

// At the round trip at which two engines take equally long, no engine is ahead,
// and the report says which inputs would settle it.
func TestWhatIsOpenSaysWhatWouldSettleIt(t *testing.T) {
	results := made(12, 0.1)
	model := DefaultModel()
	for _, p := range Analyze(results, model).Pages {
		if p.Session == "middling" {
			model.RoundTrip = time.Duration(p.EqualAt.Value)
		}
	}
	report := Analyze(results, model)
	for _, p := range report.Pages {
		if p.Session == "middling" && p.RoundTrip > 0 && p.Outcome == Ahead {
			t.Errorf("%q is ahead where both take as long", p.Best)
		}
	}
	said := strings.Join(report.Verdict(), "\n")
	if !strings.Contains(said, "middling") || strings.Contains(said, "Before speed: cookie") {
		t.Errorf("the verdict says nothing of the session: %s", said)
	}
}

// A database that is busy enough can change who is ahead; then the report says so.
func TestVerdictThatDependsOnHowBusyTheDatabaseIs(t *testing.T) {
	results := made(12, 0.01)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range results.Requests {
		q := &results.Requests[i]
		if q.Engine != "row" || q.Queries == 0 {
			continue
		}
		q.Waits, q.Iterations = true, 1
		q.CPU = q.Nanosec
		q.Nanosec = nil
		for range results.Rounds {
			var took []float64
			for range 20 {
				took = append(took, 60_000+2e6*r.Float64()*r.Float64()) // most of it waiting
			}
			q.Nanosec = append(q.Nanosec, took)
		}
	}
	report := Analyze(results, DefaultModel())
	for i := range report.Pages {
		p := &report.Pages[i]
		if p.Session == "middling" && p.RoundTrip > 0 && (!p.Depends() || p.Best[0] != "cookie" || p.QuietBest[0] != "row") {
			t.Errorf("%s %q, and %s %q with a quiet database", p.Outcome, p.Best, p.QuietOutcome, p.QuietBest)
		}
	}
	c := report.Cost("row", "small", Read)
	if c.Took == nil || c.Took.P99.Value <= c.Took.P50.Value || c.Took.P50.Value <= c.Inline.Value {
		t.Errorf("no distribution, or an odd one: %+v", c.Took)
	}
}

func TestFewRoundsGetNoVerdict(t *testing.T) {
	report := Analyze(made(3, 0.01), DefaultModel())
	if got := report.ahead(t, "small", 500*time.Microsecond); got != "" {
		t.Errorf("%s is called ahead after three rounds", got)
	}
}

func TestReportJSONHoldsTheRawFigures(t *testing.T) {
	for _, rounds := range []int{1, 12} {
		encoded, err := json.Marshal(Analyze(made(rounds, 0.01), DefaultModel()))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Rounds   int
			Requests []struct {
				Engine string
				Times  [][]float64 `json:"ns_per_op"`
			}
			Ratios []struct {
				Ratio struct{ Value, Lo *float64 }
			}
			Model struct {
				Trip int64 `json:"round_trip_ns"`
			}
			Pages []struct{ Outcome string }
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
		if known := got.Ratios[2].Ratio.Lo != nil; known != (rounds == 12) {
			t.Errorf("%d rounds: an interval: %v", rounds, known)
		}
	}
}

// Where the system does not tell the processor time, what waits has its times
// alone.
func TestWithoutProcessorTimeWhatWaitsHasACost(t *testing.T) {
	results := made(12, 0.05)
	for i := range results.Requests {
		if q := &results.Requests[i]; q.Engine == "row" && q.Queries > 0 {
			q.Waits, q.CPU = true, make([][]float64, results.Rounds)
		}
	}
	for i := range results.Floors {
		if f := &results.Floors[i]; f.Engine == "row" {
			f.Waits, f.CPU = true, make([][]float64, results.Rounds)
		}
	}
	report := Analyze(results, DefaultModel())
	for _, c := range report.Costs {
		if !(c.CPU.Value >= 0) || !c.CPU.Known() {
			t.Errorf("%s, %s, %s costs %+v", c.Engine, c.Session, c.Kind, c.CPU)
		}
	}
	for _, f := range report.Floor {
		if !f.Floor.Known() {
			t.Errorf("the floor of %s, %s, %s is %+v", f.Engine, f.Session, f.Kind, f.Floor)
		}
	}
	for _, p := range report.Pages {
		for i := range p.Engines {
			if s := p.Engines[i].Seconds(); !(s >= 0) {
				t.Errorf("a page of %s, %s takes %v s", p.Engines[i].Engine, p.Session, s)
			}
		}
	}
}

// What would settle an open verdict are values that the input can have.
func TestWhatSettlesIsPossible(t *testing.T) {
	inf := math.Inf(1)
	at := func(lo, hi float64) Turn {
		return Turn{Input: uplinkInput, At: Estimate{Value: 9, Lo: lo, Hi: hi}, Near: true}
	}
	p := &PageComparison{Session: "small"}
	for _, tc := range []struct {
		turn Turn
		want string
	}{
		{at(8, 12), "; it would be clear with an uplink below 8.0 or above 12 Mbit/s"},
		{at(8, inf), "; it would be clear with an uplink below 8.0 Mbit/s"},
		{at(-3, 12), "; it would be clear with an uplink above 12 Mbit/s"},
		{at(-3, inf), "; more rounds would tell"},
		{at(-inf, inf), "; more rounds would tell"},
	} {
		r := &Report{Sensitivity: []Sensitivity{{Session: "small", Turns: []Turn{tc.turn}}}}
		if got := r.settled(p); got != tc.want {
			t.Errorf("%v to %v: %q, want %q", tc.turn.At.Lo, tc.turn.At.Hi, got, tc.want)
		}
	}
}

// Of two engines that both send queries, the line is drawn by the cookie of the
// one that sends fewer, whichever comes first.
func TestCrossoverOfEnginesThatBothSendQueries(t *testing.T) {
	results := made(12, 0.001)
	for i := range results.Requests {
		if q := &results.Requests[i]; q.Queries > 0 {
			q.Queries++
		} else if q.Engine == "cookie" && (q.Kind == Read || q.Kind == Write) {
			q.Queries = 1
		}
	}
	model := DefaultModel()
	want := Analyze(results, model).crossover(model.RoundTrip)
	got := Analyze(results.Only("row", "cookie"), model).crossover(model.RoundTrip)
	if want == nil || got == nil || math.Abs(want.bytes-got.bytes) > 1 || got.small != "cookie" {
		t.Errorf("in the other order %+v, else %+v", got, want)
	}
}
