package html

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"sessionengine/bench"
	"sessionengine/bench/load"
	"sessionengine/bench/wire"
)

// style returns which colour and glyph an engine has, everywhere.
func (b *builder) style(engine string) int {
	if i := slices.Index(b.Settings.Engines, engine); i >= 0 {
		return min(i, otherStyle-1)
	}
	return otherStyle
}

// otherStyle is that of what is no engine.
const otherStyle = seriesColors - 1

// rowAxis returns an axis with a name for each row, the first on top.
func rowAxis(names []string) axis {
	ticks := make(labels, len(names))
	for i, name := range names {
		ticks[i] = plot.Tick{Value: rowAt(i, len(names)), Label: name}
	}
	return axis{min: 0, max: float64(len(names)), ticks: ticks}
}

// rowAt returns the middle of row i of n.
func rowAt(i, n int) float64 { return float64(n-i) - 0.5 }

// rowHeight returns the height of a plot with rows of that height.
func rowHeight(rows int, height float64) float64 { return 46 + float64(rows)*height }

// timeFigure shows the time of a kind of request by the size of sessions.
func (b *builder) timeFigure(kind bench.Kind) *figure {
	var all []series
	var xs, ys []float64
	for _, engine := range b.Settings.Engines {
		s := series{name: engine, style: b.style(engine), joined: true}
		for _, size := range b.Settings.Sessions {
			q := b.request(engine, size.Name, kind)
			if q == nil || len(q.Nanosec) == 0 {
				continue
			}
			t := bench.Summarize(b.net(q), b.confidence())
			if t.Median <= 0 || t.Lo <= 0 && !math.IsInf(t.Lo, 0) {
				continue // about nothing, which this axis cannot show
			}
			pt := point{float64(size.Size), t.Median / 1000, t.Lo / 1000, t.Hi / 1000}
			s.points = append(s.points, pt)
			xs, ys = append(xs, pt.x), append(ys, pt.y, pt.lo, pt.hi)
		}
		slices.SortFunc(s.points, func(a, b point) int { return int(a.x - b.x) })
		all = append(all, s)
	}
	if len(xs) == 0 {
		return nil
	}
	f := &figure{
		Title:  "A request that " + map[bench.Kind]string{bench.Read: "reads", bench.Write: "writes"}[kind],
		Alt:    fmt.Sprintf("Time of a request of the kind %s in microseconds, by the size of the session in bytes of JSON, a line for each of %s. The table below has the figures.", kind, list(b.Settings.Engines)),
		Legend: legendOf(all),
	}
	p := newPlot(logAxis("JSON of the session, bytes", xs...), logAxis("µs", ys...))
	p.Add(grid(true, true))
	addSeries(p, all)
	f.render(p, 250)
	return f
}

// encoderFigure shows the size of cookies by encoder.
func (b *builder) encoderFigure() *figure {
	var kinds []string
	for _, e := range b.Encoders {
		if !slices.Contains(kinds, e.Session) {
			kinds = append(kinds, e.Session)
		}
	}
	all := make([]series, 0, 6)
	for i, name := range bench.Encoders() {
		all = append(all, series{name: name, style: i})
	}
	all = append(all, series{name: "JSON, for comparison", style: otherStyle})
	var values []float64
	for _, e := range b.Encoders {
		k := slices.Index(kinds, e.Session)
		add := func(i int, z bench.Sizes) {
			if z.Min <= 0 {
				return
			}
			// The series of a row are one under the other.
			y := rowAt(k, len(kinds)) + 0.36 - 0.72*float64(i)/float64(len(all)-1)
			pt := point{float64(z.Median), y, float64(z.Min), float64(z.Max)}
			all[i].points = append(all[i].points, pt)
			values = append(values, pt.x, pt.lo, pt.hi)
		}
		if e.Encoder == bench.Encoders()[0] {
			add(len(all)-1, e.JSON)
		}
		add(slices.Index(bench.Encoders(), e.Encoder), e.Cookie)
	}
	f := &figure{
		Title:   "Size of the cookie, by encoder",
		Alt:     fmt.Sprintf("Bytes of cookie for %s, a row each, by encoder, and the size of the JSON, with a line at the 4096 bytes that browsers take. The table below has the figures.", list(kinds)),
		Legend:  legendOf(all),
		Caption: "Median of different sessions of the kind, and the smallest and the largest of them.",
	}
	p := newPlot(logAxis("bytes", append(values, 4096)...), rowAxis(kinds))
	for i := range kinds {
		if i%2 == 1 {
			p.Add(area(inkStripe, p.X.Min, p.X.Max, float64(len(kinds)-i-1), float64(len(kinds)-i)))
		}
	}
	top := float64(len(kinds))
	p.Add(grid(true, false), rule(inkLimit, true, plotter.XY{X: 4096, Y: 0}, plotter.XY{X: 4096, Y: top}))
	addRows(p, all)
	f.render(p, rowHeight(len(kinds), 36))
	return f
}

