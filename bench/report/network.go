package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sessionengine/bench/internal/network"
	"sessionengine/bench/suite"
)

// noSession is what the engine is called that keeps no sessions.
const noSession = "no session"

func engineName(engine string) string {
	if engine == network.NoSession {
		return noSession
	}
	return engine
}

// wire is the section of bytes on the wire.
func (b *builder) wire() section {
	s := section{ID: "wire", Title: "bytes on the wire"}
	if b.Wire == nil {
		s.Missing = b.missing(suite.Wire)
		return s
	}
	tr := b.Wire.Trace
	change := "No request changes the session."
	if tr.ChangeEvery > 0 {
		change = fmt.Sprintf("One request in %d changes the session.", tr.ChangeEvery)
	}
	s.Intro = []string{fmt.Sprintf("Whole requests and responses, TLS included, counted on the connection of a "+
		"visitor who browses %d pages: a document, %d calls and %d images each. %s HTTP/2 sends a cookie that stays "+
		"the same in a byte or two; one that changes is sent whole again.", tr.Pages,
		tr.Calls, tr.Assets, change)}
	t := &table{
		Caption: "bytes of a page on the wire",
		Columns: []string{"session, engine", "cookie", "HTTP/1.1 up", "down", "HTTP/2 up", "down"},
		Notes: []string{"no session: the whole page, on a site without sessions. For the engines: what is more than " +
			"that. Counts repeat within a percent or two."},
	}
	for _, size := range b.Settings.Sessions {
		t.begin(sessionName(size))
		for i := range b.Wire.Cells {
			one := &b.Wire.Cells[i]
			if one.Session != size.Name || one.Protocol != network.HTTP1 {
				continue
			}
			j := slices.IndexFunc(b.Wire.Cells, func(c network.TrafficCell) bool {
				return c.Engine == one.Engine && c.Session == one.Session && c.Protocol == network.HTTP2
			})
			if one.TooLarge != "" || j < 0 {
				t.add(engineName(one.Engine), none("too large").at("/wire/cells/%d/too_large", i))
				continue
			}
			a, c, format := one.Page, b.Wire.Cells[j].Page, "%.0f"
			if one.Engine != network.NoSession {
				a, c, format = a.Minus(b.Wire.Floor(one).Page), c.Minus(b.Wire.Floor(&b.Wire.Cells[j]).Page), "%+.0f"
			}
			t.add(engineName(one.Engine), text("%d", one.Cookie).at("/wire/cells/%d/cookie", i),
				text(format, a.Up).at("/wire/cells/%d/page/up", i),
				text(format, a.Down).at("/wire/cells/%d/page/down", i),
				text(format, c.Up).at("/wire/cells/%d/page/up", j),
				text(format, c.Down).at("/wire/cells/%d/page/down", j))
		}
	}
	s.add(t.orNil())
	s.draw(b.wireFigures()...)
	return s
}

// A condition is under what load samples were taken.
type condition struct {
	session     string
	loop        network.Loop
	concurrency int
}

func (c condition) String() string {
	return fmt.Sprintf("%s, %s loop, %s, reads and writes", c.session, c.loop, plural(c.concurrency, "visitor"))
}

// percentiles are those of a latency.
var percentiles = []struct {
	name string
	of   func(network.Latency) float64
	path string
}{
	{"50 %", func(l network.Latency) float64 { return float64(l.P50) }, "p50_ns"},
	{"90 %", func(l network.Latency) float64 { return float64(l.P90) }, "p90_ns"},
	{"99 %", func(l network.Latency) float64 { return float64(l.P99) }, "p99_ns"},
	{"99.9 %", func(l network.Latency) float64 { return float64(l.P999) }, "p999_ns"},
	{"max", func(l network.Latency) float64 { return float64(l.Max) }, "max_ns"},
}

