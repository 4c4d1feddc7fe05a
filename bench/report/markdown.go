package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the document as Markdown with tables as GitHub has them
// (GitHub Flavored Markdown, section 4.10).
func (d *Document) WriteMarkdown(w io.Writer) error {
	var out bytes.Buffer
	paragraphs := func(lines []string) {
		for _, line := range lines {
			fmt.Fprintf(&out, "%s\n\n", markdown.Replace(line))
		}
	}
	fmt.Fprintf(&out, "# %s\n\n", markdown.Replace(d.Title))
	for _, f := range d.Facts {
		fmt.Fprintf(&out, "- %s: %s\n", f.Name, markdown.Replace(f.Value))
	}
	out.WriteByte('\n')
	paragraphs(d.Warnings)
	for _, sections := range [][]section{{d.Verdict}, d.Model, d.Measured} {
		for _, s := range sections {
			if s.Intro == nil && s.Parts == nil {
				continue
			}
			fmt.Fprintf(&out, "## %s\n\n", markdown.Replace(title(s.Title)))
			paragraphs(s.Intro)
			for _, part := range s.Parts {
				t := part.Table
				if part.Figure != nil {
					t = part.Figure.spelledOut()
				}
				if t != nil {
					fmt.Fprintf(&out, "### %s\n\n", markdown.Replace(title(t.Caption)))
					paragraphs(t.Intro)
					t.writeMarkdown(&out)
					paragraphs(t.Notes)
				}
			}
		}
	}
	fmt.Fprintf(&out, "## How it was measured\n\n")
	paragraphs(d.Method)
	_, err := w.Write(out.Bytes())
	return err
}

// markdown puts a backslash before what would be a part of the markup.
var markdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", "[", `\[`, "~",
	`\~`)

func (t *table) writeMarkdown(out *bytes.Buffer) {
	for n, line := range t.lines() {
		for i := range t.Columns {
			text := ""
			if i < len(line) {
				text = markdown.Replace(strings.TrimSpace(line[i]))
			}
			fmt.Fprintf(out, "| %s ", text)
		}
		out.WriteString("|\n")
		if n == 0 {
			out.WriteString("| --- |" + strings.Repeat(" ---: |", len(t.Columns)-1) + "\n")
		}
	}
	out.WriteByte('\n')
}

// spelledOut returns what a figure shows as a table, or nil if another table
// has it.
func (f *figure) spelledOut() *table {
	if f.Bars == nil {
		return f.Data
	}
	t := &table{Caption: f.Title, Columns: []string{"size", "sessions", "share"}}
	for _, b := range f.Bars {
		t.add(strings.Join(strings.Fields(b.Name), " "), text("%d", b.N), text("%s", b.Share))
	}
	return t
}
