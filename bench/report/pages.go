package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// pages is the section of what the model says.
func (b *builder) pages() section {
	s := section{ID: "page", Title: "what a page costs"}
	if b.Rounds == 0 || len(b.Pages) == 0 {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	s.add(b.pageTable(), b.turnTable())
	return s
}

func (b *builder) pageTable() *table {
	m := b.Model
	http := "HTTP/2: the first request of a page carries the cookie, the others a byte"
	if m.HTTP1 {
		http = "HTTP/1.1: each request carries the cookie"
	}
	uses := "one uses"
	if m.SessionRequests > 1 {
		uses = fmt.Sprintf("%d use", m.SessionRequests)
	}
	if m.CacheHits > 0 {
		http += fmt.Sprintf("; a cache near the web server answers %s of the reads", percent(m.CacheHits))
	}
	t := &table{
		Caption: "what a page costs",
		Intro: []string{fmt.Sprintf("Assumed: a database %s away; visitors with %v Mbit/s up and %v down; %v pages "+
			"that read the session for each that writes it; %d requests a page, of which %s the session; %s. "+
			"Prices in dollars: %v for an hour of a core, %v for a GB sent, %v for a million queries. Flags change "+
			"each of these.", milliseconds(m.RoundTrip), m.Uplink, m.Downlink, m.ReadsPerWrite,
			m.RequestsPerPage, uses, http, m.CPUHour, m.GBOut, m.MillionQueries)},
		Columns: []string{"session, engine", "server µs", "queries", "up B", "down B"},
		Notes: []string{"What an average page takes because of its session: time in the server, queries, bytes of " +
			"cookie; by how many milliseconds it is complete later, with the database on the web server and as far " +
			"away as assumed; and the price of a million pages. * is ahead; without a * the engines cannot be told " +
			"apart."},
	}
	for _, trip := range b.Trips() {
		name := "db here"
		if trip > 0 {
			name = "db " + milliseconds(trip)
		}
		t.Columns = append(t.Columns, name)
	}
	t.Columns = append(t.Columns, "price")
	for _, size := range b.Settings.Sessions {
		t.begin(sessionName(size))
		for _, engine := range b.Settings.Engines {
			if cells := b.pageCells(size.Name, engine); cells != nil {
				t.add(engine, cells...)
			}
		}
		i := slices.IndexFunc(b.Pages, func(p bench.PageComparison) bool { return p.Session == size.Name })
		if equal := b.Pages[i].EqualAt; equal != nil && equal.Value > 0 {
			t.add(fmt.Sprintf("equal when the database is %s ms away (%s)", digits(equal.Value/1e6), spread(*equal)))
		}
	}
	return t
}

// pageCells returns the row of an engine in the table of pages.
func (b *builder) pageCells(session, engine string) []cell {
	var cells []cell
	var price cell
	for i, p := range b.Pages {
		if p.Session != session {
			continue
		}
		if slices.Contains(p.TooLarge, engine) {
			return []cell{none("too large").at("/pages/%d/too_large", i)}
		}
		at := slices.IndexFunc(p.Engines, func(e bench.EnginePage) bool { return e.Engine == engine })
		if at < 0 {
			continue
		}
		e, from := p.Engines[at], fmt.Sprintf("/pages/%d/engines/%d", i, at)
		if cells == nil {
			cells = []cell{
				text("%s", digits(1e6*e.Server)).at("%s/server_s", from),
				text("%s", digits(e.Queries)).at("%s/queries", from),
				text("%s", whole(e.Up)).at("%s/up_bytes", from), text("%s", whole(e.Down)).at("%s/down_bytes", from),
			}
		}
		later := text("%s", digits(1000*e.Seconds())).at("%s", from)
		later.Ahead = p.Ahead() == engine
		cells = append(cells, later)
		price = text("%s", strconv.FormatFloat(e.Price, 'f', 3, 64)).at("%s/price_per_million", from)
	}
	if cells != nil {
		cells = append(cells, price)
	}
	return cells
}

// turnTable is what would change the verdict.
func (b *builder) turnTable() *table {
	t := &table{Caption: "what would change the verdict", Columns: []string{"session", "ahead"}}
	var ranges []string
	for _, input := range bench.Inputs() {
		name, _, _ := strings.Cut(string(input), " per ")
		t.Columns = append(t.Columns, name)
		lo, hi := input.Range()
		ranges = append(ranges, strings.TrimSpace(fmt.Sprintf("%v to %v %s", lo, hi, input.Unit())))
	}
	other := "HTTP/1.1"
	if b.Model.HTTP1 {
		other = "HTTP/2"
	}
	t.Columns = append(t.Columns, other)
	t.Notes = []string{fmt.Sprintf("Beyond which value of an input, all others being as assumed, another engine is "+
		"ahead: with a round trip below <, for example, or above >. In ms, Mbit/s, pages that read for each that "+
		"writes, requests of a page. -: none from %s. "+
		"~: the engines cannot be told apart.", strings.Join(slices.Compact(ranges), ", "))}
	for i, s := range b.Sensitivity {
		ahead := text("%s", s.Ahead)
		if !s.Told {
			ahead = text("~")
		}
		cells := []cell{ahead.at("/sensitivity/%d/ahead", i)}
		for _, input := range bench.Inputs() {
			c := none("-")
			for j, turn := range s.Turns {
				if turn.Input != input {
					continue
				}
				one := text("%s", turnText(turn)).at("/sensitivity/%d/turns/%d/at", i, j)
				one.More = "then " + turn.Ahead
				if !c.None {
					one.Text, one.More, one.From = c.Text+" "+one.Text, c.More+", "+one.More, ""
				}
				c = one
			}
			cells = append(cells, c)
		}
		c := none("-").at("/sensitivity/%d/ahead_with_other_http", i)
		if s.OtherHTTP != s.Ahead {
			c.Text, c.More, c.None = "yes", "then "+s.OtherHTTP, false
		}
		t.add(s.Session, append(cells, c)...)
	}
	return t.orNil()
}

// turnText returns the value beyond which another engine is ahead: "> 0.8" for
// example.
func turnText(t bench.Turn) string {
	value := t.At.Value
	switch {
	case t.Input == bench.RequestsInput && t.Above: // whole numbers
		return "> " + digits(math.Floor(value))
	case t.Input == bench.RequestsInput:
		return "< " + digits(math.Ceil(value))
	case t.Above:
		return "> " + short(value)
	}
	return "< " + short(value)
}

// leadTable is which engine is ahead for which round trips, as the map shows it.
func (b *builder) leadTable() *table {
	t := &table{
		Caption: "where the verdict changes",
		Columns: []string{"session", "ahead with the database on the web server", "changes at", "ahead beyond"},
		Notes:   []string{"~: cannot be told apart from the engine before it, each by a test of its own."},
	}
	for i, leads := range b.Sensitivity {
		name := fmt.Sprintf("%s, %d B", leads.Session, b.size(leads.Session))
		engine := func(j int) cell {
			l := leads.Leads[j]
			c := text("%s", l.Engine).at("/sensitivity/%d/leads/%d/engine", i, j)
			if len(l.Ties) > 0 {
				c.More = "~ " + strings.Join(l.Ties, ", ")
			}
			return c
		}
		if len(leads.Leads) == 1 {
			t.add(name, engine(0), none("-"), none("-"))
		}
		for j, l := range leads.Leads[1:] {
			trip := cell{Text: digits(l.From.Value/1e6) + " ms",
				Spread: spread(*l.From)}.at("/sensitivity/%d/leads/%d/from_round_trip_ns", i, j+1)
			t.add(name, engine(j), trip, engine(j+1))
		}
	}
	return t.orNil()
}
