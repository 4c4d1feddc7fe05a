package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	plottext "gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of plots. In the dark, the style sheet inverts them all.
var (
	inkText   = color.RGBA{0x1b, 0x24, 0x30, 0xff}
	inkMuted  = color.RGBA{0x56, 0x62, 0x72, 0xff}
	inkGrid   = color.RGBA{0xd5, 0xdb, 0xe3, 0xff}
	inkLimit  = color.RGBA{0xb4, 0x23, 0x18, 0xff}
	inkStripe = color.RGBA{0xf1, 0xf4, 0xf8, 0xff}

	strongInks = [styles]color.RGBA{
		{0x1f, 0x63, 0xcf, 0xff}, {0xb4, 0x53, 0x0a, 0xff}, {0x0d, 0x7d, 0x6c, 0xff},
		{0x8a, 0x3f, 0xc7, 0xff}, {0xc0, 0x24, 0x6d, 0xff}, {0x66, 0x71, 0x7f, 0xff},
	}
	softInks = [styles]color.RGBA{
		{0xc9, 0xdc, 0xfa, 0xff}, {0xfb, 0xdc, 0xb8, 0xff}, {0xbf, 0xe8, 0xdf, 0xff},
		{0xe3, 0xd1, 0xf7, 0xff}, {0xf8, 0xcf, 0xe1, 0xff}, {0xdd, 0xe2, 0xe8, 0xff},
	}
)

const (
	plotWidth = 360  // of all plots in their own units, which is about that of a phone in CSS's
	fontSize  = 11.5 // in the same units
)

// drawSVG returns what f draws as an element of a page.
func drawSVG(width, height float64, f func(draw.Canvas)) template.HTML {
	canvas := vgsvg.New(vg.Length(width), vg.Length(height))
	f(draw.New(canvas))
	var b bytes.Buffer
	canvas.WriteTo(&b)                                                       // to a buffer, which does not fail
	return template.HTML(b.Bytes()[bytes.Index(b.Bytes(), []byte("<svg")):]) // without the head of a file
}

// SVG draws the figure.
func (f *figure) SVG() template.HTML {
	p := plot.New()
	p.BackgroundColor = nil // the page shows through
	f.X.set(&p.X)
	f.Y.set(&p.Y)
	height := 250.0
	switch {
	case f.Spans != nil:
		f.drawSpans(p)
		height = rowHeight(len(f.Spans), 34)
	case f.Bars != nil:
		f.drawBars(p)
		height = rowHeight(len(f.Bars), 20)
	case f.Joined:
		p.Add(grid(f.X.Names == nil, true))
		addLines(p, f.Series)
	case f.Equal:
		f.drawEqual(p)
		addRows(p, f.Series)
		p.X.Min, p.X.Max = f.X.Min, f.X.Max // whatever the intervals are
		height = 330
	default:
		f.drawRows(p)
		height = rowHeight(len(f.Y.Names), 8+6*float64(len(f.Series)))
	}
	return drawSVG(plotWidth, height, func(c draw.Canvas) {
		left := vg.Length(1)
		if len(p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max)) == 0 {
			left = 14 // for half of the first label of X
		}
		p.Draw(draw.Crop(c, left, -8, 1, -4))
	})
}

// rowHeight returns the height of a plot with rows of that height.
func rowHeight(rows int, height float64) float64 { return 46 + float64(rows)*height }

// set gives the axis of a plot its looks.
func (a axis) set(to *plot.Axis) {
	to.Label.Text = a.Label
	to.Label.TextStyle.Font = sans()
	to.Label.TextStyle.Color = inkMuted
	to.Label.Padding = 3
	to.Tick.Label.Font = sans()
	to.Tick.Label.Color = inkText
	to.Tick.Color = inkGrid
	to.Tick.Length = 4
	to.LineStyle.Color = inkGrid
	to.LineStyle.Width = 0.75
	to.Padding = 0
	to.Min, to.Max = a.Min, a.Max
	switch {
	case a.Log:
		to.Scale, to.Tick.Marker = plot.LogScale{}, logTicks{}
	case a.Names != nil:
		var ticks []plot.Tick
		for i, name := range a.Names {
			at := float64(i) // columns
			if a.Min == 0 {
				at = rowAt(i, len(a.Names))
			}
			ticks = append(ticks, plot.Tick{Value: at, Label: name})
		}
		to.Tick.Marker = plot.ConstantTicks(ticks)
	}
}

// sans is a font whose metrics are those of the style sheet's.
func sans() font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize} }

