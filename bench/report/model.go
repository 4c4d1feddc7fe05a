package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"math"
	"slices"

	"sessionengine/bench"
)

//go:embed model.js
var modelScript string

// scriptHash is what a Content-Security-Policy calls the page's script (Content
// Security Policy Level 3, section 2.3.1): no other is run.
func scriptHash() string {
	sum := sha256.Sum256([]byte(modelScript))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// pageDraws is how many draws of the rounds the page has for its intervals. Their
// standard deviation is known to 5 % then.
const pageDraws = 200

// modelData is what the page's script works out pages from.
type modelData struct {
	Inputs     bench.Model    `json:"inputs"`     // of the run
	Deviations float64        `json:"deviations"` // of an interval, at the level of comparisons of pages
	Dials      []dial         `json:"dials"`
	Sessions   []modelSession `json:"sessions"`
}

type modelSession struct {
	Session string        `json:"session"`
	Engines []modelEngine `json:"engines"` // that can carry it
}

// modelEngine has the loads of requests that read the session, that write it, that
// do not use it and, with a near cache, that find it there; and of each its draws,
// which have the same numbers in all engines.
type modelEngine struct {
	Engine string        `json:"engine"`
	Loads  []modelLoad   `json:"loads"`
	Draws  []modelSpread `json:"draws"`
}

type modelLoad struct {
	CPU       float64 `json:"cpu"`        // seconds
	Wait      float64 `json:"wait"`       // seconds, as it was measured
	QuietWait float64 `json:"quiet_wait"` // seconds, when the database has nothing else to do
	Queries   float64 `json:"queries"`
	Up        float64 `json:"up"` // bytes
	Down      float64 `json:"down"`
}

// modelSpread has a value for each draw, or nothing where nothing waits.
type modelSpread struct {
	CPU       []float64 `json:"cpu"`
	Wait      []float64 `json:"wait,omitempty"`
	QuietWait []float64 `json:"quiet_wait,omitempty"`
}

// A dial is an input that the page's reader changes with a slider, which chooses
// one of some values.
type dial struct {
	Name   string    `json:"name"` // of the flag, and in the page's address
	Label  string    `json:"-"`
	Field  string    `json:"field"`  // of the model, in JSON
	Factor float64   `json:"factor"` // from the values to the field's unit
	Unit   string    `json:"unit"`
	Whole  bool      `json:"whole"` // there are whole numbers only
	Values []float64 `json:"values"`
	At     int       `json:"-"` // where the run's own input is among them
}

// Last returns the slider's last place.
func (d dial) Last() int { return len(d.Values) - 1 }

// dials returns what can be changed.
func dials(m bench.Model) []dial {
	all := []dial{
		{Name: "rtt", Label: "Round trip to the database", Field: "round_trip_ns", Factor: 1e6, Unit: "ms",
			Values: append([]float64{0}, roundNumbers(0.01, 100)...)},
		{Name: "uplink", Label: "A visitor's uplink", Field: "uplink_mbit_s", Unit: "Mbit/s",
			Values: roundNumbers(0.1, 1000)},
		{Name: "downlink", Label: "A visitor's downlink", Field: "downlink_mbit_s", Unit: "Mbit/s",
			Values: roundNumbers(0.1, 1000)},
		{Name: "reads-per-write", Label: "Pages that only read the session, for each that changes it",
			Field: "reads_per_write", Values: append([]float64{0}, roundNumbers(0.1, 1000)...)},
		{Name: "requests-per-page", Label: "Requests of a page", Field: "requests_per_page", Whole: true,
			Values: roundNumbers(1, 1000)},
		{Name: "session-requests", Label: "How many of them use the session", Field: "session_requests", Whole: true,
			Values: roundNumbers(1, 100)},
		{Name: "cache-hits", Label: "Sessions that a near cache has, of those asked for", Field: "cache_hits", Factor: 0.01,
			Unit: "%"},
		{Name: "cpu-price", Label: "Price of an hour of a core", Field: "price_cpu_hour", Unit: "$"},
		{Name: "egress-price", Label: "Price of a GB sent", Field: "price_gb_out", Unit: "$"},
		{Name: "query-price", Label: "Price of a million queries", Field: "price_million_queries", Unit: "$"},
	}
	for i, now := range []float64{m.RoundTrip.Seconds() * 1000, m.Uplink, m.Downlink, m.ReadsPerWrite,
		float64(m.RequestsPerPage), float64(m.SessionRequests), m.CacheHits * 100, m.CPUHour, m.GBOut,
		m.MillionQueries} {
		d := &all[i]
		switch d.Unit {
		case "%":
			for percent := 0.0; percent <= 100; percent += 5 {
				d.Values = append(d.Values, percent)
			}
		case "$":
			d.Values = append([]float64{0}, roundNumbers(0.001, 10)...)
		}
		if d.Factor == 0 {
			d.Factor = 1
		}
		if d.Whole {
			d.Values = slices.DeleteFunc(d.Values, func(v float64) bool { return v != math.Trunc(v) })
		}
		at, found := slices.BinarySearch(d.Values, now)
		if !found {
			d.Values = slices.Insert(d.Values, at, now)
		}
		d.At = at
	}
	return all
}

// roundNumbers returns round numbers from least, a power of ten, to most, each
// about a quarter more than the one before.
func roundNumbers(least, most float64) []float64 {
	var values []float64
	for exponent := int(math.Round(math.Log10(least))); ; exponent++ {
		for _, v := range []float64{10, 12, 15, 20, 25, 30, 40, 50, 60, 80} {
			if exponent < 1 {
				v /= math.Pow10(1 - exponent) // powers of less than 1 are not exact
			} else {
				v *= math.Pow10(exponent - 1)
			}
			if v > most {
				return values
			}
			values = append(values, v)
		}
	}
}

// modelData returns what the page's script needs.
func (b *builder) modelData() modelData {
	data := modelData{Inputs: b.Model, Dials: dials(b.Model), Deviations: deviations(b.PageConfidence())}
	for i := range b.Pages {
		p := &b.Pages[i]
		if p.RoundTrip != b.Model.RoundTrip || len(p.Engines) == 0 {
			continue
		}
		s := modelSession{Session: p.Session}
		for j := range p.Engines {
			e := &p.Engines[j]
			engine := modelEngine{Engine: e.Engine}
			kinds := []bench.Kind{bench.Read, bench.Write, bench.Untouched}
			if e.Near {
				kinds = append(kinds, bench.Again)
			}
			for _, kind := range kinds {
				l, quiet := e.Load(kind, false), e.Load(kind, true)
				engine.Loads = append(engine.Loads, modelLoad{CPU: l.CPU, Wait: l.Wait, QuietWait: quiet.Wait,
					Queries: l.Queries, Up: l.Up, Down: l.Down})
				var d modelSpread
				waits := l.Wait > 0 || quiet.Wait > 0
				for _, l := range e.LoadDraws(kind, pageDraws, false) {
					d.CPU = append(d.CPU, short12(l.CPU))
					if waits {
						d.Wait = append(d.Wait, short12(l.Wait))
					}
				}
				if waits {
					for _, l := range e.LoadDraws(kind, pageDraws, true) {
						d.QuietWait = append(d.QuietWait, short12(l.Wait))
					}
				}
				engine.Draws = append(engine.Draws, d)
			}
			s.Engines = append(s.Engines, engine)
		}
		data.Sessions = append(data.Sessions, s)
	}
	return data
}

// short12 rounds seconds to picoseconds, so that the page is not the longer for
// digits that mean nothing.
func short12(seconds float64) float64 { return math.Round(seconds*1e12) / 1e12 }

// deviations returns how many standard deviations of a normal distribution an
// interval at a level of confidence reaches to each side.
func deviations(confidence float64) float64 { return math.Sqrt2 * math.Erfinv(confidence) }

// tryOut is the part of the page in which its reader changes the inputs.
type tryOut struct {
	modelData
	JSON   template.JS
	Script template.JS
}

// tryOut returns that part, or nil if no pages were worked out, or of too few rounds
// for a verdict.
func (b *builder) tryOut() *tryOut {
	if b.Rounds < bench.MinRounds {
		return nil
	}
	data := b.modelData()
	if len(data.Sessions) == 0 {
		return nil
	}
	text, err := json.Marshal(data) // which escapes what would end the element
	if err != nil {
		panic(err) // a number that is none: a mistake of this package
	}
	return &tryOut{data, template.JS(text), template.JS(modelScript)}
}
