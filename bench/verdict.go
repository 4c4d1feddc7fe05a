package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict returns what the report advises, a sentence a line: which engine is
// the quicker one, and what to think of before speed.
func (r *Report) Verdict() []string {
	lines := r.speedVerdict()
	for _, caveat := range r.caveats() {
		lines = append(lines, "Before speed: "+caveat)
	}
	return lines
}

// speedVerdict returns which engine is the quicker one, a sentence a line: it
// follows from the measurements and the model's inputs, and is no advice where
// they tell nothing.
func (r *Report) speedVerdict() []string {
	if r.Rounds == 0 || len(r.Pages) == 0 {
		return []string{"No verdict: nothing was measured."}
	}
	var lines []string
	trips := r.Trips()
	for _, trip := range trips {
		if clauses := r.clauses(trip); len(clauses) > 0 {
			lines = append(lines, where(trip)+" "+strings.Join(clauses, "; ")+".")
		}
		if c := r.crossover(trip); c != nil && r.isAhead(trip, c.small) && r.isAhead(trip, c.large) {
			lines = append(lines, fmt.Sprintf("They cross at a cookie of about %s bytes: %s is ahead below, %s above.",
				roundBytes(c.bytes), c.small, c.large))
		}
	}
	return append(append(lines, r.openQuestions()...), r.tooLarge(trips[0])...)
}

// clauses returns what is to be said about the pages with the database so far
// away: who is ahead for which sessions, and for which it is equal or open.
func (r *Report) clauses(trip time.Duration) []string {
	var order []string
	sessions := make(map[string][]string)
	for i := range r.Pages {
		p := &r.Pages[i]
		if p.RoundTrip != trip || len(p.Engines) < 2 {
			continue
		}
		say := p.say()
		if sessions[say] == nil {
			order = append(order, say)
		}
		sessions[say] = append(sessions[say], p.Session)
	}
	var clauses []string
	for _, say := range order {
		clauses = append(clauses, say+" "+strings.Join(sessions[say], ", "))
	}
	return clauses
}

// say returns the verdict on a page, to be followed by the sessions that it is
// about.
func (p *PageComparison) say() string {
	switch {
	case p.Depends():
		return "it depends on how busy the database is for"
	case p.Outcome == Ahead:
		return p.Best[0] + " is ahead for"
	case p.Outcome == Equal:
		return strings.Join(p.Best, " and ") + " are equal for"
	}
	return strings.Join(p.Best, " and ") + " are too close to call for"
}

// openQuestions returns which inputs would settle what is open, a sentence a line.
func (r *Report) openQuestions() []string {
	var lines []string
	for i := range r.Pages {
		p := &r.Pages[i]
		if p.RoundTrip != r.Model.RoundTrip || p.Outcome != Open || len(p.Engines) < 2 {
			continue
		}
		var settle []string
		for _, s := range r.Sensitivity {
			for _, t := range s.Turns {
				if s.Session == p.Session && t.Near {
					settle = append(settle, fmt.Sprintf("a %s outside %s to %s %s", t.Input, roundDigits(t.At.Lo),
						roundDigits(t.At.Hi), t.Input.Unit()))
				}
			}
		}
		switch {
		case r.Rounds < MinRounds:
			return []string{fmt.Sprintf("Too few rounds for a verdict: it takes %d.", MinRounds)}
		case settle == nil:
			lines = append(lines, fmt.Sprintf("More rounds would settle %s.", p.Session))
		default:
			lines = append(lines, fmt.Sprintf("What would settle %s: %s.", p.Session, strings.Join(settle, ", or ")))
		}
	}
	return lines
}

// roundDigits formats a value with three digits.
func roundDigits(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// tooLarge returns which engines cannot carry which sessions, a sentence a line.
func (r *Report) tooLarge(trip time.Duration) []string {
	var lines, order []string
	tooLarge := make(map[string][]string) // engines, by the sessions that they cannot carry
	for _, engine := range r.Settings.Engines {
		var names []string
		for _, page := range r.Pages {
			if page.RoundTrip == trip && slices.Contains(page.TooLarge, engine) {
				names = append(names, page.Session)
			}
		}
		if sessions := strings.Join(names, ", "); sessions != "" {
			if tooLarge[sessions] == nil {
				order = append(order, sessions)
			}
			tooLarge[sessions] = append(tooLarge[sessions], engine)
		}
	}
	for _, sessions := range order {
		lines = append(lines, fmt.Sprintf("Too large for %s: %s.", strings.Join(tooLarge[sessions], " and "), sessions))
	}
	return lines
}

// isAhead reports whether an engine is ahead for any session.
func (r *Report) isAhead(trip time.Duration, engine string) bool {
	return slices.ContainsFunc(r.Pages, func(p PageComparison) bool {
		return p.RoundTrip == trip && p.Ahead() == engine
	})
}

// caveats returns what to think of before speed, a sentence a line: what goes
// wrong with which engines.
func (r *Report) caveats() []string {
	with := make(map[string][]string) // engines, by what goes wrong
	var order []string
	for _, engine := range r.Settings.Engines {
		var flaws []string
		for _, b := range r.Behaviours {
			if b.Engine == engine && b.Observed {
				flaws = append(flaws, b.Behaviour.Meaning())
			}
		}
		if text := strings.Join(flaws, "; "); text != "" {
			if with[text] == nil {
				order = append(order, text)
			}
			with[text] = append(with[text], engine)
		}
	}
	var lines []string
	for _, text := range order {
		lines = append(lines, fmt.Sprintf("with %s, %s.", strings.Join(with[text], " and "), text))
	}
	return lines
}

// A crossover is the size of cookie at which two engines take equally long.
type crossover struct {
	bytes        float64 // of the cookie that carries the session
	small, large string  // the engine that is ahead below, and above
}

// crossover finds that between the sessions of the run, in the order of their
// cookies: where the engine that is ahead changes, it draws a straight line. It
// returns nil if one engine is ahead for all sessions, or the order changes more
// than once.
func (r *Report) crossover(trip time.Duration) *crossover {
	type point struct {
		cookie, lead float64 // how much the engine without queries is ahead, in seconds
		without      string
		with         string
	}
	var points []point
	for _, p := range r.Pages {
		if p.RoundTrip != trip || p.EqualAt == nil {
			continue
		}
		without, with := p.Engines[0], p.Engines[1]
		if without.Queries > 0 {
			without, with = with, without
		}
		points = append(points, point{without.Cookie, with.Seconds() - without.Seconds(), without.Engine, with.Engine})
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.cookie, b.cookie) })
	var found *crossover
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if (a.lead > 0) == (b.lead > 0) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &crossover{
			bytes: a.cookie + (b.cookie-a.cookie)*a.lead/(a.lead-b.lead),
			small: a.without, large: a.with,
		}
		if a.lead < 0 {
			found.small, found.large = found.large, found.small
		}
	}
	return found
}

// Trips returns the round trips for which there are pages.
func (r *Report) Trips() []time.Duration {
	var trips []time.Duration
	for _, page := range r.Pages {
		if !slices.Contains(trips, page.RoundTrip) {
			trips = append(trips, page.RoundTrip)
		}
	}
	return trips
}

// roundBytes rounds to two digits: a straight line between two sessions knows
// no better.
func roundBytes(v float64) string {
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
}

func where(trip time.Duration) string {
	if trip == 0 {
		return "Database on the web server:"
	}
	return fmt.Sprintf("Database %s away:", milliseconds(trip))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', -1, 64) + " ms"
}
