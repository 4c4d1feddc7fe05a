package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
	"sessionengine/bench/survey"
	"sessionengine/session"
)

// A figure is a plot: of series of points, of spans or of bars.
type figure struct {
	Title   string
	Alt     string // what it shows, for those who do not see it
	Caption string
	X, Y    axis
	Series  []series
	Joined  bool      // a line joins the points of a series; intervals are those of Y, and else those of X
	Limit   float64   // what X should stay below; 0 is none
	Equal   bool      // a line where X and Y are equal, in a band of 20 %
	Spans   []spanRow // of X, a row each
	Marked  float64   // an X of the spans
	Bars    []bar
	Data    *table // what it shows, in words and numbers
}

// An axis is one of a figure's two. One with names has a row or column for each.
type axis struct {
	Label    string
	Min, Max float64
	Log      bool
	Names    []string
}

// A series is what a figure shows of one engine, or of whatever is compared.
type series struct {
	Name   string
	Style  int // which colour and glyph it has
	Points []point
}

// A point is a value with its interval, which is nothing if it is not known.
type point struct{ X, Y, Lo, Hi float64 }

// A spanRow is what a row shows: which engine's is which part of the axis.
type spanRow struct {
	Name  string
	Spans []span
}

// A span is the round trips in milliseconds for which an engine is ahead, with
// the interval of where they begin.
type span struct {
	Engine   string
	From, To float64
	Lo, Hi   float64
}

// A bar counts something.
type bar struct {
	Name  string
	N     int
	Share string // of all
	From  string // where N is in the raw results
}

// styles is the number of colours and glyphs. Further engines share the last but
// one; the last is that of what is no engine.
const styles = 6

func styleOf(engines []string, name string) int {
	if i := slices.Index(engines, name); i >= 0 {
		return min(i, styles-2)
	}
	return styles - 1
}

func (b *builder) style(engine string) int { return styleOf(b.Settings.Engines, engine) }

// logAxis returns a logarithmic axis that shows all the values, which are more
// than 0, and some room around them.
func logAxis(label string, values ...float64) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi {
		lo, hi = 1, 10
	}
	if hi < 4*lo { // so that there are some ticks
		middle := math.Sqrt(lo * hi)
		lo, hi = middle/2.5, middle*2.5
	}
	return axis{Label: label, Min: lo / 1.12, Max: hi * 1.12, Log: true}
}

// rowAxis returns an axis with a name for each row, the first on top.
func rowAxis(names []string) axis { return axis{Max: float64(len(names)), Names: names} }

// rowAt returns the middle of row i of n.
func rowAt(i, n int) float64 { return float64(n-i) - 0.5 }

// timeFigure shows the time of a kind of request by the size of sessions.
func (b *builder) timeFigure(kind bench.Kind) *figure {
	f := &figure{
		Title: "a request that " + map[bench.Kind]string{bench.Read: "reads", bench.Write: "writes"}[kind],
		Alt: fmt.Sprintf("Time of a request of the kind %s in microseconds, by the size of the session in bytes of "+
			"JSON, a line for each of %s. The table below has the figures.", kind, list(b.Settings.Engines)),
		Joined: true,
	}
	var xs, ys []float64
	for _, engine := range b.Settings.Engines {
		s := series{Name: engine, Style: b.style(engine)}
		for _, size := range b.Settings.Sessions {
			i := b.RequestIndex(engine, size.Name, kind)
			if i < 0 || b.Cost(engine, size.Name, kind) == nil {
				continue
			}
			t := b.Cost(engine, size.Name, kind).CPU
			if t.Value <= 0 || t.Lo <= 0 && !math.IsInf(t.Lo, 0) {
				continue // about nothing, which this axis cannot show
			}
			pt := point{float64(size.Size), t.Value / 1000, t.Lo / 1000, t.Hi / 1000}
			s.Points = append(s.Points, pt)
			xs, ys = append(xs, pt.X), append(ys, pt.Y, pt.Lo, pt.Hi)
		}
		slices.SortFunc(s.Points, func(a, b point) int { return int(a.X - b.X) })
		f.Series = append(f.Series, s)
	}
	if len(xs) == 0 {
		return nil
	}
	f.X, f.Y = logAxis("JSON of the session, bytes", xs...), logAxis("µs", ys...)
	return f
}

