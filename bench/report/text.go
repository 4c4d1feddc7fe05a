package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// textWidth is the number of columns that the text keeps to.
const textWidth = 80

// WriteText writes the document for a terminal, in lines of at most 80 columns.
func (d *Document) WriteText(w io.Writer) error {
	p := new(printer)
	p.paragraph(d.Title)
	p.out.WriteByte('\n')
	for _, f := range d.Facts {
		fmt.Fprintln(&p.out, cut(fmt.Sprintf("%-9s %s", f.Name, f.Value), textWidth))
	}
	p.warnings(d)
	for _, sections := range [][]section{d.Measured, d.Model, {d.Verdict}} {
		for _, s := range sections {
			p.section(s)
		}
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// A printer writes the parts of a document. out does not fail.
type printer struct{ out bytes.Buffer }

func (p *printer) title(title string) { fmt.Fprintf(&p.out, "\n%s\n", strings.ToUpper(title)) }

func (p *printer) warnings(d *Document) {
	for _, line := range d.Warnings {
		p.out.WriteByte('\n')
		p.paragraph(line)
	}
}

// paragraph writes text, broken into lines.
func (p *printer) paragraph(text string) {
	column := 0
	for word := range strings.FieldsSeq(text) {
		width := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+width > textWidth:
			p.out.WriteByte('\n')
			column = 0
		default:
			p.out.WriteByte(' ')
			column++
		}
		p.out.WriteString(word)
		column += width
	}
	p.out.WriteByte('\n')
}

// section writes a section: of figures, those that are made of bars. A section
// with an introduction has its own title, which is enough for its first table.
func (p *printer) section(s section) {
	if s.Intro != nil {
		p.title(s.Title)
		for _, line := range s.Intro {
			p.paragraph(line)
		}
	}
	for i, part := range s.Parts {
		switch {
		case part.Table != nil:
			if i > 0 || s.Intro == nil {
				p.title(part.Table.Caption)
			}
			p.table(part.Table)
		case part.Figure.Bars != nil:
			p.title(part.Figure.Title)
			p.bars(part.Figure.Bars)
		}
	}
}

// barWidth is the number of columns of the longest bar.
const barWidth = 40

func (p *printer) bars(bars []bar) {
	most := 1
	for _, b := range bars {
		most = max(most, b.N)
	}
	for _, b := range bars {
		length := (b.N*barWidth + most - 1) / most // some of it, if there is one
		line := fmt.Sprintf("%s %8d %6s  %s", b.Name, b.N, b.Share, strings.Repeat("█", length))
		fmt.Fprintln(&p.out, strings.TrimRight(line, " "))
	}
}

// table writes a table: the first column to the left, all others to the right,
// and lines of a single cell across all. Columns are separated by two spaces or,
// where that does not fit, by one; and where that does not either, what is widest
// is cut.
func (p *printer) table(t *table) {
	for _, line := range t.Intro {
		p.paragraph(line)
	}
	if t.Intro != nil {
		p.out.WriteByte('\n')
	}
	lines := t.lines()
	widths := make([]int, len(t.Columns))
	total := len(t.Columns) - 1
	for _, line := range lines {
		for i, cell := range line {
			if len(line) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, w := range widths {
		total += w
	}
	for ; total > textWidth; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		widths[widest]--
	}
	gap := " "
	if total+len(widths)-1 <= textWidth {
		gap = "  "
		total += len(widths) - 1
	}
	for n, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			switch {
			case len(line) == 1:
				b.WriteString(cell)
			case i == 0:
				fmt.Fprintf(&b, "%-*s", widths[i], cut(cell, widths[i]))
			default:
				fmt.Fprintf(&b, "%s%*s", gap, widths[i], cut(cell, widths[i]))
			}
		}
		fmt.Fprintln(&p.out, strings.TrimRight(b.String(), " "))
		if n == 0 {
			fmt.Fprintln(&p.out, strings.Repeat("─", total))
		}
	}
	for _, line := range t.Notes {
		p.paragraph(line)
	}
}

// lines returns the table's texts, the header first.
func (t *table) lines() [][]string {
	lines := [][]string{t.Columns}
	above := make([]string, len(t.Columns))
	for _, g := range t.Groups {
		indent := ""
		if g.Name != "" {
			lines = append(lines, []string{g.Name})
			indent = "  "
		}
		for _, r := range g.Rows {
			line := []string{indent + r.Name}
			for _, c := range r.Cells {
				line = append(line, c.Text+c.Spread)
			}
			full := line
			if t.Ditto > 0 && line[0] == above[0] {
				line = append(make([]string, t.Ditto), line[t.Ditto:]...)
			}
			above = full
			lines = append(lines, line)
		}
	}
	return lines
}

// cut returns s in at most n columns.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