// logTicks marks 1, 2 and 5 of each power of ten where there are few of these,
// and else the powers.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	if !(lo > 0 && hi/lo < 1e12) {
		return nil // no axis of ours
	}
	labelled := map[int]bool{1: true}
	switch decades := math.Log10(hi / lo); {
	case decades < 2.2:
		labelled = map[int]bool{1: true, 2: true, 5: true}
	case decades < 3.2:
		labelled = map[int]bool{1: true, 3: true}
	}
	var ticks []plot.Tick
	for exponent := math.Floor(math.Log10(lo)); exponent <= math.Log10(hi); exponent++ {
		for f := 1; f <= 9; f++ {
			tick := plot.Tick{Value: float64(f) * math.Pow(10, exponent)}
			if tick.Value < lo || tick.Value > hi {
				continue
			}
			if labelled[f] {
				tick.Label = tickLabel(tick.Value)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// tickLabel formats the round numbers of ticks.
func tickLabel(v float64) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64) // 0.3 and not 0.30000000000000004
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', -1, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// A glyph's shape tells series apart as its colour does.
func glyph(style int) draw.GlyphStyle {
	shapes := [styles]draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.TriangleGlyph{},
		draw.RingGlyph{}, draw.SquareGlyph{}}
	radius := [styles]vg.Length{3.6, 3.2, 4, 4.4, 3.4, 3}
	return draw.GlyphStyle{Color: strongInks[style], Radius: radius[style], Shape: shapes[style]}
}

// key returns a glyph on its own, for legends.
func key(style int) template.HTML {
	return `<span class="key" aria-hidden="true">` + drawSVG(12, 12, func(c draw.Canvas) {
		g := glyph(style)
		g.Radius *= 1.15
		c.DrawGlyphNoClip(g, c.Center())
	}) + `</span>`
}

// addLines adds series whose points have intervals in Y.
func addLines(p *plot.Plot, all []series) {
	for _, s := range all {
		if len(s.Points) > 1 {
			p.Add(&plotter.Line{XYs: xys(s.Points), LineStyle: stroke(s.Style)})
		}
	}
	for _, s := range all {
		bars := &plotter.YErrorBars{XYs: xys(s.Points), LineStyle: stroke(s.Style), CapWidth: 4}
		least := p.Y.Min // which adding series changes
		for _, pt := range s.Points {
			lo, hi := pt.interval(pt.Y, least)
			bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{lo, hi})
		}
		p.Add(bars, &plotter.Scatter{XYs: xys(s.Points), GlyphStyle: glyph(s.Style)})
	}
}

// addRows adds series whose points have intervals in X.
func addRows(p *plot.Plot, all []series) {
	for _, s := range all {
		bars := &plotter.XErrorBars{XYs: xys(s.Points), LineStyle: stroke(s.Style), CapWidth: 4}
		least := p.X.Min
		for _, pt := range s.Points {
			lo, hi := pt.interval(pt.X, least)
			bars.XErrors = append(bars.XErrors, struct{ Low, High float64 }{lo, hi})
		}
		p.Add(bars, &plotter.Scatter{XYs: xys(s.Points), GlyphStyle: glyph(s.Style)})
	}
}

func stroke(style int) draw.LineStyle { return draw.LineStyle{Color: strongInks[style], Width: 1.2} }

func xys(points []point) plotter.XYs {
	all := make(plotter.XYs, len(points))
	for i, p := range points {
		all[i] = plotter.XY{X: p.X, Y: p.Y}
	}
	return all
}

// interval returns how far the interval reaches below and above v, on an axis
// that begins at least.
func (p point) interval(v, least float64) (lo, hi float64) {
	if math.IsInf(p.Lo, 0) || math.IsInf(p.Hi, 0) || p.Lo == p.Hi {
		return 0, 0
	}
	return v - max(p.Lo, least), p.Hi - v
}

// grid returns lines at the ticks of one axis or of both.
func grid(x, y bool) *plotter.Grid {
	line := draw.LineStyle{Color: inkGrid, Width: 0.6}
	g := new(plotter.Grid)
	if x {
		g.Vertical = line
	}
	if y {
		g.Horizontal = line
	}
	return g
}

// rule returns a line from one point to another.
func rule(c color.Color, dashed bool, x0, y0, x1, y1 float64) *plotter.Line {
	l := &plotter.Line{XYs: plotter.XYs{{X: x0, Y: y0}, {X: x1, Y: y1}}, LineStyle: draw.LineStyle{Color: c, Width: 1}}
	if dashed {
		l.Dashes = []vg.Length{4, 3}
	}
	return l
}

// area returns a filled rectangle.
func area(c color.Color, x0, x1, y0, y1 float64) *plotter.Polygon {
	return &plotter.Polygon{XYs: []plotter.XYs{{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}},
		Color: c}
}

