package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sessionengine/bench"
)

// micros returns a cell for an estimate of nanoseconds, as microseconds.
func micros(e bench.Estimate) cell {
	switch {
	case e.N == 0:
		return none("-")
	case e.Value < 10 || e.Lo <= 0 && !math.IsInf(e.Lo, 0):
		return cell{Text: "about 0"}
	}
	return inPercent(e, 0.001)
}

// times returns a cell for a ratio.
func times(c bench.Comparison) cell {
	switch {
	case !c.Different:
		return cell{Text: "equal"}
	case c.Ratio.Lo <= 0 || math.IsInf(c.Ratio.Hi, 0):
		return none("no ratio") // the other one is about nothing
	}
	return inPercent(c.Ratio, 1)
}

// measured returns a cell for an estimate times a factor, with as many digits as
// its interval justifies, three at most.
func measured(e bench.Estimate, factor float64) cell {
	v := e.Value * factor
	if !known(e) || v == 0 {
		return cell{Text: digits(v)}
	}
	reach := factor * math.Max(e.Hi-e.Value, e.Value-e.Lo)
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if reach > 0 {
		decimals = min(decimals, int(math.Ceil(-math.Log10(reach/1.5))))
	}
	format := func(v float64) string { return strconv.FormatFloat(v, 'f', min(max(decimals, 0), 6), 64) }
	c := cell{Text: format(v)}
	if text := format(reach); strings.Trim(text, "0.") != "" {
		c.Spread = "±" + text
	}
	return c
}

// inPercent returns the same with the interval in percent.
func inPercent(e bench.Estimate, factor float64) cell {
	c := measured(e, factor)
	c.Spread = spread(e)
	return c
}

// spread formats how far a summary's interval reaches.
func spread(s bench.Estimate) string {
	switch v := s.Spread(); {
	case !known(s):
		return "±∞"
	case v >= 0.995:
		return "±>99%"
	default:
		return fmt.Sprintf("±%.0f%%", 100*v)
	}
}

// digits formats v with three significant digits, at most three after the point
// and all those before it; whole numbers have no point.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case v == 0:
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', min(max(decimals, 0), 3), 64)
	if v == math.Trunc(v) {
		text, _, _ = strings.Cut(text, ".")
	}
	return text
}

// short is digits with two digits below 1, where columns are narrow.
func short(v float64) string {
	if !(v > 0 && v < 1) {
		return digits(v)
	}
	return strconv.FormatFloat(v, 'f', 1-int(math.Floor(math.Log10(v))), 64)
}

// whole formats a number of bytes or of other things that are whole, or about.
func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// count formats a number that is a whole one most of the time.
func count(v float64) string {
	if v == math.Trunc(v) {
		return whole(v)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// percent formats a share, with a digit after the point where it is small.
func percent(share float64) string {
	if share < 0.1 {
		return fmt.Sprintf("%.1f %%", 100*share)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// share returns n of total in percent.
func share(n, total int) string {
	switch {
	case n == 0:
		return "none"
	case 2000*n < total:
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(total))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', -1, 64) + " ms"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list joins names as prose does.
func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
