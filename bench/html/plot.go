package html

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An ink is a colour that the page's style sheet gives a value to, for light and
// for dark.
type ink struct{ class, index uint8 }

// The classes of inks.
const (
	plain  = iota // inks by name
	strong        // those of the series, by index
	soft          // the same for areas
)

var (
	inkText   = ink{plain, 0}
	inkMuted  = ink{plain, 1}
	inkGrid   = ink{plain, 2}
	inkLimit  = ink{plain, 3}
	inkStripe = ink{plain, 5}
)

// plainNames are the names of the plain inks in the style sheet.
var plainNames = []string{"ink", "muted", "grid", "limit", "bg", "stripe"}

// seriesColors is the number of colours of series. Further series share the
// last one.
const seriesColors = 6

func strongInk(i int) ink { return ink{strong, uint8(min(i, seriesColors-1))} }
func softInk(i int) ink   { return ink{soft, uint8(min(i, seriesColors-1))} }

// RGBA returns a colour that stands for the ink in what the plotting library
// writes, until recolor puts the style sheet's in its place. Its figures are in
// the middle of steps of 16, which rounding does not leave.
func (c ink) RGBA() (r, g, b, a uint32) {
	return 0xfe * 0x101, uint32(c.class*16+8) * 0x101, uint32(c.index*16+8) * 0x101, 0xffff
}

var inkColor = regexp.MustCompile(`#F[DEF]([0-9A-F])[0-9A-F]([0-9A-F])[0-9A-F]`)

// recolor puts the style sheet's variables in the place of inks.
func recolor(svg string) string {
	return inkColor.ReplaceAllStringFunc(svg, func(s string) string {
		m := inkColor.FindStringSubmatch(s)
		class, _ := strconv.ParseUint(m[1], 16, 8) // a digit
		index, _ := strconv.ParseUint(m[2], 16, 8)
		switch class {
		case strong:
			return fmt.Sprintf("var(--e%d)", index)
		case soft:
			return fmt.Sprintf("var(--s%d)", index)
		}
		return "var(--" + plainNames[index] + ")"
	})
}

// What the plotting library writes around the drawing, and of fonts. The page
// has its own; they are as wide as the library's, or about.
var (
	svgHead = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	svgFont = regexp.MustCompile(`\s*style="font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;font-size:([0-9.]+)px`)
)

// drawSVG returns what f draws as SVG for a page, as large as there is room.
func drawSVG(width, height float64, attributes string, f func(draw.Canvas)) template.HTML {
	canvas := vgsvg.New(vg.Length(width), vg.Length(height))
	f(draw.New(canvas))
	var b bytes.Buffer
	canvas.WriteTo(&b) // to a buffer, which does not fail
	head := fmt.Sprintf(`<svg viewBox="0 0 %g %g" %s>`, width, height, attributes)
	svg := svgHead.ReplaceAllLiteralString(b.String(), head)
	svg = svgFont.ReplaceAllString(svg, ` style="font-size:${1}px`)
	return template.HTML(align(recolor(svg)))
}

// anchored writes text that is aligned by the browser, whose font may be wider
// or narrower than the plotting library's: it marks a text as one to align, for
// align to find.
type anchored struct{ text.Handler }

// roomier is how much wider than the library's fonts a browser's may be.
const roomier = 1.12

// Box implements text.Handler.
func (a anchored) Box(txt string, fnt font.Font) (width, height, depth vg.Length) {
	width, height, depth = a.Handler.Box(txt, fnt)
	return roomier * width, height, depth
}

// Draw implements text.Handler.
func (a anchored) Draw(c vg.Canvas, txt string, sty text.Style, pt vg.Point) {
	mark := ""
	switch {
	case sty.XAlign <= text.XRight:
		mark = markEnd
	case sty.XAlign <= text.XCenter:
		mark = markMiddle
	}
	sty.XAlign = text.XLeft
	a.Handler.Draw(c, mark+txt, sty, pt)
}

// Marks at the beginning of a text. They are in no font, and no text has them.
const (
	markMiddle = "\ue000"
	markEnd    = "\ue001"
)

