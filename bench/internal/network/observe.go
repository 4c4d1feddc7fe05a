package network

import (
	"fmt"
	"math"
	"strings"

	"sessionengine/bench"
)

// Observe holds the model against what was measured: for each cell of an
// engine, how long a page took, and how long it was to take according to the
// model with the scenario's inputs and the cookie that was measured, given what the
// report tells of the engine's requests. The model's ReadsPerWrite counts; its
// other inputs are the scenarios'. A report that lacks one of the engines or sessions is an error.
func (m *PageResult) Observe(report *bench.Report, model bench.Model) ([]Observation, error) {
	var observations []Observation
	without := make(map[Scenario]float64)
	for i := range m.Cells {
		c := &m.Cells[i]
		if len(c.ReadPages) == 0 {
			continue // too large, or interrupted
		}
		measured := bench.Summarize(c.Page(model.ReadsPerWrite), 0.95)
		if c.Engine == NoSession { // the first of its scenario
			without[c.Scenario] = measured.Value
			continue
		}
		page, err := c.predict(report, model, m.RequestsPerPage)
		if err != nil {
			return nil, err
		}
		observations = append(observations, Observation{
			Scenario:  c.Scenario.String(),
			Engine:    c.Engine,
			Measured:  measured,
			Predicted: without[c.Scenario] + page.Seconds(),
			Without:   without[c.Scenario],
		})
	}
	return observations, nil
}

// predict returns what the model says about the session's share of a page.
func (c *PageCell) predict(report *bench.Report, model bench.Model, requestsPerPage int) (bench.Page, error) {
	model.RoundTrip = c.Added
	model.Uplink, model.Downlink = unlimited(c.Visitor.Up), unlimited(c.Visitor.Down)
	model.HTTP1 = c.HTTP1
	// The few visitors come back all the time, so that a near cache has them.
	model.RequestsPerPage, model.SessionRequests, model.CacheHits = requestsPerPage, 1, 1
	var loads [4]bench.Load
	_, near := report.Settings.NearCaches[c.Engine]
	kinds := []bench.Kind{bench.Read, bench.Write, bench.Untouched}
	if near {
		kinds = append(kinds, bench.Again)
	}
	for i, kind := range kinds {
		var err error
		if loads[i], err = requestLoad(report, c.Engine, c.Session, kind); err != nil {
			return bench.Page{}, err
		}
	}
	// The visitors' sessions had what a write sets from the start.
	loads[0].Up, loads[1].Up = float64(c.Cookie), float64(c.Cookie)
	if near {
		loads[0], loads[1] = model.NearCache(loads[0], loads[1], loads[3])
	}
	return model.Page(loads[0], loads[1], loads[2]), nil
}

// unlimited returns a rate as the model has it.
func unlimited(rate float64) float64 {
	if rate == 0 {
		return math.Inf(1)
	}
	return rate
}

// requestLoad returns what a request takes.
func requestLoad(report *bench.Report, engine, session string, kind bench.Kind) (bench.Load, error) {
	i, cost := report.RequestIndex(engine, session, kind), report.Cost(engine, session, kind)
	if i < 0 || cost == nil {
		return bench.Load{}, fmt.Errorf("network: nothing is known of %s/%s/%s", engine, session, kind)
	}
	q := &report.Requests[i]
	load := bench.Load{CPU: cost.CPU.Value / 1e9, Queries: q.Queries, Up: q.CookieUp, Down: q.CookieDown}
	if cost.Took != nil {
		load.Wait = max(cost.Took.Mean.Value-cost.Inline.Value, 0) / 1e9
	}
	return load, nil
}

// String names the scenario.
func (s Scenario) String() string {
	var b strings.Builder
	b.WriteString(s.Session)
	if s.HTTP1 {
		b.WriteString(", HTTP/1.1")
	} else {
		b.WriteString(", HTTP/2")
	}
	fmt.Fprintf(&b, ", database %v away", s.RoundTrip)
	if s.Visitor.Up > 0 {
		fmt.Fprintf(&b, ", uplink %v Mbit/s", s.Visitor.Up)
	}
	if s.Visitor.Down > 0 {
		fmt.Fprintf(&b, ", downlink %v Mbit/s", s.Visitor.Down)
	}
	if s.Visitor.RoundTrip > 0 {
		fmt.Fprintf(&b, ", visitor %v away", s.Visitor.RoundTrip)
	}
	return b.String()
}
