package bench

import (
	"cmp"
	"slices"
	"time"
)

// A Report is what follows from the results of a run, and the results.
type Report struct {
	*Results
	Costs  []CostResult     `json:"costs"`
	Ratios []RatioResult    `json:"ratios"` // of each engine to the first one
	Again  []RatioResult    `json:"again"`
	Floor  []FloorRatio     `json:"floor_ratios"`
	Model  Model            `json:"model"`
	Pages  []PageComparison `json:"pages"`

	// Sensitivity is that of the verdicts: an entry for each session that two
	// engines or more can carry.
	Sensitivity []Sensitivity `json:"sensitivity"`

	boot *bootstrap
}

// A RatioResult compares the processor time of a kind of request of an engine,
// without that of collecting its garbage later, with the same of the first engine
// of the run or, if the kind is [Again], with [Read]: a visitor who comes back at
// once with those whom the engine has forgotten. The collector's part is left out
// since its price is known to some tens of per cent only, the same for all.
type RatioResult struct {
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`
	Engine  string `json:"engine"`
	Comparison
}

// A FloorRatio is how many times its floor an engine takes, without collecting
// garbage on either side.
type FloorRatio struct {
	Engine  string   `json:"engine"`
	Session string   `json:"session"`
	Kind    Kind     `json:"kind"`
	Floor   Estimate `json:"floor_ns"`
	Ratio   Estimate `json:"ratio"`
}

// An Outcome is what can be said about the pages of several engines.
type Outcome string

// The outcomes.
const (
	Ahead Outcome = "ahead" // one engine's pages are complete first
	Equal Outcome = "equal" // the best ones differ by less than anything depends on
	Open  Outcome = "open"  // with the model's inputs as they are, the best ones are too close to call
)

// A PageComparison is what the model says about pages of one session, with the
// database so far away.
type PageComparison struct {
	Session   string        `json:"session"`
	RoundTrip time.Duration `json:"round_trip_ns"`
	Engines   []EnginePage  `json:"engines"`

	// Outcome and Best are the verdict: Best has the engine whose pages are
	// complete first and those that are not behind it; of an engine that is
	// ahead, only itself. TooLarge names the engines that cannot carry the session;
	// they take no part.
	Outcome  Outcome  `json:"outcome"`
	Best     []string `json:"best"`
	TooLarge []string `json:"too_large,omitempty"`

	// RuledOut are the pages with engines that cannot do what the site needs
	// ([Report.RuledOut]); they take no part either.
	RuledOut []EnginePage `json:"ruled_out,omitempty"`

	// QuietOutcome and QuietBest are the verdict if what waits for a database or
	// a disk waited as little as in the quickest tenth of its requests.
	QuietOutcome Outcome  `json:"quiet_outcome"`
	QuietBest    []string `json:"quiet_best"`

	// Behind is by how many seconds the second of all engines is behind the first.
	Behind *Estimate `json:"behind_s,omitempty"`

	// EqualAt is, for two engines of which one sends more queries, the round trip
	// to the database in nanoseconds at which they take equally long: the one with
	// fewer queries is ahead when it is longer. Nil for other engines.
	EqualAt *Estimate `json:"equal_at_round_trip_ns,omitempty"`
}

// Ahead returns the engine that is ahead, whether or not the database is busy, or
// "".
func (p *PageComparison) Ahead() string {
	if p.Outcome == Ahead && !p.Depends() {
		return p.Best[0]
	}
	return ""
}

// Depends reports whether the verdict depends on how busy the database is.
func (p *PageComparison) Depends() bool {
	return p.Outcome != p.QuietOutcome || len(p.Best) > 0 && p.Outcome == Ahead && p.Best[0] != p.QuietBest[0]
}

// An EnginePage is a page with one engine.
type EnginePage struct {
	Engine string `json:"engine"`
	Page
	Time   Estimate `json:"time_s"`       // of the whole page
	CPU    Estimate `json:"cpu_s"`        // of Server
	Cookie float64  `json:"cookie_bytes"` // of a request that reads

	// Near says that the engine has a near cache, and the page is with the share
	// of hits that the model has.
	Near bool `json:"near_cache,omitempty"`

	loads [4]loads // of a request that reads, that writes, that does neither, and that reads from a near cache
}

// loads are what a request takes, in the run and in each draw of its rounds.
type loads struct {
	Load // queries and bytes, which do not vary
	cost
}

// load returns that of one draw, or of all rounds if draw is negative; quiet is
// with a database that has little else to do.
func (l *loads) load(draw int, quiet bool) Load {
	wait := &l.wait
	if quiet {
		wait = &l.quiet
	}
	load := l.Load
	if draw < 0 {
		load.CPU, load.Wait = l.cpu.value/1e9, wait.value/1e9
	} else {
		load.CPU, load.Wait = l.cpu.draws[draw]/1e9, wait.draws[draw]/1e9
	}
	return load
}

// Load returns what a request of the page takes that reads the session ([Read]),
// that writes it ([Write]), that does neither ([Untouched]), and that finds it in
// the near cache ([Again]); quiet is with a database that has little else to do.
func (p *EnginePage) Load(kind Kind, quiet bool) Load { return p.loadsOf(kind).load(-1, quiet) }

// LoadDraws returns the same for each of the first n draws of the rounds, at most
// as many as there are; quiet is with a database that has little else to do.
func (p *EnginePage) LoadDraws(kind Kind, n int, quiet bool) []Load {
	l := p.loadsOf(kind)
	draws := make([]Load, min(n, len(l.cpu.draws)))
	for i := range draws {
		draws[i] = l.load(i, quiet)
	}
	return draws
}

func (p *EnginePage) loadsOf(kind Kind) *loads {
	switch kind {
	case Read:
		return &p.loads[0]
	case Write:
		return &p.loads[1]
	case Again:
		return &p.loads[3]
	}
	return &p.loads[2]
}

// page returns the page with other inputs.
func (p *EnginePage) page(m Model) Page { return p.draw(m, -1, false) }

// draw returns the page of one draw, or of all rounds if draw is negative.
func (p *EnginePage) draw(m Model, draw int, quiet bool) Page {
	read, write := p.loads[0].load(draw, quiet), p.loads[1].load(draw, quiet)
	if p.Near {
		read, write = m.NearCache(read, write, p.loads[3].load(draw, quiet))
	}
	return m.Page(read, write, p.loads[2].load(draw, quiet))
}

// time returns the seconds of a page with these inputs.
func (p *EnginePage) time(m Model, quiet bool) quantity { return p.quantity(m, quiet, Page.Seconds) }

// quantity returns what a page takes of something with these inputs.
func (p *EnginePage) quantity(m Model, quiet bool, of func(Page) float64) quantity {
	seconds := func(draw int) float64 { return of(p.draw(m, draw, quiet)) }
	q := quantity{value: seconds(-1), known: true, n: p.loads[0].cpu.n, draws: make([]float64, len(p.loads[0].cpu.draws))}
	for i, l := range &p.loads {
		q.known = q.known && (l.cpu.known && l.wait.known || i == 3 && !p.Near)
	}
	for d := range q.draws {
		q.draws[d] = seconds(d)
	}
	return q
}

// Analyze draws the conclusions from results, with the model's inputs.
func Analyze(results *Results, model Model) *Report {
	r := &Report{Results: results, Model: model, boot: newBootstrap(results.Rounds, results.Settings.Seed)}
	if results.Rounds == 0 {
		return r
	}
	r.costs()
	r.compareEngines()
	r.compareReturns()
	r.compareFloors()
	r.comparePages()
	return r
}

func (r *Report) compareEngines() {
	base := r.Settings.Engines[0]
	type pair struct {
		result RatioResult
		a, b   quantity
	}
	var pairs []pair
	for _, s := range r.Settings.Sessions {
		for _, kind := range Kinds() {
			for _, engine := range r.Settings.Engines[1:] {
				a, b := r.Cost(engine, s.Name, kind), r.Cost(base, s.Name, kind)
				if a != nil && b != nil {
					pairs = append(pairs, pair{RatioResult{Session: s.Name, Kind: kind, Engine: engine},
						a.cost.inline, b.cost.inline})
				}
			}
		}
	}
	for _, p := range pairs {
		p.result.Comparison = compare(p.a, p.b, len(pairs), margin)
		r.Ratios = append(r.Ratios, p.result)
	}
}

// compareReturns compares visitors who come back at once with the others.
func (r *Report) compareReturns() {
	family := len(r.Settings.Engines) * len(r.Settings.Sessions)
	for _, engine := range r.Settings.Engines {
		for _, s := range r.Settings.Sessions {
			read, again := r.Cost(engine, s.Name, Read), r.Cost(engine, s.Name, Again)
			if read == nil || again == nil {
				continue
			}
			r.Again = append(r.Again, RatioResult{s.Name, Again, engine,
				compare(again.cost.inline, read.cost.inline, family, againMargin)})
		}
	}
}

func (r *Report) compareFloors() {
	for i := range r.Floors {
		f := &r.Floors[i]
		c := r.Cost(f.Engine, f.Session, f.Kind)
		if c == nil || !f.Measured() {
			continue
		}
		floor := r.boot.floor(&f.Cell)
		r.Floor = append(r.Floor, FloorRatio{f.Engine, f.Session, f.Kind, costEstimate(floor),
			ratio(c.cost.inline, floor).estimate(confidence)})
	}
}

// comparePages lets the model work out pages from the costs of each draw, so that
// what it says has the uncertainty of what was measured: with the database on the
// web server itself, and as far away as the inputs tell.
func (r *Report) comparePages() {
	trips := []time.Duration{0}
	if r.Model.RoundTrip > 0 {
		trips = append(trips, r.Model.RoundTrip)
	}
	for _, trip := range trips {
		for _, s := range r.Settings.Sessions {
			p := r.pages(s.Name, trip)
			r.Pages = append(r.Pages, p)
			if trip == r.Model.RoundTrip && len(p.Engines) > 1 {
				r.Sensitivity = append(r.Sensitivity, r.sensitivity(&p))
			}
		}
	}
}

// PageConfidence is the level of the comparisons of pages, of which there are
// many: each with the best engine, for each session and each of two distances.
func (r *Report) PageConfidence() float64 {
	trips := 1
	if r.Model.RoundTrip > 0 {
		trips = 2
	}
	return 1 - alpha/float64(trips*len(r.Settings.Sessions)*max(len(r.Settings.Engines)-1, 1))
}

func (r *Report) pages(session string, trip time.Duration) PageComparison {
	result := PageComparison{Session: session, RoundTrip: trip}
	model := r.Model
	model.RoundTrip = trip
	for _, engine := range r.Settings.Engines {
		_, near := r.Settings.NearCaches[engine]
		page := EnginePage{Engine: engine, Near: near}
		tooLarge, complete := false, true
		for i, kind := range []Kind{Read, Write, Untouched, Again} {
			q, c := r.request(engine, session, kind), r.Cost(engine, session, kind)
			tooLarge = tooLarge || q != nil && q.TooLarge != ""
			if complete = complete && q != nil && c != nil; complete {
				page.loads[i] = loads{Load{Queries: q.Queries, Up: q.CookieUp, Down: q.CookieDown}, c.cost}
			}
		}
		switch {
		case tooLarge:
			result.TooLarge = append(result.TooLarge, engine)
		case complete: // and not interrupted
			page.Page, page.Cookie = page.page(model), page.loads[0].Up
			page.Time = page.time(model, false).estimate(confidence)
			page.CPU = costEstimate(page.quantity(model, false, func(p Page) float64 { return p.Server }))
			if r.RuledOut(engine) != "" {
				result.RuledOut = append(result.RuledOut, page)
				continue
			}
			result.Engines = append(result.Engines, page)
		}
	}
	level := r.PageConfidence()
	result.Outcome, result.Best = outcome(result.Engines, model, false, level)
	result.QuietOutcome, result.QuietBest = outcome(result.Engines, model, true, level)
	if best := result.best(); len(best) > 1 {
		behind := difference(best[1].time(model, false), best[0].time(model, false)).estimate(confidence)
		result.Behind = &behind
	}
	result.EqualAt = equalAt(result.Engines, r.Model)
	return result
}

// best returns the pages, the quickest first.
func (p *PageComparison) best() []EnginePage {
	pages := slices.Clone(p.Engines)
	slices.SortStableFunc(pages, func(a, b EnginePage) int {
		return cmp.Compare(a.Seconds(), b.Seconds())
	})
	return pages
}

// Below these differences two pages count as equal: nobody decides by them, and
// copies of an engine differ by as much.
const (
	equalTime  = 1e-6 // seconds
	equalShare = 0.02 // of the processor time of a page
)

// outcome compares the pages of engines at a level of confidence, and returns the
// quickest with those that are not behind it.
func outcome(pages []EnginePage, model Model, quiet bool, level float64) (Outcome, []string) {
	if len(pages) == 0 {
		return Open, nil
	}
	times := make([]quantity, len(pages))
	first := 0
	for i := range pages {
		times[i] = pages[i].time(model, quiet)
		if times[i].value < times[first].value {
			first = i
		}
	}
	result, best := Equal, []string{pages[first].Engine}
	for i := range pages {
		if i == first {
			continue
		}
		tolerance := max(equalTime, equalShare*max(pages[i].page(model).Server, pages[first].page(model).Server))
		switch behind := difference(times[i], times[first]).estimate(level); {
		case behind.Lo > -tolerance && behind.Hi < tolerance:
			best = append(best, pages[i].Engine)
		case behind.Lo > 0:
		default:
			best = append(best, pages[i].Engine)
			result = Open
		}
	}
	if len(best) == 1 {
		result = Ahead
	}
	return result, best
}

// equalAt returns the round trip in nanoseconds at which two engines take equally
// long, if one of them sends fewer queries. It is negative if that one is ahead
// even with a database in the same process.
func equalAt(pages []EnginePage, model Model) *Estimate {
	if len(pages) != 2 {
		return nil
	}
	model.RoundTrip = 0
	few, many := &pages[0], &pages[1]
	fewer, more := few.page(model).Queries, many.page(model).Queries
	if fewer > more {
		few, many, fewer, more = many, few, more, fewer
	}
	if fewer == more {
		return nil
	}
	trip := combine(func(v []float64) float64 { return 1e9 * (v[0] - v[1]) / (more - fewer) }, few.time(model, false),
		many.time(model, false))
	e := trip.estimate(confidence)
	return &e
}