// wireFigure shows what a session adds to a page on the wire.
func (b *builder) wireFigure(protocol string, values []float64) *figure {
	var sessions []string
	for _, s := range b.Settings.Sessions {
		if slices.ContainsFunc(b.Wire.Cells, func(c wire.Cell) bool { return c.Session == s.Name && c.TooLarge == "" && c.Engine != wire.NoSession }) {
			sessions = append(sessions, s.Name)
		}
	}
	var all []series
	for i, engine := range b.Settings.Engines {
		s := series{name: engine, style: b.style(engine)}
		for k, session := range sessions {
			c := b.Wire.Cell(engine, session, protocol)
			if c == nil || c.TooLarge != "" {
				continue
			}
			v := b.wireShare(c)
			if v <= 0 {
				continue
			}
			y := rowAt(k, len(sessions)) + offset(i, len(b.Settings.Engines))
			s.points = append(s.points, point{v, y, v, v})
		}
		all = append(all, s)
	}
	f := &figure{
		Title:  strings.TrimSuffix(protocol, ".0"),
		Alt:    fmt.Sprintf("Bytes that a session adds to a page over %s, for %s, a row each, by engine. The table below has the figures.", protocol, list(sessions)),
		Legend: legendOf(all),
	}
	p := newPlot(logAxis("bytes of a page, up and down", values...), rowAxis(sessions))
	p.Add(grid(true, true))
	addRows(p, all)
	f.render(p, rowHeight(len(sessions), 24))
	return f
}

// offset returns how far the points of series i of n are from the middle of
// their row.
func offset(i, n int) float64 {
	if n < 2 {
		return 0
	}
	return 0.22 - 0.44*float64(i)/float64(n-1)
}

// wireShare returns the bytes of a page that are there because of the session.
func (b *builder) wireShare(c *wire.Cell) float64 {
	share := c.Page.Minus(b.Wire.Floor(c).Page)
	return share.Up + share.Down
}

// The round trips that the map shows, in milliseconds.
const (
	mapFrom = 0.01
	mapTo   = 100
)