// encoderFigure shows the size of cookies by encoder.
func (b *builder) encoderFigure() *figure {
	kinds := b.encodedKinds()
	all := make([]series, 0, styles)
	for i, name := range survey.Encoders() {
		all = append(all, series{Name: name, Style: i})
	}
	all = append(all, series{Name: "JSON, for comparison", Style: styles - 1})
	values := []float64{session.MaxCookieBytes}
	for _, e := range b.Encoders {
		k := slices.Index(kinds, e.Session)
		add := func(i int, z survey.Sizes) {
			if z.Min <= 0 {
				return
			}
			// The series of a row are one under the other.
			y := rowAt(k, len(kinds)) + 0.36 - 0.72*float64(i)/float64(len(all)-1)
			pt := point{float64(z.Median), y, float64(z.Min), float64(z.Max)}
			all[i].Points = append(all[i].Points, pt)
			values = append(values, pt.X, pt.Lo, pt.Hi)
		}
		if e.Encoder == survey.Encoders()[0] {
			add(len(all)-1, e.JSON)
		}
		add(slices.Index(survey.Encoders(), e.Encoder), e.Cookie)
	}
	return &figure{
		Title: "size of the cookie, by encoder",
		Alt: fmt.Sprintf("Bytes of cookie for %s, a row each, by encoder, and the size of the JSON, with a line at "+
			"the 4096 bytes that browsers take. The table below has the figures.", list(kinds)),
		Caption: "Median of different sessions of the kind, and the smallest and the largest of them.",
		X:       logAxis("bytes", values...), Y: rowAxis(kinds), Series: all, Limit: session.MaxCookieBytes,
	}
}

