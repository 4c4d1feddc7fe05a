package bench

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// slower makes the requests of an engine take so many times as long.
func slower(r *Results, engine string, times float64) *Results {
	for i := range r.Requests {
		q := &r.Requests[i]
		if q.Engine != engine {
			continue
		}
		for round := range q.Nanosec {
			for j := range q.Nanosec[round] {
				q.Nanosec[round][j] *= times
			}
		}
	}
	return r
}

// onSlowerMachine makes everything take so many times as long.
func onSlowerMachine(r *Results, times float64) *Results {
	slower(slower(r, "cookie", times), "row", times)
	cells := []*Cell{}
	for i := range r.Empty {
		cells = append(cells, &r.Empty[i].Cell)
	}
	for i := range r.Floors {
		cells = append(cells, &r.Floors[i].Cell)
	}
	for _, c := range cells {
		for round := range c.Nanosec {
			for j := range c.Nanosec[round] {
				c.Nanosec[round][j] *= times
			}
		}
	}
	return r
}

func since(t *testing.T, now, before *Results) *Changes {
	t.Helper()
	c, err := Analyze(now, DefaultModel()).Since(before)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNothingHasChangedOnASlowerMachine(t *testing.T) {
	c := since(t, onSlowerMachine(made(24, 0.05), 1.7), made(20, 0.05))
	for _, change := range c.Times {
		if change.Different {
			t.Errorf("%v, measured by the %s", change, change.Yardstick)
		}
	}
	if len(c.Times) != 5*5 || len(c.Facts) != 0 || len(c.Missing) != 0 {
		t.Errorf("%d times, facts %v, missing %q", len(c.Times), c.Facts, c.Missing)
	}
}

func TestASlowerEngineIsFound(t *testing.T) {
	c := since(t, onSlowerMachine(slower(made(24, 0.05), "cookie", 1.1), 0.6), made(20, 0.05))
	for _, change := range c.Times {
		if want := change.Engine == "cookie"; change.Different != want || want && change.Ratio.Value < 1.05 {
			t.Errorf("%v (%v to %v): different: %v", change, change.Lo, change.Hi, change.Different)
		}
	}
}

// An engine without a floor is measured by the first one's, so that it has not
// changed when the first one has.
func TestYardsticks(t *testing.T) {
	without := func(r *Results, engines ...string) *Results {
		r.Floors = slices.DeleteFunc(r.Floors, func(f FloorResult) bool { return slices.Contains(engines, f.Engine) })
		return r
	}
	for _, tc := range []struct {
		without []string
		want    map[string]string // by engine
	}{
		{nil, map[string]string{"cookie": "floor of cookie", "row": "floor of row"}},
		{[]string{"row"}, map[string]string{"cookie": "floor of cookie", "row": "floor of cookie"}},
		{[]string{"cookie", "row"}, map[string]string{"row": "cookie"}},
	} {
		got := make(map[string]string)
		for _, change := range since(t, without(made(12, 0.05), tc.without...), made(12, 0.05)).Times {
			if change.Session == "small" {
				got[change.Engine] = change.Yardstick
			}
		}
		for _, engine := range []string{"cookie", "row"} {
			if got[engine] != tc.want[engine] {
				t.Errorf("without the floors of %q: %s is measured by %q, want %q", tc.without, engine, got[engine],
					tc.want[engine])
			}
		}
	}
}

func TestFactsThatHaveChanged(t *testing.T) {
	now := made(12, 0)
	q := now.request("cookie", "small", Read)
	q.CookieUp, q.Queries, q.Allocs = q.CookieUp+1.2, 1, q.Allocs-2.3
	now.request("row", "small", Write).CookieDown += 0.3 // of one request in three: chance
	now.request("row", "small", Write).TooLarge = "too large"
	now.Behaviours[0].Observed = false
	var got []string
	for _, f := range since(t, now, made(12, 0)).Facts {
		line := f.String()
		if f.Worse {
			line += " (worse)"
		}
		got = append(got, line)
	}
	want := []string{
		"cookie, small, read: queries: 0 before, now 1 (worse)",
		"cookie, small, read: bytes of the Cookie header: 100 before, now 101 (worse)",
		"cookie, small, read: allocations: 25 before, now 23",
		"row, small, write: fits the engine: yes before, now no (worse)",
		"cookie: replay: a stolen cookie works after the logout: yes before, now no",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatCannotBeComparedIsSaid(t *testing.T) {
	before := made(3, 0).Only("row")
	before.Settings.Sessions[0].Size++
	before.Settings.Sessions = append(before.Settings.Sessions, SessionSize{"more", 7})
	c := since(t, made(12, 0), before)
	got := strings.Join(c.Missing, "\n")
	for _, want := range []string{"engine cookie was not measured before", "session small (200 B) was not measured before",
		"session small (201 B) was not measured now", "session more (7 B) was not measured now",
		"the run before has 3 rounds, and intervals take 12"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, change := range c.Times {
		if change.Session == "small" || change.Different || !math.IsInf(change.Lo, -1) {
			t.Errorf("%+v", change)
		}
	}
	for _, bad := range []*Results{{}, made(12, 0).Only("another"), func() *Results {
		r := made(12, 0)
		r.Settings.Sessions = []SessionSize{{"small", 1}}
		return r
	}()} {
		if _, err := Analyze(made(12, 0), DefaultModel()).Since(bad); err == nil {
			t.Errorf("compared with %q, %v", bad.Settings.Engines, bad.Settings.Sessions)
		}
	}
}

func TestConditions(t *testing.T) {
	r := Analyze(made(12, 0.05), DefaultModel())
	slow := since(t, slower(made(12, 0.05), "row", 1.3), made(12, 0.05))
	same := since(t, made(12, 0.05), made(12, 0.05))
	for _, tc := range []struct {
		condition string
		changes   *Changes
		want      bool
	}{
		{"read > 1.05", nil, true}, // rows of the small session, to cookies
		{"read>10", nil, false},
		{"again > 5", nil, true},
		{"any > 5", nil, true},
		{"any > 10", nil, false},
		{"cookie > 999", nil, true},
		{"cookie > 1000", nil, false},
		{"queries > 1", nil, true},
		{"queries > 2", nil, false},
		{"allocs > 84", nil, true},
		{"allocs > 85", same, false},
		{"read > 1.05", slow, true},
		{"read > 1.05", same, false},
		{"any > 1.05", slow, true},
		{"any > 1.5", slow, false},
		{"worse", slow, true},
		{"worse", same, false},
	} {
		c, err := ParseCondition(tc.condition)
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.Check(r, tc.changes)
		if err != nil || (len(found) > 0) != tc.want {
			t.Errorf("%s: %q, %v", c, found, err)
		}
	}
	for text, want := range map[string]string{
		"reads > 1":     `there is no "reads"; write read, again,`,
		"":              `there is no ""`,
		"read":          "read: what is the limit?",
		"read > fast":   `"fast" is no limit`,
		"read > -1":     `"-1" is no limit`,
		"read > NaN":    `"NaN" is no limit`,
		"worse > 1":     `there is no "worse"`,
		"untouched > 1": `there is no "untouched"`,
	} {
		if _, err := ParseCondition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Processor time is measured otherwise where something waits, and so is not
// comparable with what does not.
func TestATimeThatWaitsInOneRunOnly(t *testing.T) {
	now := made(12, 0.05)
	q := now.request("row", "small", Write)
	q.Waits, q.CPU = true, q.Nanosec
	c := since(t, now, made(12, 0.05))
	for _, change := range c.Times {
		if change.Engine == "row" && change.Session == "small" && change.Kind == Write {
			t.Errorf("%v", change)
		}
	}
	if len(c.Missing) != 1 || !strings.Contains(c.Missing[0], "row, small, write") {
		t.Errorf("missing: %q", c.Missing)
	}
}

// What cannot be judged must not pass.
func TestAConditionThatNothingTells(t *testing.T) {
	few := Analyze(made(3, 0.05), DefaultModel())
	c, err := ParseCondition("read > 1.05")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.Check(few, nil); err == nil {
		t.Errorf("found %q", found)
	}
	if found, err := c.Check(few, since(t, made(12, 0), made(3, 0))); err == nil {
		t.Errorf("with a baseline of three rounds: found %q", found)
	}
}

// twice is a site that does its work twice, as one does after a bad change.
type twice struct{ Site }

func (s twice) Handler(a Action) http.Handler {
	if a.TouchesNothing() || a.Read.Key == "" { // what is written twice is another session
		return s.Site.Handler(a)
	}
	h := s.Site.Handler(a)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&recorder{header: make(http.Header)}, r)
		h.ServeHTTP(w, r)
	})
}

// A run in which an engine does its work twice is told from one in which it does
// not.
func TestWorkDoneTwiceIsFound(t *testing.T) {
	engines, err := EnginesNamed("signedcookie", "sealed")
	if err != nil {
		t.Fatal(err)
	}
	for i := range engines {
		engines[i].Cache = 0
	}
	run := func() *Results {
		results, err := Run(t.Context(), Config{Engines: engines, Sessions: sessionsOf(t, "login"), Rounds: MinRounds,
			Duration: 3 * time.Second, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	before := run()
	open := engines[1].Open
	engines[1].Open = func(ctx context.Context, dir string, count *Counter) (Site, error) {
		site, err := open(ctx, dir, count)
		return twice{site}, err
	}
	found := 0
	for _, change := range since(t, run(), before).Times {
		t.Logf("%v (%.3f to %.3f)", change, change.Lo, change.Hi)
		if change.Engine == "sealed" && change.Kind == Read && change.Different && change.Ratio.Value > 1 {
			found++
		}
	}
	if found != 1 {
		t.Error("reading that takes twice as long was not found")
	}
}

func sessionsOf(t *testing.T, kinds ...string) []Session {
	t.Helper()
	sessions, err := Corpus(kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A baseline of too few rounds tells nothing of times, and so not that none is
// worse.
func TestWorseTakesTimesThatCanBeTold(t *testing.T) {
	c, err := ParseCondition("worse")
	if err != nil {
		t.Fatal(err)
	}
	now := Analyze(made(12, 0), DefaultModel())
	if found, err := c.Check(now, since(t, made(12, 0), made(3, 0))); err == nil {
		t.Errorf("with a baseline of three rounds: found %q, and no error", found)
	}
}

// Files that no run has written are errors, whatever is in them.
func TestDamagedResultsAreErrors(t *testing.T) {
	for name, damage := range map[string]func(*Results){
		"nothing in a round": func(r *Results) {
			for i := range r.Requests {
				if q := &r.Requests[i]; q.Kind == Write {
					q.Nanosec = make([][]float64, r.Rounds)
				}
			}
		},
		"rounds of nothing": func(r *Results) {
			r.Rounds, r.Empty, r.Requests, r.Floors, r.Collector = 1<<60, nil, nil, nil, nil
		},
		"more rounds than memory": func(r *Results) {
			r.Rounds, r.Empty, r.Requests, r.Floors = 1<<24, nil, nil, nil
			one := Cell{Nanosec: make([][]float64, r.Rounds)}
			samples := []float64{1}
			for i := range one.Nanosec {
				one.Nanosec[i] = samples
			}
			r.Empty = []EmptyResult{{"small", Read, one}}
		},
	} {
		before := made(12, 0.05)
		damage(before)
		if _, err := Analyze(made(12, 0.05), DefaultModel()).Since(before); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
