package bench

import (
	"cmp"
	"slices"
	"time"
)

// A Report is what follows from the results of a run, and the results.
type Report struct {
	*Results
	Quiet  Quiet            `json:"quiet"`
	Ratios []RatioResult    `json:"ratios"` // of each engine to the first one
	Again  []RatioResult    `json:"again"`
	Floor  []FloorRatio     `json:"floor_ratios"`
	Model  Model            `json:"model"`
	Pages  []PageComparison `json:"pages"`

	// Sensitivity is that of the verdicts: an entry for each session that two
	// engines or more can carry.
	Sensitivity []Sensitivity `json:"sensitivity"`
}

// A RatioResult compares a kind of request of an engine with the same of the
// first engine of the run or, if the kind is [Again], with [Read]: a visitor who
// comes back at once with those whom the engine has forgotten.
type RatioResult struct {
	Session string `json:"session"`
	Kind    Kind   `json:"kind"`
	Engine  string `json:"engine"`
	Comparison
}

// A FloorRatio is how many times its floor an engine takes.
type FloorRatio struct {
	Engine  string  `json:"engine"`
	Session string  `json:"session"`
	Kind    Kind    `json:"kind"`
	Floor   Summary `json:"floor_ns"`
	Ratio   Summary `json:"ratio"`
}

// A PageComparison is what the model says about pages of one session, with the
// database so far away.
type PageComparison struct {
	Session   string        `json:"session"`
	RoundTrip time.Duration `json:"round_trip_ns"`
	Engines   []EnginePage  `json:"engines"`

	// Ahead is the engine whose pages are complete first, or "" if the
	// measurements cannot tell it from the next one. TooLarge names the engines
	// that cannot carry the session; they take no part.
	Ahead    string   `json:"ahead,omitempty"`
	TooLarge []string `json:"too_large,omitempty"`

	// Comparison is that of the two best engines, if there are two.
	*Comparison `json:"comparison,omitempty"`

	// EqualAt is, for two engines of which one sends queries, the round trip to
	// the database at which they take equally long: the one without queries is
	// ahead when it is longer. Nil for other engines.
	EqualAt *Summary `json:"equal_at_round_trip_ns,omitempty"`
}

// An EnginePage is a page with one engine.
type EnginePage struct {
	Engine string `json:"engine"`
	Page
	Cookie float64 `json:"cookie_bytes"` // of a request that reads

	middle [3]Load   // the median of what a request takes that reads, that writes, and that does neither
	rounds [][3]Load // the same in each round
	times  []float64 // seconds of a page in each round
}

// page returns the page with other inputs.
func (p *EnginePage) page(m Model) Page { return m.Page(p.middle[0], p.middle[1], p.middle[2]) }

// timesWith returns the seconds of a page in each round with other inputs.
func (p *EnginePage) timesWith(m Model) []float64 {
	times := make([]float64, len(p.rounds))
	for i, l := range p.rounds {
		times[i] = m.Page(l[0], l[1], l[2]).Seconds()
	}
	return times
}

// Analyze draws the conclusions from results, with the model's inputs.
func Analyze(results *Results, model Model) *Report {
	r := &Report{Results: results, Quiet: quietness(results.Empty.Nanosec), Model: model}
	r.compareEngines()
	r.compareReturns()
	r.compareFloors()
	r.comparePages()
	return r
}

func (r *Report) compareEngines() {
	base := r.Settings.Engines[0]
	var all []*Comparison
	for _, s := range r.Settings.Sessions {
		for _, kind := range Kinds() {
			for _, engine := range r.Settings.Engines[1:] {
				a, b := r.request(engine, s.Name, kind), r.request(base, s.Name, kind)
				if a == nil || b == nil || len(a.Nanosec) == 0 || len(b.Nanosec) == 0 {
					continue
				}
				c := compare(r.Net(a), r.Net(b), r.Quiet.Confidence())
				r.Ratios = append(r.Ratios, RatioResult{s.Name, kind, engine, c})
			}
		}
	}
	for i := range r.Ratios {
		all = append(all, &r.Ratios[i].Comparison)
	}
	decide(all, r.Quiet.Alpha())
}

// compareReturns compares visitors who come back at once with the others.
func (r *Report) compareReturns() {
	for _, engine := range r.Settings.Engines {
		for _, s := range r.Settings.Sessions {
			read, again := r.request(engine, s.Name, Read), r.request(engine, s.Name, Again)
			if read == nil || again == nil || len(read.Nanosec) == 0 || len(again.Nanosec) == 0 {
				continue
			}
			r.Again = append(r.Again, RatioResult{s.Name, Again, engine,
				compare(r.Net(again), r.Net(read), r.Quiet.Confidence())})
		}
	}
	var all []*Comparison
	for i := range r.Again {
		all = append(all, &r.Again[i].Comparison)
	}
	decide(all, r.Quiet.Alpha())
}

