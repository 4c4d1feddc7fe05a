package bench

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// An Input is one of the model's inputs.
type Input string

// The inputs that a verdict may depend on, with the units of their values.
const (
	roundTripInput Input = "round trip"        // milliseconds
	uplinkInput    Input = "uplink"            // Mbit/s
	downlinkInput  Input = "downlink"          // Mbit/s
	readsInput     Input = "reads per write"   // pages
	RequestsInput  Input = "requests per page" // requests
)

// Inputs returns them in the order of the tables.
func Inputs() []Input {
	return []Input{roundTripInput, uplinkInput, downlinkInput, readsInput, RequestsInput}
}

// Unit returns the unit of an input's values, or "" for numbers.
func (i Input) Unit() string {
	switch i {
	case roundTripInput:
		return "ms"
	case uplinkInput, downlinkInput:
		return "Mbit/s"
	}
	return ""
}

// Phrase returns the input as sentences have it.
func (i Input) Phrase() string {
	switch i {
	case roundTripInput, downlinkInput:
		return "a " + string(i)
	case uplinkInput:
		return "an " + string(i)
	}
	return string(i)
}

// Range returns the least and the greatest value that an input is varied to.
func (i Input) Range() (lo, hi float64) {
	switch i {
	case roundTripInput:
		return 0, 100
	case uplinkInput, downlinkInput:
		return 0.1, 1000
	case readsInput:
		return 0, 1000
	case RequestsInput:
		return 1, 1000
	}
	return math.NaN(), math.NaN()
}

// Value returns the value that the model has for an input.
func (m Model) Value(i Input) float64 {
	switch i {
	case roundTripInput:
		return m.RoundTrip.Seconds() * 1000
	case uplinkInput:
		return m.Uplink
	case downlinkInput:
		return m.Downlink
	case readsInput:
		return m.ReadsPerWrite
	case RequestsInput:
		return float64(m.RequestsPerPage)
	}
	return math.NaN()
}

// with returns the model with another value for an input.
func (m Model) with(i Input, value float64) Model {
	switch i {
	case roundTripInput:
		m.RoundTrip = time.Duration(math.Round(value * 1e6))
	case uplinkInput:
		m.Uplink = value
	case downlinkInput:
		m.Downlink = value
	case readsInput:
		m.ReadsPerWrite = value
	case RequestsInput:
		m.RequestsPerPage = int(math.Round(value))
	}
	return m
}

// A page's time is a straight line in each of these: the input itself, or what
// the model makes of it.
func (i Input) linear(value float64) float64 {
	switch i {
	case uplinkInput, downlinkInput:
		return 1 / value
	case readsInput:
		return 1 / (1 + value)
	}
	return value
}

// fromLinear is the inverse of linear. What takes more than any value of the input
// is beyond all of them.
func (i Input) fromLinear(x float64) float64 {
	switch i {
	case uplinkInput, downlinkInput, readsInput:
		if x <= 0 {
			return math.Inf(1)
		}
	}
	switch i {
	case uplinkInput, downlinkInput:
		return 1 / x
	case readsInput:
		return 1/x - 1
	}
	return x
}

// A Sensitivity tells what it would take to change the verdict on a session:
// which value of one of the model's inputs, all others being as they are.
type Sensitivity struct {
	Session string `json:"session"`

	// Ahead is the engine whose pages are complete first with the inputs as
	// they are. Told reports whether the measurements can tell it from the next.
	Ahead string `json:"ahead"`
	Told  bool   `json:"told"`

	// Turns are the values beyond which another engine is ahead: at most one
	// above the value that the model has and one below, for each input. An
	// input that has none in its [Input.Range] does not matter to the verdict.
	Turns []Turn `json:"turns"`

	// OtherHTTP is the engine that is ahead with the other version of HTTP.
	OtherHTTP string `json:"ahead_with_other_http"`

	// Leads are the engines whose pages are complete first, depending on how far
	// away the database is: the first from a round trip of 0, the others each
	// from a longer one.
	Leads []Lead `json:"leads"`
}

// A Turn is a value of an input at which the verdict changes.
type Turn struct {
	Input Input    `json:"input"`
	Above bool     `json:"above"` // whether it changes above the value, or below
	At    Estimate `json:"at"`
	Ahead string   `json:"ahead"` // the engine that is ahead beyond

	// Near says that the value that the model has is within the interval: with
	// another one, the verdict would be clear.
	Near bool `json:"near"`
}