// note returns a text beside a point.
func note(words string, c color.Color, x, y float64, right vg.Length) *plotter.Labels {
	sty := plottext.Style{Color: c, Font: sans(), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	return &plotter.Labels{
		XYs: []plotter.XY{{X: x, Y: y}}, Labels: []string{words},
		TextStyle: []draw.TextStyle{sty}, Offset: vg.Point{X: right, Y: sty.FontExtents().Descent},
	}
}

// widthOf returns the width of a text in plots.
func widthOf(words string) float64 {
	width, _, _ := plot.DefaultTextHandler.Box(words, sans())
	return float64(width)
}

func (f *figure) drawRows(p *plot.Plot) {
	rows := len(f.Y.Names)
	for i := range rows {
		if i%2 == 1 {
			p.Add(area(inkStripe, f.X.Min, f.X.Max, float64(rows-i-1), float64(rows-i)))
		}
	}
	p.Add(grid(true, false))
	if f.Limit > 0 {
		p.Add(rule(inkLimit, true, f.Limit, 0, f.Limit, float64(rows)))
	}
	addRows(p, f.Series)
}

func (f *figure) drawEqual(p *plot.Plot) {
	lo, hi := f.X.Min, f.X.Max
	p.Add(&plotter.Polygon{Color: inkStripe, XYs: []plotter.XYs{{
		{X: lo, Y: lo}, {X: lo, Y: 1.2 * lo}, {X: hi / 1.2, Y: hi}, {X: hi, Y: hi}, {X: hi, Y: 0.8 * hi},
		{X: lo / 0.8, Y: lo},
	}}}, grid(true, true), rule(inkMuted, false, lo, lo, hi, hi))
}

func (f *figure) drawBars(p *plot.Plot) {
	names := make([]string, len(f.Bars))
	most := 0
	for i, b := range f.Bars {
		names[i] = strings.Join(strings.Fields(b.Name), " ")
		most = max(most, b.N)
	}
	axis{Label: "sessions", Max: 1.4 * float64(most)}.set(&p.X)
	rowAxis(names).set(&p.Y)
	p.Add(grid(true, false))
	for i, b := range f.Bars {
		y := rowAt(i, len(f.Bars))
		p.Add(area(strongInks[0], 0, float64(b.N), y-0.36, y+0.36),
			note(fmt.Sprintf("%d, %s", b.N, b.Share), inkMuted, float64(b.N), y, 5))
	}
}

// drawSpans draws a band for each row. The names are above the bands, so that
// these have the whole width.
func (f *figure) drawSpans(p *plot.Plot) {
	rows := float64(len(f.Spans))
	axis{Max: rows, Names: []string{}}.set(&p.Y)
	p.Y.LineStyle.Width = 0
	perDecade := (plotWidth - 30) / math.Log10(f.X.Max/f.X.Min)
	var above []plot.Plotter // what covers the line of the round trip
	for i, r := range f.Spans {
		lo, hi := rows-float64(i)-0.92, rows-float64(i)-0.42
		above = append(above, note(r.Name, inkMuted, f.X.Min, hi+0.22, 0))
		for j, sp := range r.Spans {
			p.Add(area(softInks[f.styleOf(sp.Engine)], sp.From, sp.To, lo, hi))
			if math.Log10(sp.To/sp.From)*perDecade > widthOf(sp.Engine)+10 {
				at := sp.From
				if f.Marked > at && f.Marked < sp.To && math.Log10(f.Marked/at)*perDecade < widthOf(sp.Engine)+6 {
					at = f.Marked // so that the dashed line is beside the name
				}
				above = append(above, note(sp.Engine, inkText, at, (lo+hi)/2, 6))
			}
			if j > 0 {
				above = append(above, rule(inkText, false, sp.From, lo, sp.From, hi))
			}
			if j == 0 || math.IsInf(sp.Lo, 0) || math.IsInf(sp.Hi, 0) {
				continue // too few rounds for an interval
			}
			bars := &plotter.XErrorBars{
				XYs:       plotter.XYs{{X: sp.From, Y: lo + 0.05}}, // below the names
				LineStyle: draw.LineStyle{Color: inkText, Width: 1.4},
				CapWidth:  6,
			}
			from, to := max(sp.Lo, f.X.Min), min(sp.Hi, f.X.Max)
			bars.XErrors = append(bars.XErrors, struct{ Low, High float64 }{sp.From - from, to - sp.From})
			above = append(above, bars)
		}
	}
	if f.Marked > f.X.Min && f.Marked < f.X.Max {
		p.Add(rule(inkMuted, true, f.Marked, 0, f.Marked, rows))
	}
	p.Add(above...)
}

func (f *figure) styleOf(engine string) int {
	for _, s := range f.Series {
		if s.Name == engine {
			return s.Style
		}
	}
	return styles - 1
}
