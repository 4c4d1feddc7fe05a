// Package cmdflag makes the flags of the commands say what to write instead of
// what they do not understand, and texts of others harmless to a terminal.
package cmdflag

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A value is a flag of some type.
type value[T any] struct {
	p     *T
	parse func(string) (T, error)
}

func (v value[T]) String() string {
	if v.p == nil { // package flag asks for the zero value
		var zero T
		return fmt.Sprint(zero)
	}
	return fmt.Sprint(*v.p)
}

func (v value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err == nil {
		*v.p = parsed
	}
	return err
}

// Duration declares a flag for a duration, whose default is *p. A number without
// a unit is taken for one in the unit for the error's sake.
func Duration(flags *flag.FlagSet, p *time.Duration, name, unit, usage string) {
	flags.Var(value[time.Duration]{p, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			number, _ := cutNumber(text)
			return 0, fmt.Errorf("write a number with its unit, such as %s%s", number, unit)
		}
		return d, nil
	}}, name, usage)
}

// Float declares a flag for a number in a unit that is not written, whose
// default is *p.
func Float(flags *flag.FlagSet, p *float64, name, unit, usage string) {
	flags.Var(value[float64]{p, func(text string) (float64, error) {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			number, _ := cutNumber(text)
			return 0, fmt.Errorf("write a number without a unit, such as %s (%s)", number, unit)
		}
		return f, nil
	}}, name, usage)
}

// Int declares a flag for a whole number, whose default is *p.
func Int(flags *flag.FlagSet, p *int, name, usage string) {
	flags.Var(value[int]{p, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, errors.New("write a whole number, such as 10")
		}
		return n, nil
	}}, name, usage)
}

// cutNumber returns the number that a text begins with, or 1.
func cutNumber(text string) (number, rest string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, ",", "."))
	n := len(text) - len(strings.TrimLeft(text, "0123456789."))
	if _, err := strconv.ParseFloat(text[:n], 64); err != nil {
		return "1", text
	}
	return text[:n], text[n:]
}

// undefined is how package flag begins what it says of an unknown flag.
const undefined = "flag provided but not defined: -"

// Explain makes an error of flags.Parse say which flag may have been meant.
func Explain(flags *flag.FlagSet, err error) error {
	if err == nil {
		return nil
	}
	name, ok := strings.CutPrefix(err.Error(), undefined)
	if !ok {
		return err
	}
	if meant := nearest(flags, strings.TrimLeft(name, "-")); meant != "" {
		return fmt.Errorf("there is no flag -%s; did you mean -%s?", Printable(name), meant)
	}
	return fmt.Errorf("there is no flag -%s; -h lists the flags", Printable(name))
}

// nearest returns the flag whose name is like name, or "".
func nearest(flags *flag.FlagSet, name string) string {
	best, bestDistance := "", 3 // edits, at most 2
	flags.VisitAll(func(f *flag.Flag) {
		d := distance(name, f.Name)
		if len(name) >= 3 && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
			d = min(d, 1)
		}
		if d < bestDistance && d < len(name) {
			best, bestDistance = f.Name, d
		}
	})
	return best
}

// distance is the Levenshtein distance of two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Printable returns s with escapes for what is not printable, so that a text of
// somebody else's, such as the name of a file, does nothing to a terminal. Line
// breaks stay.
func Printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Word is [Printable] for a word in a table: it returns s in quotes if it has
// characters that are not printable, or could be taken for a quoted text. A byte
// that is no UTF-8 could be the one that package tabwriter takes for an escape.
func Word(s string) string {
	if s == "" || s[0] == '"' || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
