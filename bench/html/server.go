package html

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sessionengine/bench/load"
	"sessionengine/bench/suite"
)

// A condition is under what load samples were taken.
type condition struct {
	session     string
	mix         load.Mix
	concurrency int
	loop        load.Loop
}

func (c condition) String() string {
	what := map[load.Mix]string{load.Reads: "reads", load.Writes: "writes", load.Mixed: "reads and writes"}[c.mix]
	return fmt.Sprintf("%s loop, %s, %s", c.loop, plural(c.concurrency, "visitor", "visitors"), what)
}

func (b *builder) loadSection() *section {
	s := &section{ID: "load", Title: "Under load"}
	if b.Load == nil || b.Load.Rounds == 0 {
		s.Missing = b.missing(suite.Load)
		return s
	}
	http := "HTTP/2"
	if b.Load.HTTP1 {
		http = "HTTP/1.1"
	}
	s.Intro = append(b.partly(suite.Load, b.Load.Rounds), fmt.Sprintf("Whole requests over TLS and %s, to a server in the same process, in two ways. Closed loop: each visitor sends a request when the last one is answered. "+
		"Open loop: requests come at random moments, at %.0f %% of the rate that the slowest engine can take, and their time counts from the moment they were to be sent. "+
		"Differences count, not absolute times: the visitors use the same processors.", http, 100*b.Load.Utilization))
	var order []condition
	indexes := make(map[condition][]int)
	var values []float64
	for i, sample := range b.Load.Samples {
		c := condition{sample.Session, sample.Mix, sample.Concurrency, sample.Loop}
		if indexes[c] == nil {
			order = append(order, c)
		}
		indexes[c] = append(indexes[c], i)
		if c.session == b.Load.Samples[0].Session && sample.Latency.N > 0 {
			values = append(values, float64(sample.Latency.P50)/1e6, float64(sample.Latency.Max)/1e6)
		}
	}
	slices.SortStableFunc(order, func(a, b condition) int { return strings.Compare(string(a.loop), string(b.loop)) })
	t := &table{
		Caption: "Latency, in milliseconds",
		Columns: []string{"engine"},
		Notes:   []string{"± is the 95 % interval of the median over the rounds. The percentiles are those of all requests of all rounds together. failed: requests that got no answer or an error, or were not sent in time."},
	}
	for _, p := range percentiles {
		t.Columns = append(t.Columns, p.name)
	}
	t.Columns = append(t.Columns, "requests a second", "failed")
	sessions := slices.Compact(mapSlice(order, func(c condition) string { return c.session }))
	for _, session := range slices.Compact(slices.Sorted(slices.Values(sessions))) {
		for _, c := range order {
			if c.session != session {
				continue
			}
			g := group{Name: session + ", " + c.String()}
			var samples []load.Sample
			for _, i := range indexes[c] {
				sample := b.Load.Samples[i]
				samples = append(samples, sample)
				g.Rows = append(g.Rows, b.loadRow(i, sample))
			}
			t.Groups = append(t.Groups, g)
			if session == b.Load.Samples[0].Session {
				s.add(b.latencyFigure(session+", "+c.String(), samples, values))
			}
		}
	}
	s.Tables = []*table{t}
	return s
}

func mapSlice[T, U any](all []T, f func(T) U) []U {
	result := make([]U, len(all))
	for i, v := range all {
		result[i] = f(v)
	}
	return result
}

func (b *builder) loadRow(i int, sample load.Sample) row {
	r := row{Name: sample.Engine, Key: b.engineKey(sample.Engine)}
	if sample.Engine == load.NoSession {
		r.Name = "no session"
	}
	if sample.TooLarge != "" {
		r.Text = "too large for a cookie"
		return r
	}
	for k, p := range percentiles {
		c := textCell(digits(p.of(sample.Latency)/1e6)).at("/load/samples/%d/latency/%s", i, p.path)
		if k == 0 {
			c.More = spread(sample.Median)
		}
		r.Cells = append(r.Cells, c)
	}
	throughput := cell{Text: whole(sample.Throughput.Median), More: spread(sample.Throughput)}.at("/load/samples/%d/throughput", i)
	r.Cells = append(r.Cells, throughput, textCell(strconv.Itoa(sample.Errors+sample.Unsent)).at("/load/samples/%d/errors", i))
	return r
}

func (b *builder) validationSection() *section {
	s := &section{ID: "model", Title: "The model against measurements"}
	v := b.Validation
	if v == nil {
		s.Missing = b.missing(suite.Links)
		return s
	}
	s.Intro = append(b.partly(suite.Links, b.Links.Rounds), "The verdict follows from a model. Here is what it predicts for pages whose time was measured, through a server and over links as slow as each line says. "+
		"A prediction is what the page takes on a site without sessions, measured, and what the model says that the session adds.")
	s.Intro = append(s.Intro, v.Lines()...)
	s.add(b.validationFigure(false), b.validationFigure(true))
	t := &table{
		Caption: "Milliseconds of a page",
		Columns: []string{"engine", "measured", "predicted", "error", "without a session"},
		Folded:  true,
	}
	var last *group
	for i, o := range v.Observations {
		if last == nil || last.Name != o.Scenario {
			t.Groups = append(t.Groups, group{Name: o.Scenario})
			last = &t.Groups[len(t.Groups)-1]
		}
		last.Rows = append(last.Rows, row{Name: o.Engine, Key: b.engineKey(o.Engine), Cells: []cell{
			cell{Text: digits(1000 * o.Measured.Median), More: spread(o.Measured)}.at("/validation/observations/%d/measured_s", i),
			textCell(digits(1000*o.Predicted)).at("/validation/observations/%d/predicted_s", i),
			textCell(digits(100*o.Error())+" %").at("/validation/observations/%d", i),
			textCell(digits(1000*o.Without)).at("/validation/observations/%d/without_session_s", i),
		}})
	}
	s.Tables = []*table{t}
	return s
}