// wireFigures show what a session adds to a page on the wire.
func (b *builder) wireFigures() []*figure {
	share := func(c *network.TrafficCell) float64 {
		more := c.Page.Minus(b.Wire.Floor(c).Page)
		return more.Up + more.Down
	}
	var values []float64
	var sessions []string
	for _, s := range b.Settings.Sessions {
		for i := range b.Wire.Cells {
			if c := &b.Wire.Cells[i]; c.Session == s.Name && c.TooLarge == "" && c.Engine != network.NoSession {
				values = append(values, share(c))
				if !slices.Contains(sessions, s.Name) {
					sessions = append(sessions, s.Name)
				}
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	var figures []*figure
	for _, protocol := range []string{network.HTTP1, network.HTTP2} {
		f := &figure{
			Title: strings.TrimSuffix(protocol, ".0"),
			Alt: fmt.Sprintf("Bytes that a session adds to a page over %s, for %s, a row each, by engine. The table "+
				"above has the figures.", protocol, list(sessions)),
			X: logAxis("bytes of a page, up and down", values...), Y: rowAxis(sessions),
		}
		for i, engine := range b.Settings.Engines {
			s := series{Name: engine, Style: b.style(engine)}
			for k, session := range sessions {
				c := b.Wire.Cell(engine, session, protocol)
				if c == nil || c.TooLarge != "" {
					continue
				}
				if v := share(c); v > 0 {
					s.Points = append(s.Points, point{v, rowAt(k, len(sessions)) + offset(i, len(b.Settings.Engines)),
						v, v})
				}
			}
			f.Series = append(f.Series, s)
		}
		figures = append(figures, f)
	}
	return figures
}

// offset returns how far the points of series i of n are from the middle of
// their row.
func offset(i, n int) float64 {
	if n < 2 {
		return 0
	}
	return 0.22 - 0.44*float64(i)/float64(n-1)
}

// The round trips that the map shows, in milliseconds.
const (
	mapFrom = 0.01
	mapTo   = 100
)

// mapFigure shows which engine is ahead, by round trip and session.
func (b *builder) mapFigure() *figure {
	f := &figure{
		Title: "which engine is ahead",
		Caption: "A line with a bar is where the verdict changes, with its interval; the dashed line is the round " +
			"trip that is assumed. All other inputs are as assumed, too.",
		X:      axis{Label: "round trip to the database, ms", Min: mapFrom, Max: mapTo, Log: true},
		Marked: b.Model.RoundTrip.Seconds() * 1000,
		Data:   b.leadTable(),
	}
	var names []string
	sessions := slices.Clone(b.Settings.Sessions)
	slices.SortStableFunc(sessions, func(a, b bench.SessionSize) int { return a.Size - b.Size })
	for _, s := range sessions {
		if spans := b.spans(s.Name); spans != nil {
			names = append(names, s.Name)
			f.Spans = append(f.Spans, spanRow{sessionName(s), spans})
		}
	}
	if f.Spans == nil {
		return nil
	}
	f.Alt = fmt.Sprintf("For %s, a row each in the order of their size: the engine whose pages are complete first, by "+
		"the round trip to the database from %v to %v ms, with the interval of where that changes. The table below "+
		"has the figures.", list(names), mapFrom, mapTo)
	for _, engine := range b.Settings.Engines {
		if slices.ContainsFunc(f.Spans, func(r spanRow) bool {
			return slices.ContainsFunc(r.Spans, func(s span) bool { return s.Engine == engine })
		}) {
			f.Series = append(f.Series, series{Name: engine, Style: b.style(engine)})
		}
	}
	return f
}

// spans returns those of a session, on the map.
func (b *builder) spans(session string) []span {
	for _, p := range b.Pages {
		if p.Session == session && len(p.Engines) == 1 {
			return []span{{Engine: p.Engines[0].Engine, From: mapFrom, To: mapTo}}
		}
	}
	var spans []span
	for _, s := range b.Sensitivity {
		if s.Session != session {
			continue
		}
		for _, l := range s.Leads {
			sp := span{Engine: l.Engine, From: mapFrom, To: mapTo}
			if l.From != nil {
				from, lo, hi := l.From.Value/1e6, l.From.Lo/1e6, l.From.Hi/1e6
				if from >= mapTo {
					break
				}
				if from <= mapFrom {
					spans = nil // what came before is not on the map
				} else {
					sp.From, sp.Lo, sp.Hi = from, lo, hi
				}
			}
			if n := len(spans); n > 0 {
				spans[n-1].To = sp.From
			}
			spans = append(spans, sp)
		}
	}
	return spans
}

// latencyFigure shows the percentiles of the latencies in some samples, which
// differ in the engine, on an axis for all samples of the session.
func (b *builder) latencyFigure(c condition, samples []network.Sample) *figure {
	var values []float64
	for _, sample := range b.Load.Samples {
		if sample.Session == c.session && sample.Latency.N > 0 {
			values = append(values, float64(sample.Latency.P50)/1e6, float64(sample.Latency.Max)/1e6)
		}
	}
	f := &figure{Title: c.String(), Joined: true, X: axis{Min: -0.25, Max: float64(len(percentiles)) - 0.75},
		Y: logAxis("ms", values...)}
	for _, p := range percentiles {
		f.X.Names = append(f.X.Names, p.name)
	}
	var engines []string
	for _, sample := range samples {
		if sample.Latency.N == 0 {
			continue
		}
		s := series{Name: engineName(sample.Engine), Style: b.style(sample.Engine)}
		engines = append(engines, s.Name)
		beside := 0.07 * (float64(len(f.Series)) - float64(len(samples)-1)/2)
		for i, p := range percentiles {
			v := p.of(sample.Latency) / 1e6
			pt := point{float64(i) + beside, v, v, v}
			if i == 0 {
				pt.Lo, pt.Hi = 1000*sample.Median.Lo, 1000*sample.Median.Hi
			}
			s.Points = append(s.Points, pt)
		}
		f.Series = append(f.Series, s)
	}
	if f.Series == nil {
		return nil
	}
	f.Alt = fmt.Sprintf("Latency in milliseconds at the median and at the 90th, 99th and 99.9th percentile, and the "+
		"greatest: %s, a line for each of %s. The table above has the figures.", f.Title, list(engines))
	return f
}

// validationFigure shows predictions by measurements: of whole pages, or of what
// a session adds to them.
func (b *builder) validationFigure(added bool) *figure {
	f := &figure{
		Title: "a page",
		Alt: "Predicted milliseconds of a page by those measured, a point for each scenario and engine, with a line " +
			"where the two are equal and a band of 20 percent around it. The table below has the figures.",
		Caption: "On the line a prediction is right; in the band it is within 20 %. Bars are intervals of what was " +
			"measured.",
		Equal: true,
	}
	if added {
		f.Title = "what the session adds to it"
		f.Alt = "The same for what a page takes more than on a site without sessions."
		f.Caption = "A page's time less that without a session. Small differences of large times are as uncertain as " +
			"these."
	}
	var values []float64
	for _, engine := range b.Settings.Engines {
		s := series{Name: engine, Style: b.style(engine)}
		for _, o := range b.Validation.Observations {
			if o.Engine != engine {
				continue
			}
			less := 0.0
			if added {
				less = o.Without
			}
			pt := point{1000 * (o.Measured.Value - less), 1000 * (o.Predicted - less), 1000 * (o.Measured.Lo - less),
				1000 * (o.Measured.Hi - less)}
			if pt.X <= 0 || pt.Y <= 0 {
				continue // less than nothing: a difference as small as its error
			}
			s.Points = append(s.Points, pt)
			values = append(values, pt.X, pt.Y)
		}
		f.Series = append(f.Series, s)
	}
	if len(values) == 0 {
		return nil
	}
	f.X, f.Y = logAxis("measured, ms", values...), logAxis("predicted, ms", values...)
	return f
}
