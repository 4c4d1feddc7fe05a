// Package cmdflag makes the flags of the commands say what to write instead of
// what they do not understand, and texts of others harmless to a terminal.
package cmdflag

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
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
			number, rest := cutNumber(text)
			if days, err := strconv.Atoi(number); err == nil && strings.HasPrefix(strings.TrimSpace(rest), "d") {
				return 0, fmt.Errorf("write a number with its unit, such as %dh for %d days", 24*days, days)
			}
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

// Uint64 declares a flag for a whole number that is not negative, whose default is
// *p.
func Uint64(flags *flag.FlagSet, p *uint64, name, usage string) {
	flags.Var(value[uint64]{p, func(text string) (uint64, error) {
		n, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return 0, errors.New("write a whole number from 0, such as 10")
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

// How package flag begins what it says of an unknown flag, of one without a value,
// and of a switch with a value.
const (
	undefined = "flag provided but not defined: -"
	noValue   = "flag needs an argument: -"
	noSwitch  = "invalid boolean value "
)

// Explain makes an error of flags.Parse say what to write instead, or which flag
// may have been meant. others says so of flags that there are not.
func Explain(flags *flag.FlagSet, err error, others map[string]string) error {
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), noValue); ok {
		what, _ := flag.UnquoteUsage(flags.Lookup(name))
		return fmt.Errorf("-%s needs a value: write -%[1]s and then the %s", name, what)
	}
	if rest, ok := strings.CutPrefix(err.Error(), noSwitch); ok {
		rest = strings.TrimSuffix(rest, ": parse error")
		name := rest[strings.LastIndex(rest, " -")+2:]
		return fmt.Errorf("-%s takes no value: write -%[1]s, or leave it out", name)
	}
	name, ok := strings.CutPrefix(err.Error(), undefined)
	if !ok {
		return err
	}
	if other, ok := others[name]; ok {
		return fmt.Errorf("there is no flag -%s: %s", name, other)
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if meant := Nearest(strings.TrimLeft(name, "-"), names); meant != "" {
		return fmt.Errorf("there is no flag -%s; did you mean -%s?", Printable(name), meant)
	}
	return fmt.Errorf("there is no flag -%s; -h lists the flags", Printable(name))
}

// Nearest returns that of the names that is like name, or "".
func Nearest(name string, names []string) string {
	best, bestDistance := "", 3 // edits, at most 2
	for _, n := range names {
		d := distance(name, n)
		if len(name) >= 3 && (strings.HasPrefix(n, name) || strings.HasPrefix(name, n)) {
			d = min(d, 1)
		}
		if d < bestDistance && d < len(name) {
			best, bestDistance = n, d
		}
	}
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

// WithoutPath returns an error of the file system as "path: reason".
func WithoutPath(err error, path string) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", path, e.Err)
	}
	return err
}
