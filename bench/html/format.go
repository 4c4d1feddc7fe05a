package html

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sessionengine/bench"
)

// digits formats v with three significant digits, and all those before the
// point.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == 0:
		return "0"
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // 9.999 is 10.0
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(rounded))))
	text := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
	if v == math.Trunc(v) {
		text, _, _ = strings.Cut(text, ".")
	}
	return strings.Replace(text, "-", "−", 1)
}

// whole formats a number of bytes or of other things that are whole, or about.
func whole(v float64) string {
	return strings.Replace(strconv.FormatFloat(math.Round(v), 'f', 0, 64), "-", "−", 1)
}

// count formats a number that is a whole one most of the time.
func count(v float64) string {
	if v == math.Trunc(v) {
		return whole(v)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// signed is whole with a sign.
func signed(v float64) string {
	if math.Round(v) > 0 {
		return "+" + whole(v)
	}
	return whole(v)
}

// milliseconds formats a duration as such.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/1e6, 'f', -1, 64) + " ms"
}

// spread formats how far a summary's interval reaches.
func spread(s bench.Summary) string {
	v := s.Spread()
	switch {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return "± ∞"
	case v >= 0.995:
		return "± >99 %"
	}
	return fmt.Sprintf("± %.0f %%", 100*v)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// list joins names as prose does.
func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
