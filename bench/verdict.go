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

// frame is how long a screen shows a picture, at 60 of them a second. What is
// quicker than that nobody sees.
const frame = 1.0 / 60

// Verdict returns what the report advises, a sentence a line: which engine to use
// for which sessions, what that is worth, and what to think of before speed.
func (r *Report) Verdict() []string { return append(r.Advice(), r.Caveats()...) }

// Advice returns the same without what to think of before speed.
func (r *Report) Advice() []string {
	switch {
	case r.Rounds == 0 || len(r.Pages) == 0:
		return []string{"No verdict: nothing was measured."}
	case r.Rounds < MinRounds:
		return []string{fmt.Sprintf("No verdict: it takes %d rounds, and there are %d.", MinRounds, r.Rounds)}
	}
	lines := r.ruledOut()
	lines = append(lines, r.advice()...)
	lines = append(lines, r.nearCaches()...)
	return append(lines, r.tooLarge()...)
}

// at returns the pages with the database so far away, those of the smallest
// session first.
func (r *Report) at(trip time.Duration) []*PageComparison {
	var pages []*PageComparison
	for i := range r.Pages {
		if r.Pages[i].RoundTrip == trip {
			pages = append(pages, &r.Pages[i])
		}
	}
	slices.SortStableFunc(pages, func(a, b *PageComparison) int { return cmp.Compare(r.size(a.Session), r.size(b.Session)) })
	return pages
}

func (r *Report) size(session string) int {
	for _, s := range r.Settings.Sessions {
		if s.Name == session {
			return s.Size
		}
	}
	return 0
}

// A finding is what holds for some sessions.
type finding struct {
	what  string
	pages []*PageComparison
}

// alike puts the pages together about which f says the same; it leaves out those
// about which f says nothing.
func alike(pages []*PageComparison, f func(*PageComparison) string) []finding {
	var found []finding
	for _, p := range pages {
		what := f(p)
		i := slices.IndexFunc(found, func(g finding) bool { return g.what == what })
		switch {
		case what == "":
		case i < 0:
			found = append(found, finding{what, []*PageComparison{p}})
		default:
			found[i].pages = append(found[i].pages, p)
		}
	}
	return found
}

// sessions names those of some pages, which are some of all that are in question.
func (r *Report) sessions(some, all []*PageComparison) string {
	smallest, largest := r.size(some[0].Session), r.size(some[len(some)-1].Session)
	switch {
	case len(some) == len(all) && len(all) > 1:
		return fmt.Sprintf("all sessions of this run (%d to %d bytes)", smallest, largest)
	case len(some) > 3 && slices.Index(all, some[len(some)-1])-slices.Index(all, some[0]) == len(some)-1:
		return fmt.Sprintf("sessions of %d to %d bytes (%s to %s)", smallest, largest, some[0].Session,
			some[len(some)-1].Session)
	}
	var names []string
	for i, p := range some {
		if i == 4 && len(some) > 5 {
			names = append(names, fmt.Sprintf("%d more", len(some)-i))
			break
		}
		names = append(names, fmt.Sprintf("%s (%d bytes)", p.Session, r.size(p.Session)))
	}
	return and(names)
}

