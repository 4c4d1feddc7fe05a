package report

import (
	"fmt"
	"strings"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/scale"
)

// atYourSize is the section of what the engines take at sites of some size.
func (b *builder) atYourSize() section {
	if len(b.Sites) == 0 {
		return section{}
	}
	s := section{ID: "size", Title: "at your size"}
	s.add(b.sizeTable())
	return s
}

func (b *builder) sizeTable() *table {
	session := b.Sites[0].Session
	t := &table{
		Caption: "what a site of a given size takes",
		Intro: []string{fmt.Sprintf("Sessions are like %s, of %d bytes, and live for %s; %s a page. -alive and "+
			"-requests-per-second say how large your site is.", session.Name, session.Size, days(b.Sites[0].Site.Life),
			plural(b.Model.RequestsPerPage, "request"))},
		Columns: []string{"engine", "cores", "queries/s", "in use", "tables", "cleanup", "up", "down", "price"},
		Notes: []string{
			"cores: of web servers, kept busy by sessions all the time. A site needs more, for its peaks and for all " +
				"else; a server's database has cores of its own, which were not measured. queries/s: to the database. in " +
				"use: connections to it, on average. tables: with their indexes; with Redis, memory. cleanup: how long it runs in a day on " +
				"a busy machine, half of that pausing. up, down: bytes of cookies in a day. price: dollars in 30 days, for " +
				"cores, bytes down and queries, not for storage. -: none; ?: not known of that engine.",
			"How it follows: pages a second are requests a second ÷ requests of a page; cores, queries, bytes and " +
				"price are that × those of a page. " + b.rowsFormula() + "Expired rows a day are sessions ÷ days that a " +
				"session lives. bench/results/rows.txt has what was measured for that, on tables of up to a million " +
				"sessions.",
		},
	}
	for i, o := range b.Sites {
		t.begin(fmt.Sprintf("%s sessions alive, %s requests a second", grouped(o.Site.Sessions),
			grouped(o.Site.Requests)))
		for j, n := range o.Engines {
			from := fmt.Sprintf("/sites/%d/engines/%d", i, j)
			tables, cleanup := none("-"), none("-")
			switch {
			case n.Rows != nil:
				tables = text("%s", byteText(n.Rows.Table+n.Rows.Index)).at("%s/rows", from)
				tables.More = fmt.Sprintf("%s the table, %s the indexes", byteText(n.Rows.Table),
					byteText(n.Rows.Index))
				if n.Rows.Cleanup > 0 {
					cleanup = text("%s", secondText(n.Rows.Cleanup)).at("%s/rows/cleanup_per_day", from)
					cleanup.More = grouped(n.Rows.Expire) + " rows"
				}
			case n.Queries > 0:
				tables, cleanup = none("?"), none("?")
			}
			t.add(n.Engine,
				cores(n.Cores).at("%s/cores", from),
				text("%s", grouped(n.Queries)).at("%s/queries_per_second", from),
				text("%s", small(n.Connections)).at("%s/connections", from), tables, cleanup,
				text("%s", byteText(n.Up)).at("%s/up_bytes_per_day", from),
				text("%s", byteText(n.Down)).at("%s/down_bytes_per_day", from),
				text("%s", small(n.Price.Value)).at("%s/price_per_30_days", from))
		}
		for _, engine := range o.TooLarge {
			t.add(engine, none("too large"))
		}
	}
	return t.orNil()
}

// cores returns a cell for a number of cores.
func cores(e bench.Estimate) cell {
	c := cell{Text: small(e.Value)}
	if e.Value >= leastShown {
		c.Spread = spread(e)
	}
	return c
}

// rowsFormula says what a row takes, for each engine of which that is known.
func (b *builder) rowsFormula() string {
	var formulas []string
	for _, n := range b.Sites[0].Engines {
		if n.Rows != nil {
			row := n.Rows.Row
			formula := fmt.Sprintf("of %s (%s) %.0f + %.0f bytes × sessions", n.Engine, scale.DatabaseOf(n.Engine).Name,
				row.Table, row.Index)
			if row.Cleanup > 0 {
				formula += fmt.Sprintf(", and %.0f µs × expired rows", 1e6*row.Cleanup)
			}
			formulas = append(formulas, formula)
		}
	}
	if formulas == nil {
		return ""
	}
	return "Table, indexes and cleanup: " + strings.Join(formulas, "; ") + ". "
}

// days formats how long a session lives.
func days(d time.Duration) string {
	if n := d.Hours() / 24; n >= 2 {
		return digits(n) + " days"
	}
	return digits(d.Hours()) + " hours"
}

// grouped formats a number with spaces between groups of three digits, and with
// three digits at least.
func grouped(v float64) string {
	if v < 1000 {
		return digits(v)
	}
	text := whole(v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// leastShown is what [small] shows at the least.
const leastShown = 0.001

// small formats v with two significant digits where it is less than 1.
func small(v float64) string {
	switch {
	case v >= 1e3:
		return grouped(v)
	case v > 0 && v < leastShown:
		return fmt.Sprintf("<%v", leastShown)
	}
	return short(v)
}

// byteText formats bytes with three digits.
func byteText(v float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for i < len(units)-1 && v >= 999.5 {
		v, i = v/1000, i+1
	}
	return digits(v) + " " + units[i]
}

// secondText formats seconds with three digits.
func secondText(v float64) string {
	switch {
	case v >= 3600:
		return digits(v/3600) + " h"
	case v >= 60:
		return digits(v/60) + " min"
	case v >= 1:
		return digits(v) + " s"
	}
	return digits(1000*v) + " ms"
}
