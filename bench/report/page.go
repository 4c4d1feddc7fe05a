package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

var (
	//go:embed page.tmpl
	pageTemplate string

	//go:embed style.css
	styleSheet string
)

// longTable is the number of rows that a table has at most without being folded.
const longTable = 40

// WritePage writes the document as one page of HTML that needs nothing else: no
// network, no other file. It can be read on a phone, printed, and in light and in
// dark. A script of its own works pages out again with other inputs; without it,
// the page lacks that and nothing else. The raw results are in it, for download.
func (d *Document) WritePage(w io.Writer) error {
	raw, err := json.Marshal(d.raw)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	t, err := template.New("page").Funcs(template.FuncMap{"key": d.key, "title": title,
		"inc": func(i int) int { return i + 1 }}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		*Document
		Style    template.CSS
		Sections []section
		Missing  []string
		Download template.URL
		Bytes    int

		ScriptHash string
	}{
		d, template.CSS(styleSheet),
		slices.DeleteFunc(slices.Concat(d.Model, d.Measured), func(s section) bool { return s.Missing != "" }),
		d.missing(),
		template.URL("data:application/json;base64," + base64.StdEncoding.EncodeToString(raw)), len(raw), scriptHash(),
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}

// key returns the glyph of an engine, or of one that a name begins with, and
// nothing for other names.
func (d *Document) key(name string) template.HTML {
	engine, _, _ := strings.Cut(name, ", ")
	if engine != noSession && !slices.Contains(d.Engines, engine) {
		return ""
	}
	return key(styleOf(d.Engines, engine))
}

// title returns a heading: with a capital letter.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Keys returns the legend: the glyph and the name of each series.
func (f *figure) Keys() []legendItem {
	var items []legendItem
	for _, s := range f.Series {
		if len(s.Points) > 0 || f.Spans != nil {
			items = append(items, legendItem{key(s.Style), s.Name})
		}
	}
	return items
}

type legendItem struct {
	Key  template.HTML
	Name string
}

// Folded reports whether the table is shown when it is asked for only.
func (t *table) Folded() bool {
	rows := 0
	for _, g := range t.Groups {
		rows += len(g.Rows)
	}
	return t.Detail || rows > longTable
}

// Span returns how many columns a cell takes.
func (t *table) Span(r row, i int) int {
	if i == len(r.Cells)-1 {
		return len(t.Columns) - 1 - i
	}
	return 1
}