// and joins names as prose does.
func and(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// advice returns which engine to use for which sessions, and what that is worth.
func (r *Report) advice() []string {
	var lines []string
	pages := r.at(r.Model.RoundTrip)
	ahead := alike(pages, (*PageComparison).use)
	var clauses []string
	for _, g := range ahead {
		clauses = append(clauses, g.what+" for "+r.sessions(g.pages, pages))
	}
	if clauses != nil {
		lines = append(lines, "Use "+strings.Join(clauses, ", and ")+"."+r.worth(ahead))
	}
	for _, g := range alike(pages, func(p *PageComparison) string {
		if p.Outcome == Equal && !p.Depends() && len(p.Best) > 1 {
			return and(p.Best)
		}
		return ""
	}) {
		lines = append(lines, fmt.Sprintf("It makes no difference for %s: %s are equal.", r.sessions(g.pages, pages), g.what))
	}
	for _, g := range alike(pages, func(p *PageComparison) string {
		if p.Depends() {
			return fmt.Sprintf("%s while it is as busy as in this run, %s when it is not", p.said(p.Outcome, p.Best),
				p.said(p.QuietOutcome, p.QuietBest))
		}
		return ""
	}) {
		lines = append(lines, fmt.Sprintf("It depends on how busy the database is for %s: %s.", r.sessions(g.pages, pages),
			g.what))
	}
	for _, g := range alike(pages, func(p *PageComparison) string {
		if p.Outcome == Open && !p.Depends() && len(p.Best) > 1 {
			return and(p.Best) + " are too close to call" + r.settled(p)
		}
		return ""
	}) {
		lines = append(lines, fmt.Sprintf("For %s, %s.", r.sessions(g.pages, pages), g.what))
	}
	if c := r.crossover(r.Model.RoundTrip); c != nil && r.isAhead(c.small) && r.isAhead(c.large) {
		lines = append(lines, fmt.Sprintf("The line between them is at a cookie of about %s bytes: below, %s is quicker, "+
			"and above, %s.", roundBytes(c.bytes), c.small, c.large))
	}
	return lines
}

// use returns the engine to use for a page, or "".
func (p *PageComparison) use() string {
	if len(p.Engines) == 1 {
		return p.Engines[0].Engine
	}
	return p.Ahead()
}

// said says an outcome in a few words.
func (p *PageComparison) said(outcome Outcome, best []string) string {
	switch outcome {
	case Ahead:
		return best[0]
	case Equal:
		return "no matter which of " + and(best)
	}
	return "too close to call between " + and(best)
}

// worth says how much sooner pages are complete, and what to go by where nobody
// sees it, in sentences of their own.
func (r *Report) worth(ahead []finding) string {
	least, most := math.Inf(1), 0.0
	for _, g := range ahead {
		for _, p := range g.pages {
			if p.Behind != nil {
				least, most = min(least, p.Behind.Value), max(most, p.Behind.Value)
			}
		}
	}
	if most == 0 {
		return ""
	}
	saved := twoDigits(1000*most) + " ms"
	if few := twoDigits(1000 * least); few != twoDigits(1000*most) {
		saved = few + " to " + saved
	}
	line := fmt.Sprintf(" That makes a page %s quicker than the next best engine", saved)
	if most < frame {
		line += ", which no visitor sees: a screen shows a new picture every 17 ms."
		if r.Caveats() != nil {
			line += " So choose by what goes wrong."
		}
		return line
	}
	return line + "."
}

// settled says which inputs would settle what is open.
func (r *Report) settled(p *PageComparison) string {
	var inputs []string
	for _, s := range r.Sensitivity {
		for _, t := range s.Turns {
			if s.Session == p.Session && t.Near {
				if sides := t.sides(); sides != "" {
					inputs = append(inputs, strings.TrimSpace(t.Input.Phrase()+" "+sides+" "+t.Input.Unit()))
				}
			}
		}
	}
	if inputs == nil {
		return "; more rounds would tell"
	}
	return "; it would be clear with " + strings.Join(inputs, ", or ")
}

// sides says beyond which values of the input the verdict is clear, or "" if it can
// have none of them.
func (t *Turn) sides() string {
	lo, hi := t.Input.Range()
	var sides []string
	if t.At.Lo > lo {
		sides = append(sides, "below "+twoDigits(t.At.Lo))
	}
	if t.At.Hi < hi {
		sides = append(sides, "above "+twoDigits(t.At.Hi))
	}
	return strings.Join(sides, " or ")
}

// engineList names engines that have something in common, in the order of the
// run: a list for each thing, in the order in which they are first met.
func (r *Report) engineList(of func(engine string) string) (things []string, engines map[string][]string) {
	engines = make(map[string][]string)
	for _, engine := range r.Settings.Engines {
		if thing := of(engine); thing != "" {
			if engines[thing] == nil {
				things = append(things, thing)
			}
			engines[thing] = append(engines[thing], engine)
		}
	}
	return things, engines
}

// ruledOut says which engines cannot do what the site needs.
func (r *Report) ruledOut() []string {
	var lines []string
	reasons, engines := r.engineList(r.RuledOut)
	out := 0
	for _, reason := range reasons {
		out += len(engines[reason])
		lines = append(lines, fmt.Sprintf("Ruled out: %s, with which %s.", and(engines[reason]), reason))
	}
	if out == len(r.Settings.Engines) {
		lines = append(lines, "No engine of this run does what you need.")
	}
	return lines
}

// tooLarge returns which engines cannot carry which sessions, a sentence a line.
func (r *Report) tooLarge() []string {
	pages := r.at(r.Model.RoundTrip)
	things, engines := r.engineList(func(engine string) string {
		if some := slices.DeleteFunc(slices.Clone(pages), func(p *PageComparison) bool {
			return !slices.Contains(p.TooLarge, engine)
		}); len(some) > 0 && r.RuledOut(engine) == "" {
			return r.sessions(some, pages)
		}
		return ""
	})
	var lines []string
	for _, sessions := range things {
		lines = append(lines, fmt.Sprintf("Too large for %s: %s.", and(engines[sessions]), sessions))
	}
	return lines
}

// Caveats returns what to think of before speed, a sentence a line: what goes
// wrong with which engines.
func (r *Report) Caveats() []string {
	things, engines := r.engineList(func(engine string) string {
		var flaws []string
		for _, b := range r.Behaviours {
			if b.Engine == engine && b.Observed && r.RuledOut(engine) == "" {
				flaws = append(flaws, b.Behaviour.Meaning())
			}
		}
		return strings.Join(flaws, "; ")
	})
	var lines []string
	for _, flaws := range things {
		lines = append(lines, fmt.Sprintf("More important than speed: with %s, %s.", and(engines[flaws]), flaws))
	}
	return lines
}

// isAhead reports whether an engine is ahead for any session.
func (r *Report) isAhead(engine string) bool {
	return slices.ContainsFunc(r.at(r.Model.RoundTrip), func(p *PageComparison) bool { return p.Ahead() == engine })
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
		cookie, lead float64 // how much the engine with fewer queries is ahead, in seconds
		few          string
		many         string
	}
	var points []point
	for _, p := range r.Pages {
		if p.RoundTrip != trip || p.EqualAt == nil {
			continue
		}
		few, many := p.Engines[0], p.Engines[1]
		if few.Queries > many.Queries {
			few, many = many, few
		}
		points = append(points, point{few.Cookie, many.Seconds() - few.Seconds(), few.Engine, many.Engine})
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
			small: a.few, large: a.many,
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

// twoDigits formats a value with two digits, and all those before the point.
func twoDigits(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	decimals := max(1-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	return strconv.FormatFloat(v, 'f', decimals, 64)
}