// load is the section of what was measured through a server.
func (b *builder) load() section {
	s := section{ID: "load", Title: "load through a server"}
	if b.Load == nil || b.Load.Rounds == 0 {
		s.Missing = b.missing(suite.Load)
		return s
	}
	s.Intro = append(b.partly(suite.Load, b.Load.Rounds),
		fmt.Sprintf("Whole requests over TLS and HTTP/2, to a server in the same process, in two ways. Closed loop: "+
			"each visitor sends a request when the last one is answered. Open loop: requests come at random moments, "+
			"at %.0f %% of the rate that the slowest engine can take, and their time counts from the moment they were "+
			"to be sent. "+
			"Differences count, not absolute times: the visitors use the same processors.", 100*b.Load.Utilization))
	t := &table{
		Caption: "latency, in milliseconds",
		Columns: []string{"load, engine"},
		Notes: []string{"± is the 95 % interval of the median over the rounds. The percentiles are those of all " +
			"requests of all rounds together. failed: requests that got no answer or an error, or were not sent in " +
			"time."},
	}
	for _, p := range percentiles {
		t.Columns = append(t.Columns, p.name)
	}
	t.Columns = append(t.Columns, "a second", "failed")
	var order []condition
	samples := make(map[condition][]network.Sample)
	rows := make(map[condition][]row)
	for i, sample := range b.Load.Samples {
		c := condition{sample.Session, sample.Loop, sample.Concurrency}
		if samples[c] == nil {
			order = append(order, c)
		}
		samples[c] = append(samples[c], sample)
		rows[c] = append(rows[c], loadRow(i, sample))
	}
	first := b.Load.Samples[0].Session
	slices.SortStableFunc(order, func(a, b condition) int {
		return cmp.Or(strings.Compare(a.session, b.session), strings.Compare(string(a.loop), string(b.loop)))
	})
	var figures []*figure
	for _, c := range order {
		t.Groups = append(t.Groups, group{Name: c.String(), Rows: rows[c]})
		if c.session == first {
			figures = append(figures, b.latencyFigure(c, samples[c]))
		}
	}
	s.add(t)
	s.draw(figures...)
	return s
}

func loadRow(i int, sample network.Sample) row {
	r := row{Name: engineName(sample.Engine)}
	if sample.TooLarge != "" {
		r.Cells = []cell{none("too large").at("/load/samples/%d/too_large", i)}
		return r
	}
	for k, p := range percentiles {
		c := text("%s", digits(p.of(sample.Latency)/1e6)).at("/load/samples/%d/latency/%s", i, p.path)
		if k == 0 {
			c.Spread = spread(sample.Median)
		}
		r.Cells = append(r.Cells, c)
	}
	throughput := cell{Text: whole(sample.Throughput.Value),
		Spread: spread(sample.Throughput)}.at("/load/samples/%d/throughput", i)
	r.Cells = append(r.Cells, throughput, text("%d", sample.Errors+sample.Unsent).at("/load/samples/%d/errors", i))
	return r
}

// validation is the section of what the model is worth.
func (b *builder) validation() section {
	s := section{ID: "validation", Title: "the model compared with measurements"}
	v := b.Validation
	if v == nil {
		s.Missing = b.missing(suite.Links)
		return s
	}
	s.Intro = append(b.partly(suite.Links, b.Links.Rounds),
		"Here is what the model predicts for pages whose time was measured, through a server and over slow links. A "+
			"prediction is what the page takes on a site without sessions, measured, and what the model says that the "+
			"session adds.")
	s.Intro = append(s.Intro, validationLines(v)...)
	t := &table{Caption: "milliseconds of a page", Columns: []string{"engine", "measured", "predicted", "error",
		"without a session"}}
	for i, o := range v.Observations {
		if n := len(t.Groups); n == 0 || t.Groups[n-1].Name != o.Scenario {
			t.begin(o.Scenario)
		}
		t.add(o.Engine, cell{Text: digits(1000 * o.Measured.Value),
			Spread: spread(o.Measured)}.at("/validation/observations/%d/measured_s", i),
			text("%s", digits(1000*o.Predicted)).at("/validation/observations/%d/predicted_s", i),
			text("%s", percent(o.Error())).at("/validation/observations/%d", i),
			text("%s", digits(1000*o.Without)).at("/validation/observations/%d/without_session_s", i))
	}
	whole := b.validationFigure(false)
	if whole != nil {
		whole.Data = t
	}
	s.draw(whole, b.validationFigure(true))
	return s
}

// validationLines says what the validation came to, a sentence a line.
func validationLines(v *network.Validation) []string {
	lines := []string{fmt.Sprintf("Held against %d times measured through a server, in %d scenarios: the median error "+
		"of the predicted time is %s; "+
		"%.0f %% of the predictions are within 20 %%.", len(v.Observations), v.Scenarios, percent(v.Error),
		100*v.Within20)}
	if v.Shares > 0 {
		lines = append(lines, fmt.Sprintf("Of what the session alone takes, where that is a tenth of the whole at "+
			"least (%d times), the median error is %s.",
			v.Shares, percent(v.ShareError)))
	}
	if v.Told == 0 {
		return append(lines, "In none of the scenarios could the engines be told apart.")
	}
	line := fmt.Sprintf("In %d scenarios engines could be told apart, and in %d of them (%.0f %%) they are in the "+
		"predicted order", v.Told, v.Right, 100*float64(v.Right)/float64(v.Told))
	if n := len(v.Wrong); n > 0 {
		line += "; not in: " + strings.Join(v.Wrong[:min(n, 3)], "; ")
		if n > 3 {
			line += fmt.Sprintf("; and %d more", n-3)
		}
	}
	return append(lines, line+".")
}