// mapFigure shows which engine is ahead, by round trip and session.
func (b *builder) mapFigure() *figure {
	var names []string
	sessions := slices.Clone(b.Settings.Sessions)
	slices.SortStableFunc(sessions, func(a, b bench.SessionSize) int { return a.Size - b.Size })
	spans := make(map[string][]span)
	for _, s := range sessions {
		if spans[s.Name] = b.spans(s.Name); spans[s.Name] != nil {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	// The names are above the bands, so that these have the whole width.
	x := axis{label: "round trip to the database, ms", min: mapFrom, max: mapTo, log: true, ticks: logTicks{}}
	p := newPlot(x, axis{min: 0, max: float64(len(names)), ticks: labels{}})
	p.Y.LineStyle.Width = 0
	band := func(row int) (lo, hi float64) {
		top := float64(len(names) - row)
		return top - 0.92, top - 0.42
	}
	trip := b.Model.RoundTrip.Seconds() * 1000
	perDecade := (plotWidth - 30) / math.Log10(mapTo/mapFrom)
	var ahead []string
	var texts []plot.Plotter
	for i, name := range names {
		lo, hi := band(i)
		texts = append(texts, note(fmt.Sprintf("%s, %s", name, bytesOf(b.size(name))), plotter.XY{X: mapFrom, Y: hi + 0.22}, 0, 0, draw.XLeft))
		for _, sp := range spans[name] {
			if !slices.Contains(ahead, sp.engine) {
				ahead = append(ahead, sp.engine)
			}
			p.Add(area(softInk(b.style(sp.engine)), sp.from, sp.to, lo, hi))
			if math.Log10(sp.to/sp.from)*perDecade > widthOf(sp.engine)+10 {
				at := sp.from
				if trip > at && trip < sp.to && math.Log10(trip/at)*perDecade < widthOf(sp.engine)+6 {
					at = trip // so that the dashed line is beside the name
				}
				l := note(sp.engine, plotter.XY{X: at, Y: (lo + hi) / 2}, 6, 0, draw.XLeft)
				l.TextStyle[0].Color = inkText
				texts = append(texts, l)
			}
		}
	}
	if trip > mapFrom && trip < mapTo {
		p.Add(rule(inkMuted, true, plotter.XY{X: trip, Y: 0}, plotter.XY{X: trip, Y: float64(len(names))}))
	}
	for i, name := range names {
		lo, hi := band(i)
		for _, sp := range spans[name][1:] {
			p.Add(rule(inkText, false, plotter.XY{X: sp.from, Y: lo}, plotter.XY{X: sp.from, Y: hi}))
			if math.IsInf(sp.lo, 0) || math.IsInf(sp.hi, 0) {
				continue // too few rounds for an interval
			}
			bars := &plotter.XErrorBars{
				XYs:       plotter.XYs{{X: sp.from, Y: lo + 0.05}}, // below the names
				LineStyle: draw.LineStyle{Color: inkText, Width: 1.4},
				CapWidth:  6,
			}
			from, to := max(sp.lo, mapFrom), min(sp.hi, mapTo)
			bars.XErrors = append(bars.XErrors, struct{ Low, High float64 }{sp.from - from, to - sp.from})
			p.Add(bars)
		}
	}
	p.Add(texts...)
	f := &figure{
		Title: "Which engine is ahead",
		Alt: fmt.Sprintf("For %s, a row each in the order of their size: the engine whose pages are complete first, by the round trip to the database from %v to %v ms, "+
			"with the interval of where that changes. The table below has the figures.", list(names), mapFrom, mapTo),
		Caption: "A line with a bar is where the verdict changes, with its interval; the dashed line is the round trip that is assumed. All other inputs are as assumed, too.",
	}
	for _, engine := range b.Settings.Engines {
		if slices.Contains(ahead, engine) {
			f.Legend = append(f.Legend, legendItem{swatch(b.style(engine)), engine})
		}
	}
	f.render(p, rowHeight(len(names), 34))
	return f
}

// A span is the round trips in milliseconds for which an engine is ahead, with
// the interval of where they begin.
type span struct {
	engine   string
	from, to float64
	lo, hi   float64
}

// spans returns those of a session, on the map.
func (b *builder) spans(session string) []span {
	for _, p := range b.Pages {
		if p.Session == session && len(p.Engines) == 1 {
			return []span{{engine: p.Engines[0].Engine, from: mapFrom, to: mapTo}}
		}
	}
	var spans []span
	for _, s := range b.Leads {
		if s.Session != session {
			continue
		}
		for _, l := range s.Leads {
			sp := span{engine: l.Engine, from: mapFrom, to: mapTo}
			if l.From != nil {
				from, lo, hi := l.From.Median/1e6, l.From.Lo/1e6, l.From.Hi/1e6
				if from >= mapTo {
					break
				}
				if from <= mapFrom {
					spans = nil // what came before is not on the map
				} else {
					sp.from, sp.lo, sp.hi = from, lo, hi
				}
			}
			if n := len(spans); n > 0 {
				spans[n-1].to = sp.from
			}
			spans = append(spans, sp)
		}
	}
	return spans
}

// swatch returns a filled square, for the legend of areas.
func swatch(style int) template.HTML {
	return drawSVG(12, 12, `class="key" aria-hidden="true"`, func(c draw.Canvas) {
		c.FillPolygon(softInk(style), []vg.Point{{X: 0, Y: 0}, {X: 12, Y: 0}, {X: 12, Y: 12}, {X: 0, Y: 12}})
		c.StrokeLines(draw.LineStyle{Color: strongInk(style), Width: 1.5}, []vg.Point{{X: 1, Y: 1}, {X: 11, Y: 1}, {X: 11, Y: 11}, {X: 1, Y: 11}, {X: 1, Y: 1}})
	})
}

// percentiles are those of a latency, with their names on the axis.
var percentiles = []struct {
	name string
	of   func(load.Latency) float64
	path string
}{
	{"50 %", func(l load.Latency) float64 { return float64(l.P50) }, "p50_ns"},
	{"90 %", func(l load.Latency) float64 { return float64(l.P90) }, "p90_ns"},
	{"99 %", func(l load.Latency) float64 { return float64(l.P99) }, "p99_ns"},
	{"99.9 %", func(l load.Latency) float64 { return float64(l.P999) }, "p999_ns"},
	{"max", func(l load.Latency) float64 { return float64(l.Max) }, "max_ns"},
}

// latencyFigure shows the percentiles of the latencies in some samples, which
// differ in the engine, on an axis for all values.
func (b *builder) latencyFigure(title string, samples []load.Sample, values []float64) *figure {
	var all []series
	var engines []string
	for _, sample := range samples {
		if sample.Latency.N == 0 {
			continue
		}
		name := sample.Engine
		if name == load.NoSession {
			name = "no session"
		}
		engines = append(engines, name)
		s := series{name: name, style: b.style(sample.Engine), joined: true}
		beside := 0.07 * (float64(len(all)) - float64(len(samples)-1)/2)
		for i, p := range percentiles {
			v := p.of(sample.Latency) / 1e6
			pt := point{float64(i) + beside, v, v, v}
			if i == 0 {
				pt.lo, pt.hi = 1000*sample.Median.Lo, 1000*sample.Median.Hi
			}
			s.points = append(s.points, pt)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil
	}
	ticks := make(labels, len(percentiles))
	for i, p := range percentiles {
		ticks[i] = plot.Tick{Value: float64(i), Label: p.name}
	}
	f := &figure{
		Title:  title,
		Alt:    fmt.Sprintf("Latency in milliseconds at the median and at the 90th, 99th and 99.9th percentile, and the greatest: %s, a line for each of %s. The table below has the figures.", title, list(engines)),
		Legend: legendOf(all),
	}
	p := newPlot(axis{min: -0.25, max: float64(len(percentiles)) - 0.75, ticks: ticks}, logAxis("ms", values...))
	p.Add(grid(false, true))
	addSeries(p, all)
	f.render(p, 220)
	return f
}

// validationFigure shows predictions by measurements: of whole pages, or of what
// a session adds to them.
func (b *builder) validationFigure(added bool) *figure {
	var all []series
	var values []float64
	for _, engine := range b.Settings.Engines {
		s := series{name: engine, style: b.style(engine)}
		for _, o := range b.Validation.Observations {
			if o.Engine != engine {
				continue
			}
			less := 0.0
			if added {
				less = o.Without
			}
			pt := point{1000 * (o.Measured.Median - less), 1000 * (o.Predicted - less), 1000 * (o.Measured.Lo - less), 1000 * (o.Measured.Hi - less)}
			if pt.x <= 0 || pt.y <= 0 {
				continue // less than nothing: a difference as small as its error
			}
			s.points = append(s.points, pt)
			values = append(values, pt.x, pt.y)
		}
		all = append(all, s)
	}
	if len(values) == 0 {
		return nil
	}
	f := &figure{
		Title:   "A page",
		Alt:     "Predicted milliseconds of a page by those measured, a point for each scenario and engine, with a line where the two are equal and a band of 20 percent around it. The table below has the figures.",
		Legend:  legendOf(all),
		Caption: "On the line a prediction is right; in the band it is within 20 %. Bars are intervals of what was measured.",
	}
	if added {
		f.Title = "What the session adds to it"
		f.Alt = "The same for what a page takes more than on a site without sessions."
		f.Caption = "A page's time less that without a session. Small differences of large times are as uncertain as these."
	}
	x := logAxis("measured, ms", values...)
	y := x
	y.label = "predicted, ms"
	p := newPlot(x, y)
	lo, hi := x.min, x.max
	band := &plotter.Polygon{Color: inkStripe, XYs: []plotter.XYs{{
		{X: lo, Y: lo}, {X: lo, Y: 1.2 * lo}, {X: hi / 1.2, Y: hi}, {X: hi, Y: hi}, {X: hi, Y: 0.8 * hi}, {X: lo / 0.8, Y: lo},
	}}}
	p.Add(band, grid(true, true), rule(inkMuted, false, plotter.XY{X: lo, Y: lo}, plotter.XY{X: hi, Y: hi}))
	addRows(p, all)
	p.X.Min, p.X.Max = lo, hi // whatever the intervals are
	f.render(p, 330)
	return f
}

// distributionFigure shows how many of the user's sessions there are of which
// size.
func (b *builder) distributionFigure() *figure {
	bins := b.Survey.Distribution
	names := make([]string, len(bins))
	most := 0
	for i, bin := range bins {
		names[i] = "up to " + bytesOf(bin.Bytes)
		most = max(most, bin.Sessions)
	}
	f := &figure{
		Title: "Sizes as JSON",
		Alt:   fmt.Sprintf("How many of the sessions have which size, in %d ranges from %s to %s.", len(bins), names[0], names[len(names)-1]),
	}
	p := newPlot(axis{label: "sessions", min: 0, max: 1.02 * float64(most), ticks: plot.DefaultTicks{}}, rowAxis(names))
	p.Add(grid(true, false))
	for i, bin := range bins {
		if bin.Sessions > 0 {
			y := rowAt(i, len(bins))
			p.Add(area(strongInk(0), 0, float64(bin.Sessions), y-0.36, y+0.36))
		}
	}
	f.render(p, rowHeight(len(bins), 20))
	return f
}