// align aligns the texts that are marked.
func align(svg string) string {
	svg = markedText.ReplaceAllString(svg, "<text text-anchor=\"$2\"$1>")
	return strings.NewReplacer(`text-anchor="`+markMiddle, `text-anchor="middle`, `text-anchor="`+markEnd, `text-anchor="end`).Replace(svg)
}

var markedText = regexp.MustCompile("<text([^>]*)>([" + markMiddle + markEnd + "])")

// textHandler is that of all plots.
var textHandler = anchored{text.Plain{Fonts: font.DefaultCache}}

// plotWidth is the width of all plots in their own units, which is about that
// of a phone in CSS's.
const plotWidth = 360

// fontSize is that of the text in plots, in the same units.
const fontSize = 11.5

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(size)}
}

// newPlot returns a plot without data, whose axes have these labels.
func newPlot(x, y axis) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the page shows through
	p.TextHandler = textHandler
	for a, spec := range map[*plot.Axis]axis{&p.X: x, &p.Y: y} {
		a.Label.Text = spec.label
		a.Label.TextStyle.Font = sans(fontSize)
		a.Label.TextStyle.Color = inkMuted
		a.Label.TextStyle.Handler = textHandler
		a.Label.Padding = 3
		a.Tick.Label.Font = sans(fontSize)
		a.Tick.Label.Color = inkText
		a.Tick.Label.Handler = textHandler
		a.Tick.Color = inkGrid
		a.Tick.Length = 4
		a.LineStyle.Color = inkGrid
		a.LineStyle.Width = 0.75
		a.Padding = 0
		a.Min, a.Max = spec.min, spec.max
		a.Tick.Marker = spec.ticks
		if spec.log {
			a.Scale = plot.LogScale{}
		}
	}
	return p
}

// An axis is one of a plot's two.
type axis struct {
	label    string
	min, max float64
	log      bool
	ticks    plot.Ticker
}

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
	return axis{label: label, min: lo / 1.12, max: hi * 1.12, log: true, ticks: logTicks{}}
}

// logTicks marks 1, 2 and 5 of each power of ten where there are few of these,
// and else the powers.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	if !(lo > 0 && hi/lo < 1e12) {
		return nil // no axis of ours
	}
	labelled := []float64{1}
	switch decades := math.Log10(hi / lo); {
	case decades < 2.2:
		labelled = []float64{1, 2, 5}
	case decades < 3.2:
		labelled = []float64{1, 3}
	}
	var ticks []plot.Tick
	for exponent := math.Floor(math.Log10(lo)); exponent <= math.Log10(hi); exponent++ {
		for _, f := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9} {
			v := f * math.Pow(10, exponent)
			if v < lo || v > hi {
				continue
			}
			label := ""
			for _, l := range labelled {
				if l == f {
					label = tickLabel(v)
				}
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
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

// labels are ticks with a text each.
type labels []plot.Tick

func (l labels) Ticks(float64, float64) []plot.Tick { return l }

// A series is what a plot shows of one engine, or of whatever is compared.
type series struct {
	name   string
	style  int // which colour and glyph it has
	points []point
	joined bool // by a line
}

// A point is a value with its interval, or without one if that is not known.
type point struct {
	x, y, lo, hi float64
}

// A glyph's shape tells series apart as its colour does.
func glyph(style int) draw.GlyphStyle {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}, draw.RingGlyph{}, draw.SquareGlyph{}}
	radius := []vg.Length{3.6, 3.2, 4, 4.4, 3.4, 3}
	i := min(style, len(shapes)-1)
	return draw.GlyphStyle{Color: strongInk(style), Radius: radius[i], Shape: shapes[i]}
}

type diamond struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius
	c.FillPolygon(sty.Color, []vg.Point{{X: pt.X - r, Y: pt.Y}, {X: pt.X, Y: pt.Y + r}, {X: pt.X + r, Y: pt.Y}, {X: pt.X, Y: pt.Y - r}})
}

// key returns a glyph on its own, for a legend.
func key(style int) template.HTML {
	return drawSVG(12, 12, `class="key" aria-hidden="true"`, func(c draw.Canvas) {
		g := glyph(style)
		g.Radius *= 1.15
		c.DrawGlyphNoClip(g, c.Center())
	})
}

