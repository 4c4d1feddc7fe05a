package bench

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Changes are what is different between a run and an earlier one, the baseline.
//
// A time of one run cannot be compared with a time of another: the machine may
// have been slower all along. What is compared is how many times its yardstick a
// request takes, something that was measured beside it in the same run: the
// engine's floor (reading's for requests that read, writing's for the others); or,
// for an engine without one, that of the first engine; or, if that has none
// either, the same request of the first engine. What requests do that do next to
// nothing is not timed here. Counts are compared as they are.
type Changes struct {
	Before Environment `json:"before"`

	// Times are all comparisons of times, and Facts only what is different.
	Times []TimeChange `json:"times"`
	Facts []FactChange `json:"facts"`

	// Missing tells what could not be compared.
	Missing []string `json:"missing,omitempty"`
}

// A TimeChange compares the time of a kind of request with an earlier run's.
type TimeChange struct {
	Engine  string `json:"engine"`
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`

	// Yardstick names what the request was measured by in either run.
	Yardstick string `json:"yardstick"`

	// Ratio is how many times as long the request takes as before, with an
	// interval at 95 %. Lo and Hi are the ends of one that allows for all the
	// comparisons that were made together, without ends if there are too few
	// rounds.
	Ratio Estimate `json:"ratio"`
	Lo    float64  `json:"-"`
	Hi    float64  `json:"-"`

	// Different says that the interval that Lo and Hi are the ends of is outside
	// of 0.98 to 1.02.
	Different bool `json:"different"`
}

// A FactChange is a difference in what was counted or tried.
type FactChange struct {
	Engine  string `json:"engine"`
	Session string `json:"session,omitempty"`
	Kind    Kind   `json:"kind,omitempty"`
	What    string `json:"what"`
	Before  string `json:"before"`
	Now     string `json:"now"`
	Worse   bool   `json:"worse"`
}

// Since compares a run with an earlier one. It is an error if they have no engine,
// or no session of the same size, in common.
func (r *Report) Since(before *Results) (*Changes, error) {
	if err := before.Comparable(r.Settings.Engines, r.Settings.Sessions); err != nil {
		return nil, err
	}
	c := &changes{now: r, before: Analyze(before, r.Model), Changes: &Changes{Before: before.Environment}}
	c.findMissing()
	c.compareTimes()
	c.compareFacts()
	return c.Changes, nil
}

// Comparable returns an error if the results have none of these engines, or none
// of these sessions, so that nothing can be compared with them.
func (r *Results) Comparable(engines []string, sessions []SessionSize) error {
	if r.Rounds == 0 {
		return errors.New("it has no complete round")
	}
	if !r.whole() {
		return errors.New("it is damaged: not everything has been measured in all rounds")
	}
	if !slices.ContainsFunc(engines, func(e string) bool { return slices.Contains(r.Settings.Engines, e) }) {
		return fmt.Errorf("it has none of the engines %q; it has %q", engines, r.Settings.Engines)
	}
	if !slices.ContainsFunc(sessions, func(s SessionSize) bool { return slices.Contains(r.Settings.Sessions, s) }) {
		return fmt.Errorf("it has none of the sessions %v; it has %v", sessions, r.Settings.Sessions)
	}
	return nil
}

// maxRounds is what results that were read from a file may have at most. The draws
// of the rounds take 2,000 bytes each.
const maxRounds = 10_000

// whole reports whether results that were read from a file are as a run makes them.
func (r *Results) whole() bool {
	ok := r.Rounds > 0 && r.Rounds <= maxRounds && len(r.Settings.Engines) > 0
	full := func(rounds [][]float64) bool {
		return len(rounds) == r.Rounds && !slices.ContainsFunc(rounds, func(of []float64) bool { return len(of) == 0 })
	}
	check := func(c *Cell) {
		ok = ok && (len(c.Nanosec) == 0 || full(c.Nanosec)) && (len(c.CPU) == 0 || len(c.Nanosec) == 0 ||
			full(c.CPU) || !c.timed() && len(c.CPU) == r.Rounds)
	}
	for i := range r.Empty {
		check(&r.Empty[i].Cell)
	}
	for i := range r.Requests {
		check(&r.Requests[i].Cell)
	}
	for i := range r.Floors {
		check(&r.Floors[i].Cell)
	}
	for _, s := range r.Collector {
		ok = ok && s.Round >= 0
	}
	return ok
}

// String returns the session's name and its size.
func (s SessionSize) String() string { return fmt.Sprintf("%s (%d B)", s.Name, s.Size) }

// A changes is a comparison under way.
type changes struct {
	now, before *Report
	*Changes
}

func (c *changes) findMissing() {
	missing := func(format string, args ...any) { c.Missing = append(c.Missing, fmt.Sprintf(format, args...)) }
	for _, pair := range []struct {
		has, lacks *Report
		when       string
	}{{c.now, c.before, "before"}, {c.before, c.now, "now"}} {
		for _, e := range pair.has.Settings.Engines {
			if !slices.Contains(pair.lacks.Settings.Engines, e) {
				missing("engine %s was not measured %s", e, pair.when)
			}
		}
		for _, s := range pair.has.Settings.Sessions {
			if !slices.Contains(pair.lacks.Settings.Sessions, s) {
				missing("session %v was not measured %s", s, pair.when)
			}
		}
	}
	for _, pair := range []struct {
		of   *Report
		when string
	}{{c.before, "the run before"}, {c.now, "this run"}} {
		if pair.of.Rounds < MinRounds {
			missing("times: %s has %d rounds, and intervals take %d", pair.when, pair.of.Rounds, MinRounds)
		}
	}
}

// requests calls f for all kinds of request that were measured in both runs.
func (c *changes) requests(f func(now, before *RequestResult)) {
	for i := range c.now.Requests {
		q := &c.now.Requests[i]
		size := SessionSize{q.Session, 0}
		for _, s := range c.now.Settings.Sessions {
			if s.Name == q.Session {
				size = s
			}
		}
		if old := c.before.request(q.Engine, q.Session, q.Kind); old != nil &&
			slices.Contains(c.before.Settings.Sessions, size) {
			f(q, old)
		}
	}
}

// yardstick returns what a kind of request is measured by, or "" if there is
// nothing in one of the runs.
func (c *changes) yardstick(engine, session string, kind Kind) (now, before quantity, name string) {
	of := Write
	if kind == Read || kind == Again {
		of = Read
	}
	first := ""
	for _, e := range c.now.Settings.Engines {
		if slices.Contains(c.before.Settings.Engines, e) {
			first = e
			break
		}
	}
	for _, e := range []string{engine, first} {
		now, before := c.now.floor(e, session, of), c.before.floor(e, session, of)
		if now != nil && before != nil && now.Waits == before.Waits {
			return c.now.boot.floor(&now.Cell), c.before.boot.floor(&before.Cell), "floor of " + e
		}
	}
	a, b := c.now.Cost(first, session, kind), c.before.Cost(first, session, kind)
	if first == engine || a == nil || b == nil || (a.Took == nil) != (b.Took == nil) {
		return now, before, ""
	}
	return a.cost.inline, b.cost.inline, first
}

// floor returns what was measured of a floor, or nil.
func (r *Results) floor(engine, session string, kind Kind) *FloorResult {
	for i := range r.Floors {
		f := &r.Floors[i]
		if f.Engine == engine && f.Session == session && f.Kind == kind && f.Measured() {
			return f
		}
	}
	return nil
}

func (c *changes) compareTimes() {
	var ratios []quantity
	c.requests(func(now, before *RequestResult) {
		a, b := c.now.Cost(now.Engine, now.Session, now.Kind), c.before.Cost(now.Engine, now.Session, now.Kind)
		if a == nil || b == nil || now.Kind == Untouched || now.Kind == Anonymous {
			return
		}
		byNow, byBefore, name := c.yardstick(now.Engine, now.Session, now.Kind)
		if now.Waits != before.Waits {
			c.Missing = append(c.Missing, fmt.Sprintf("the time of %s, %s, %s, which waits for a disk or a server in one "+
				"of the runs only", now.Engine, now.Session, now.Kind))
			return
		}
		if name == "" || a.Inline.Value <= 0 || b.Inline.Value <= 0 || byNow.value <= 0 || byBefore.value <= 0 {
			return
		}
		// The rounds of the two runs have nothing to do with each other, and so
		// must their draws: with equal seeds, those of the same number have
		// drawn the same rounds.
		old := ratio(b.cost.inline, byBefore)
		if n := len(old.draws); n > 0 {
			old.draws = append(slices.Clone(old.draws[1:]), old.draws[0])
		}
		ratios = append(ratios, ratio(ratio(a.cost.inline, byNow), old))
		c.Times = append(c.Times, TimeChange{Engine: now.Engine, Session: now.Session, Kind: now.Kind, Yardstick: name})
	})
	for i, q := range ratios {
		strict := q.estimate(1 - alpha/float64(len(ratios)))
		t := &c.Times[i]
		t.Ratio, t.Lo, t.Hi = q.estimate(confidence), strict.Lo, strict.Hi
		t.Different = strict.Lo > 1+margin || strict.Hi < 1-margin
	}
}

func (c *changes) compareFacts() {
	c.requests(func(now, before *RequestResult) {
		fact := func(what, before, after string, worse bool) {
			c.Facts = append(c.Facts, FactChange{now.Engine, now.Session, now.Kind, what, before, after, worse})
		}
		fits := func(q *RequestResult) string {
			if q.TooLarge != "" {
				return "no"
			}
			return "yes"
		}
		if a, b := fits(before), fits(now); a != b {
			fact("fits the engine", a, b, b == "no")
		}
		if now.TooLarge != "" || before.TooLarge != "" {
			return
		}
		// What is random in a session changes how well it compresses by some tenths
		// of a byte; a connection or a timer of the runtime allocates now and then.
		for _, count := range []struct {
			what        string
			before, now float64
		}{
			{"queries", before.Queries, now.Queries},
			{"bytes of the Cookie header", math.Round(before.CookieUp), math.Round(now.CookieUp)},
			{"bytes of the Set-Cookie header", math.Round(before.CookieDown), math.Round(now.CookieDown)},
			{"allocations", math.Round(before.Allocs), math.Round(now.Allocs)},
		} {
			if count.before != count.now {
				fact(count.what, fmt.Sprintf("%.4g", count.before), fmt.Sprintf("%.4g", count.now),
					cmp.Less(count.before, count.now))
			}
		}
	})
	for _, now := range c.now.Behaviours {
		for _, before := range c.before.Behaviours {
			if now.Engine == before.Engine && now.Behaviour == before.Behaviour && now.Observed != before.Observed {
				yes := map[bool]string{true: "yes", false: "no"}
				c.Facts = append(c.Facts, FactChange{Engine: now.Engine, What: string(now.Behaviour) + ": " +
					now.Behaviour.Meaning(), Before: yes[before.Observed], Now: yes[now.Observed], Worse: now.Observed})
			}
		}
	}
}
