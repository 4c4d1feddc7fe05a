package scale

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// A Forecast is for how many sessions and views [Result.WriteText] works out
// what they take.
type Forecast struct {
	Sessions int // in the table, and visitors who have one

	// Views is how many pages a visitor with a session requests in a day.
	Views float64
}

// DefaultForecast is for ten million sessions, each of which sees a page a day.
func DefaultForecast() Forecast { return Forecast{Sessions: 10_000_000, Views: 1} }

// A line is a straight one: y = A + B·x.
type line struct{ a, b float64 }

// fit returns the line with the least squares of relative errors, so that small
// tables count as much as large ones.
func fit(x, y []float64) line {
	var sw, sx, sy, sxx, sxy float64
	for i := range x {
		w := 1 / (y[i] * y[i])
		sw += w
		sx += w * x[i]
		sy += w * y[i]
		sxx += w * x[i] * x[i]
		sxy += w * x[i] * y[i]
	}
	b := (sw*sxy - sx*sy) / (sw*sxx - sx*sx)
	return line{(sy - b*sx) / sw, b}
}

func (l line) at(x float64) float64 { return l.a + l.b*x }

// A quantity is something that was measured of each table.
type quantity struct {
	name string
	of   func(Table) (x, y float64)
	unit func(float64) string
}

var quantities = []quantity{
	{"table", func(t Table) (float64, float64) { return float64(t.Rows), float64(t.Refilled.Table) }, bytesText},
	{"index on session_key", func(t Table) (float64, float64) { return float64(t.Rows), float64(t.Refilled.KeyIndex) }, bytesText},
	{"index on expire_date", func(t Table) (float64, float64) { return float64(t.Rows), float64(t.Refilled.ExpiryIndex) }, bytesText},
	{"file", func(t Table) (float64, float64) { return float64(t.Rows), float64(t.Refilled.File) }, bytesText},
}

// points returns the quantity's points.
func (q quantity) points(tables []Table) (x, y []float64) {
	for _, t := range tables {
		a, b := q.of(t)
		x, y = append(x, a), append(y, b)
	}
	return x, y
}

// WriteText writes what was measured and what follows for f, with the formulas,
// in lines of at most 80 columns.
func (r *Result) WriteText(w io.Writer, f Forecast) error {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
	n := float64(f.Sessions)

	p("%s sessions, from tables of %s\n\n", count(n), r.sizes())
	p("%s, %d cores for Go; %s; %s\n", r.Environment.Platform, r.Environment.Cores, r.Environment.GoVersion, r.Environment.Started.Format(time.DateOnly))
	p("Each session is %q, %d bytes of JSON; package dbstore on an SQLite file.\nThe sizes are those after half of a table's sessions were deleted and as many\nnew ones saved, as on a site where sessions come and go.\n", r.Session, r.JSON)

	p("\nMEASURED\n")
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "sessions\ttable\tkey index\texpiry index\tfile\tsave\tload\tcleanup\t")
	for _, t := range r.Tables {
		s := t.Refilled
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.0f µs\t%.1f µs\t%s\t\n", count(float64(t.Rows)), bytesText(float64(s.Table)), bytesText(float64(s.KeyIndex)),
			bytesText(float64(s.ExpiryIndex)), bytesText(float64(s.File)), 1e6*t.Save, 1e6*t.Load, secondsText(t.Cleanup.Seconds))
	}
	table.Flush()
	p("save: of a new session, by %d goroutines at once. load: by key, at random.\n", writers)
	p("cleanup: of the half that has expired, %d rows at a time, with a rest after\neach batch that is as long as the batch.\n", r.Batch)

	p("\nSIZE OF %s SESSIONS\n", count(n))
	table = tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tbytes\t\tformula, n sessions\tforetold")
	for _, q := range quantities {
		x, y := q.points(r.Tables)
		l := fit(x, y)
		fmt.Fprintf(table, "%s\t%s\t=\t%.0f B + %.1f B × n\t%s\n", q.name, q.unit(l.at(n)), l.a, l.b, r.foretold(x, y))
	}
	table.Flush()
	p("The formula is the line of least relative squares through all tables. foretold:\nby how much the line through the smaller ones misses the largest.\n")

	p("\nCLEANUP, WHEN HALF OF THEM HAVE EXPIRED\n")
	x, y := r.cleanups()
	l := fit(x, y)
	deleted := n / 2
	p("%s = %.3f s + %.1f µs × %s rows, in %s batches;\nhalf of it is rest. ", secondsText(l.at(deleted)), l.a, 1e6*l.b, count(deleted), count(math.Ceil(deleted/float64(r.Batch))))
	p("Foretold: %s. It takes longer where the table does not\nfit into memory.\n", r.foretold(x, y))
	if f.Views > 0 && len(r.Pages) > 0 {
		r.writeTraffic(&out, f)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Result) cleanups() (x, y []float64) {
	for _, t := range r.Tables {
		x, y = append(x, float64(t.Cleanup.Deleted)), append(y, t.Cleanup.Seconds)
	}
	return x, y
}

// foretold tells how far the line through all tables but the largest misses that.
func (r *Result) foretold(x, y []float64) string {
	last := len(x) - 1
	if last < 2 {
		return "too few tables to tell"
	}
	guess := fit(x[:last], y[:last]).at(x[last])
	miss := 100 * (guess/y[last] - 1)
	if math.Abs(miss) < 0.05 {
		return "0.0 %"
	}
	return fmt.Sprintf("%+.1f %%", miss)
}

func (r *Result) writeTraffic(out *strings.Builder, f Forecast) {
	fmt.Fprintf(out, "\nCOOKIES OF A DAY\n")
	views := float64(f.Sessions) * f.Views
	fmt.Fprintf(out, "%s sessions × %v page views a day × bytes of a page of %d requests,\nwhole headers with TLS, over those of a visitor without a session:\n\n", count(float64(f.Sessions)), f.Views, r.Pages[0].Requests)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "engine\t\tup of a page\tdown\tup of a day\tdown\t")
	for _, p := range r.Pages {
		fmt.Fprintf(table, "%s\t%s\t%.0f B\t%.0f B\t%s\t%s\t\n", p.Engine, p.Protocol, p.Up, p.Down, bytesText(p.Up*views), bytesText(p.Down*views))
	}
	table.Flush()
}

// sizes names the tables.
func (r *Result) sizes() string {
	var names []string
	for _, t := range r.Tables {
		names = append(names, count(float64(t.Rows)))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// count formats a whole number, with spaces between groups of three digits.
func count(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// bytesText formats bytes with three digits, in powers of a thousand.
func bytesText(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for math.Abs(n) >= 999.5 && i < len(units)-1 {
		n /= 1000
		i++
	}
	decimals := 0
	if i > 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(math.Max(math.Abs(n), 1)))))
	}
	return fmt.Sprintf("%.*f %s", decimals, n, units[i])
}

// secondsText formats seconds with three digits.
func secondsText(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