// addSeries adds series whose points have intervals in Y.
func addSeries(p *plot.Plot, all []series) {
	for _, s := range all {
		if s.joined && len(s.points) > 1 {
			line := &plotter.Line{XYs: xys(s.points), LineStyle: draw.LineStyle{Color: strongInk(s.style), Width: 1.2}}
			p.Add(line)
		}
	}
	for _, s := range all {
		bars := &plotter.YErrorBars{XYs: xys(s.points), LineStyle: whisker(s.style), CapWidth: 4}
		least := p.Y.Min
		for _, pt := range s.points {
			lo, hi := pt.interval(pt.y, least)
			bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{lo, hi})
		}
		p.Add(bars, &plotter.Scatter{XYs: xys(s.points), GlyphStyle: glyph(s.style)})
	}
}

// addRows adds series whose points have intervals in X.
func addRows(p *plot.Plot, all []series) {
	for _, s := range all {
		bars := &plotter.XErrorBars{XYs: xys(s.points), LineStyle: whisker(s.style), CapWidth: 4}
		least := p.X.Min // which adding series changes
		for _, pt := range s.points {
			lo, hi := pt.interval(pt.x, least)
			bars.XErrors = append(bars.XErrors, struct{ Low, High float64 }{lo, hi})
		}
		p.Add(bars, &plotter.Scatter{XYs: xys(s.points), GlyphStyle: glyph(s.style)})
	}
}

func whisker(style int) draw.LineStyle {
	return draw.LineStyle{Color: strongInk(style), Width: 1.2}
}

func xys(points []point) plotter.XYs {
	all := make(plotter.XYs, len(points))
	for i, p := range points {
		all[i] = plotter.XY{X: p.x, Y: p.y}
	}
	return all
}

// interval returns how far the interval reaches below and above v, on an axis
// that begins at least.
func (p point) interval(v, least float64) (lo, hi float64) {
	if math.IsInf(p.lo, 0) || math.IsInf(p.hi, 0) || p.lo == p.hi {
		return 0, 0
	}
	return v - max(p.lo, least), p.hi - v
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
func rule(c ink, dashed bool, points ...plotter.XY) *plotter.Line {
	l := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: c, Width: 1}}
	if dashed {
		l.Dashes = []vg.Length{4, 3}
	}
	return l
}

// area returns a filled rectangle.
func area(c ink, x0, x1, y0, y1 float64) *plotter.Polygon {
	return &plotter.Polygon{
		XYs:   []plotter.XYs{{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}},
		Color: c,
	}
}

// note returns a text beside a point.
func note(words string, at plotter.XY, x, y vg.Length, align draw.XAlignment) *plotter.Labels {
	sty := text.Style{Color: inkMuted, Font: sans(fontSize), XAlign: align, YAlign: draw.YCenter, Handler: textHandler}
	return &plotter.Labels{
		XYs: []plotter.XY{at}, Labels: []string{words},
		TextStyle: []draw.TextStyle{sty}, Offset: vg.Point{X: x, Y: y + sty.FontExtents().Descent},
	}
}

// widthOf returns the width of a text in plots.
func widthOf(words string) float64 {
	width, _, _ := textHandler.Box(words, sans(fontSize))
	return float64(width)
}

// A figure is a plot with what surrounds it.
type figure struct {
	Title   string // above it
	Alt     string // what it shows, for those who do not see it
	SVG     template.HTML
	Legend  []legendItem
	Caption string
}

type legendItem struct {
	Key  template.HTML
	Name string
}

func legendOf(all []series) []legendItem {
	var items []legendItem
	for _, s := range all {
		if len(s.points) > 0 {
			items = append(items, legendItem{key(s.style), s.name})
		}
	}
	return items
}

// render draws a plot as a figure's.
func (f *figure) render(p *plot.Plot, height float64) {
	f.SVG = drawSVG(plotWidth, height, `role="img" aria-label="`+template.HTMLEscapeString(strings.Join(strings.Fields(f.Alt), " "))+`"`, func(c draw.Canvas) {
		left := vg.Length(1)
		if len(p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max)) == 0 {
			left = 14 // for half of the first label of X
		}
		p.Draw(draw.Crop(c, left, -6, 1, -4))
	})
}
