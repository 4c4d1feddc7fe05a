package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Condition is what -fail-if says: when it is met, a run counts as failed. It is
// one of
//
//	read > 1.05      requests that read take more than 1.05 times as long
//	any > 1.05       requests of any kind do: read, again, write, login, logout
//	cookie > 600     a Cookie header has more than 600 bytes
//	queries > 2      a request sends more than 2 queries
//	allocs > 100     a request makes more than 100 allocations
//	worse            anything is worse than in the baseline
//
// Times are compared with the baseline's (see [Changes]) or, without one, with
// those of the run's first engine; the whole interval that allows for all
// comparisons of the run has to be above the number. Counts are those of this run,
// whether there is a baseline or not. What is worse is a time that is different
// and longer, a count that has grown, a session that fits an engine no more, and a
// [Behaviour] that has come up.
type Condition struct {
	text  string
	word  string
	limit float64
}

// String returns the condition as it was written.
func (c Condition) String() string { return c.text }

// worse is the condition that takes a baseline, and no number.
const worse = "worse"

// counted are the counts that a condition can be about.
var counted = map[string]func(*RequestResult) float64{
	"cookie":  func(q *RequestResult) float64 { return q.CookieUp },
	"queries": func(q *RequestResult) float64 { return q.Queries },
	"allocs":  func(q *RequestResult) float64 { return q.Allocs },
}

// timed are the kinds of request whose times a condition can be about.
func timed() []Kind { return []Kind{Read, Again, Write, Login, Logout} }

func conditionWords() []string {
	var words []string
	for _, k := range timed() {
		words = append(words, string(k))
	}
	return append(words, "any", "cookie", "queries", "allocs")
}

// ParseCondition reads a condition.
func ParseCondition(text string) (Condition, error) {
	words := conditionWords()
	known := fmt.Sprintf("write %s and > and a number, such as 'read > 1.05', or %s", strings.Join(words, ", "), worse)
	left, right, found := strings.Cut(text, ">")
	c := Condition{text: strings.TrimSpace(text), word: strings.TrimSpace(left)}
	switch {
	case c.word == worse && !found:
		return c, nil
	case !slices.Contains(words, c.word):
		return c, fmt.Errorf("there is no %q; %s", c.word, known)
	case !found:
		return c, fmt.Errorf("%s: what is the limit? %s", c.word, known)
	}
	var err error
	c.limit, err = strconv.ParseFloat(strings.TrimSpace(right), 64)
	if err != nil || !(c.limit >= 0) || math.IsInf(c.limit, 0) {
		return c, fmt.Errorf("%q is no limit; %s", strings.TrimSpace(right), known)
	}
	return c, nil
}

// NeedsBaseline reports whether the condition means nothing without a baseline.
func (c Condition) NeedsBaseline() bool { return c.word == worse }

// Check returns what meets the condition, a sentence each; changes is nil without
// a baseline. It is an error if nothing was measured that the condition is about:
// then nobody knows.
func (c Condition) Check(r *Report, changes *Changes) (found []string, err error) {
	judged := 0
	judge := func(met bool, format string, args ...any) {
		judged++
		if met {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	switch count := counted[c.word]; {
	case count != nil:
		for i := range r.Requests {
			q := &r.Requests[i]
			if q.TooLarge == "" {
				judge(count(q) > c.limit, "%s, %s, %s: %s %.4g", q.Engine, q.Session, q.Kind, c.word, count(q))
			}
		}
	case c.word == worse:
		for _, t := range changes.Times {
			if !math.IsInf(t.Lo, 0) {
				judged++
			}
		}
		for _, line := range changes.worse() {
			judge(true, "%s", line)
		}
	case changes != nil:
		for _, t := range changes.Times {
			if c.about(t.Kind) && !math.IsInf(t.Lo, 0) {
				judge(t.Lo > c.limit, "%s", t)
			}
		}
	default:
		for _, t := range r.ratiosToFirst() {
			if c.about(t.Kind) && !math.IsInf(t.Lo, 0) {
				judge(t.Lo > c.limit, "%s, %s, %s: %.3g times as long as %s", t.Engine, t.Session, t.Kind,
					t.Ratio.Value, t.Yardstick)
			}
		}
	}
	if judged == 0 {
		return nil, fmt.Errorf("nothing was measured that tells whether %s", c)
	}
	return found, nil
}

// about reports whether the condition is about the times of a kind of request.
func (c Condition) about(kind Kind) bool {
	return slices.Contains(timed(), kind) && (c.word == "any" || c.word == string(kind))
}

// String says in a sentence what has become of the time.
func (t TimeChange) String() string {
	return fmt.Sprintf("%s, %s, %s: %.3g times as long as before", t.Engine, t.Session, t.Kind, t.Ratio.Value)
}

// String says in a sentence what has changed.
func (f FactChange) String() string {
	of := f.Engine
	if f.Session != "" {
		of += fmt.Sprintf(", %s, %s", f.Session, f.Kind)
	}
	return fmt.Sprintf("%s: %s: %s before, now %s", of, f.What, f.Before, f.Now)
}

// worse returns what is worse than before.
func (c *Changes) worse() []string {
	var found []string
	for _, t := range c.Times {
		if t.Different && t.Ratio.Value > 1 {
			found = append(found, t.String())
		}
	}
	for _, f := range c.Facts {
		if f.Worse {
			found = append(found, f.String())
		}
	}
	return found
}

// ratiosToFirst are the times of all engines, measured by the first engine's.
func (r *Report) ratiosToFirst() []TimeChange {
	var found []TimeChange
	for _, t := range r.Ratios {
		a, b := r.Cost(t.Engine, t.Session, t.Kind), r.Cost(r.Settings.Engines[0], t.Session, t.Kind)
		if a == nil || b == nil || a.Inline.Value <= 0 || b.Inline.Value <= 0 {
			continue
		}
		e := ratio(a.cost.inline, b.cost.inline).estimate(1 - alpha/float64(len(r.Ratios)))
		found = append(found, TimeChange{Engine: t.Engine, Session: t.Session, Kind: t.Kind,
			Yardstick: r.Settings.Engines[0], Ratio: t.Ratio, Lo: e.Lo, Hi: e.Hi})
	}
	return found
}