// sensitivity returns what would change the verdict of a page, which is one of
// two engines or more.
func (r *Report) sensitivity(p *PageComparison) Sensitivity {
	best := p.best()
	lead := best[0]
	s := Sensitivity{Session: p.Session, Ahead: lead.Engine, Told: p.Ahead() != "", Leads: r.leads(p)}
	model := r.Model
	model.RoundTrip = p.RoundTrip
	for _, input := range Inputs() {
		var below, above *Turn
		for _, other := range best[1:] {
			t := turn(model, input, &lead, &other)
			switch {
			case t == nil:
			case t.Above && (above == nil || t.At.Value < above.At.Value):
				above = t
			case !t.Above && (below == nil || t.At.Value > below.At.Value):
				below = t
			}
		}
		for _, t := range []*Turn{below, above} {
			if t != nil {
				s.Turns = append(s.Turns, *t)
			}
		}
	}
	model.HTTP1 = !model.HTTP1
	s.OtherHTTP = slices.MinFunc(best, func(a, b EnginePage) int {
		return cmp.Compare(a.page(model).Seconds(), b.page(model).Seconds())
	}).Engine
	return s
}

// turn returns where an input makes b as quick as a, which is quicker with the
// model as it is, or nil.
func turn(model Model, input Input, a, b *EnginePage) *Turn {
	now := model.Value(input)
	lo, hi := input.Range()
	if input == RequestsInput {
		lo = float64(model.SessionRequests)
	}
	other := lo
	if now == lo {
		other = hi
	}
	there := model.with(input, other)
	x, dx := input.linear(now), input.linear(other)-input.linear(now)
	// root returns where the line through both differences is 0.
	root := func(here, there float64) float64 {
		return input.fromLinear(x - here*dx/(there-here))
	}
	at := root(a.page(model).Seconds()-b.page(model).Seconds(), a.page(there).Seconds()-b.page(there).Seconds())
	if !(at >= lo && at <= hi) {
		return nil // parallel lines among them
	}
	roots := combine(func(v []float64) float64 {
		if at := root(v[0]-v[1], v[2]-v[3]); !math.IsNaN(at) {
			return at
		}
		return math.Inf(1)
	}, a.time(model, false), b.time(model, false), a.time(there, false), b.time(there, false))
	estimate := roots.estimate(confidence)
	return &Turn{Input: input, Above: at > now, At: estimate, Ahead: b.Engine,
		Near: estimate.Lo <= now && now <= estimate.Hi}
}

// A Lead is the range of round trips for which an engine is ahead: it ends
// where the next begins.
type Lead struct {
	Engine string `json:"engine"`

	// From is the round trip in nanoseconds; nil for the first.
	From *Estimate `json:"from_round_trip_ns,omitempty"`

	// Ties are the engines that send as many queries and cannot be told apart
	// from Engine, each by a test of its own.
	Ties []string `json:"ties,omitempty"`
}

// leads finds the engines that are ahead for a session, for all round trips.
func (r *Report) leads(p *PageComparison) []Lead {
	var leads []Lead
	pages := p.Engines
	model := r.Model
	model.RoundTrip = 0
	at := make([]float64, len(pages)) // seconds with a round trip of 0
	for i := range pages {
		at[i] = pages[i].page(model).Seconds()
	}
	lead := 0
	for i := range pages {
		if at[i] < at[lead] {
			lead = i
		}
	}
	var from *Estimate
	for {
		l := Lead{Engine: pages[lead].Engine, From: from}
		next, nextAt := -1, math.Inf(1)
		for i := range pages {
			fewer := pages[lead].Queries - pages[i].Queries
			switch {
			case i == lead:
			case fewer == 0:
				if d := difference(pages[i].time(model, false), pages[lead].time(model, false)).estimate(confidence); !(d.Lo > 0) {
					l.Ties = append(l.Ties, pages[i].Engine)
				}
			case fewer > 0 && (at[i]-at[lead])/fewer < nextAt:
				next, nextAt = i, (at[i]-at[lead])/fewer
			}
		}
		leads = append(leads, l)
		if next < 0 {
			return leads
		}
		fewer := pages[lead].Queries - pages[next].Queries
		trip := combine(func(v []float64) float64 { return 1e9 * (v[0] - v[1]) / fewer }, pages[next].time(model, false),
			pages[lead].time(model, false)).estimate(confidence)
		from, lead = &trip, next
	}
}