func (r *Report) compareFloors() {
	for i := range r.Floors {
		f := &r.Floors[i]
		q := r.request(f.Engine, f.Session, f.Kind)
		if q == nil || len(q.Nanosec) == 0 || len(f.Nanosec) == 0 {
			continue
		}
		c := compare(r.Net(q), f.Nanosec, r.Quiet.Confidence())
		r.Floor = append(r.Floor, FloorRatio{f.Engine, f.Session, f.Kind, Summarize(f.Nanosec, r.Quiet.Confidence()),
			c.Ratio})
	}
}

// comparePages lets the model work out pages from the figures of each round, so
// that what it says has the uncertainty of what was measured: with the database
// on the web server itself, and as far away as the inputs tell.
func (r *Report) comparePages() {
	trips := []time.Duration{0}
	if r.Model.RoundTrip > 0 {
		trips = append(trips, r.Model.RoundTrip)
	}
	var all []*Comparison
	for _, trip := range trips {
		for _, s := range r.Settings.Sessions {
			p := r.pages(s.Name, trip)
			if p.Comparison != nil {
				all = append(all, p.Comparison)
			}
			r.Pages = append(r.Pages, p)
		}
	}
	decide(all, r.Quiet.Alpha())
	for i := range r.Pages {
		p := &r.Pages[i]
		switch {
		case r.Quiet.TooNoisy():
		case len(p.Engines) == 1 && len(p.TooLarge) > 0:
			p.Ahead = p.Engines[0].Engine
		case p.Comparison != nil && p.Different:
			p.Ahead = p.best()[0].Engine
		}
		if p.RoundTrip == r.Model.RoundTrip && len(p.Engines) > 1 {
			r.Sensitivity = append(r.Sensitivity, r.sensitivity(p))
		}
	}
}

// best returns the pages, the quickest first.
func (p *PageComparison) best() []EnginePage {
	pages := slices.Clone(p.Engines)
	slices.SortStableFunc(pages, func(a, b EnginePage) int {
		return cmp.Compare(a.Seconds(), b.Seconds())
	})
	return pages
}

func (r *Report) pages(session string, trip time.Duration) PageComparison {
	result := PageComparison{Session: session, RoundTrip: trip}
	model := r.Model
	model.RoundTrip = trip
	for _, engine := range r.Settings.Engines {
		read, write, untouched := r.request(engine, session, Read), r.request(engine, session, Write),
			r.request(engine, session, Untouched)
		if read == nil || write == nil || untouched == nil {
			continue // interrupted
		}
		if read.TooLarge != "" || write.TooLarge != "" {
			result.TooLarge = append(result.TooLarge, engine)
			continue
		}
		reads, writes, others := r.Net(read), r.Net(write), r.Net(untouched)
		if len(reads) == 0 {
			continue
		}
		page := EnginePage{Engine: engine, Cookie: read.CookieUp}
		for i := range reads {
			page.rounds = append(page.rounds,
				[3]Load{read.load(reads[i]), write.load(writes[i]), untouched.load(others[i])})
		}
		middle := func(v []float64) float64 { return Summarize(v, 0.95).Median }
		page.middle = [3]Load{read.load(middle(reads)), write.load(middle(writes)), untouched.load(middle(others))}
		page.times, page.Page = page.timesWith(model), page.page(model)
		result.Engines = append(result.Engines, page)
	}
	if best := result.best(); len(best) > 1 {
		c := compare(best[0].times, best[1].times, r.Quiet.Confidence())
		result.Comparison = &c
	}
	result.EqualAt = equalAt(result.Engines, trip, r.Quiet.Confidence())
	return result
}

func (q *RequestResult) load(nanosec float64) Load {
	return Load{CPU: nanosec / 1e9, Queries: q.Queries, Up: q.CookieUp, Down: q.CookieDown}
}

// equalAt returns the round trip in nanoseconds at which two engines take
// equally long, if exactly one of them sends queries.
func equalAt(pages []EnginePage, trip time.Duration, confidence float64) *Summary {
	if len(pages) != 2 || (pages[0].Queries == 0) == (pages[1].Queries == 0) {
		return nil
	}
	without, with := pages[0], pages[1]
	if without.Queries > 0 {
		without, with = with, without
	}
	trips := make([]float64, len(with.times))
	for i := range trips {
		atZero := with.times[i] - with.Queries*trip.Seconds()
		trips[i] = 1e9 * (without.times[i] - atZero) / with.Queries
	}
	s := Summarize(trips, confidence)
	return &s
}
