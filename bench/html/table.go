package html

import (
	"fmt"
	"html/template"

	"sessionengine/bench"
)

// A table is one of the page's. Its first column names the rows.
type table struct {
	Caption string
	Columns []string
	Left    bool // its cells are names
	Groups  []group
	Notes   []string
	Folded  bool // shown when it is asked for
}

func (t *table) rows() int {
	n := 0
	for _, g := range t.Groups {
		n += len(g.Rows)
	}
	return n
}

// A group is a number of rows under a common name, or under none.
type group struct {
	Name string
	Rows []row
}

// A row is one of a table. A row with a Text instead of cells spans it.
type row struct {
	Name  string
	Key   template.HTML // the glyph of its series, if it has one
	Cells []cell
	Minor bool // a line that explains the one above
	Text  string
}

// A cell is a figure.
type cell struct {
	Text string
	More string // its interval, for example
	From string // where it is in the raw results, as a JSON pointer (RFC 6901)
	Best bool
	None bool // there is no figure
	Mark template.HTML
}

// textCell returns a cell with what is no figure.
func textCell(s string) cell { return cell{Text: s} }

// none returns a cell without a figure, for a reason.
func none(why string) cell { return cell{Text: why, None: true} }

// at returns the cell with the place of its figure.
func (c cell) at(format string, args ...any) cell {
	c.From = fmt.Sprintf(format, args...)
	return c
}

// micros returns a cell for a summary of nanoseconds, as microseconds.
func micros(s bench.Summary) cell {
	switch {
	case s.N == 0:
		return none("–")
	case s.Lo <= 0 && s.Spread() < infinite:
		return cell{Text: "~0"}
	}
	return cell{Text: digits(s.Median / 1000), More: spread(s)}
}

// infinite is more than any spread that means something.
const infinite = 1e9

// times returns a cell for a ratio.
func times(c bench.Comparison) cell {
	switch {
	case !c.Different:
		return cell{Text: "~"}
	case c.Ratio.Lo <= 0 || c.Ratio.Spread() > infinite:
		return cell{Text: "≫"}
	}
	return cell{Text: digits(c.Ratio.Median), More: spread(c.Ratio)}
}

// Numbered says whether a row has cells.
func (r row) Numbered() bool { return len(r.Cells) > 0 }
