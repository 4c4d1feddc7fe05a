package report

import (
	"fmt"
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
	if len(b.Settings.NearCaches) > 0 {
		http += fmt.Sprintf("; a near cache has the session for %s of the requests that use it", percent(m.CacheHits))
	}
	t := &table{
		Caption: "what a page costs",
		Intro: []string{fmt.Sprintf("Assumed: a database %s away; visitors with %v Mbit/s up and %v down; %v pages "+
			"that read the session for each that writes it; %d requests a page, of which %s the session; %s. "+
			"Prices in dollars: %v for an hour of a core, %v for a GB sent, %v for a million queries. Flags change "+
			"each of these.", milliseconds(m.RoundTrip), m.Uplink, m.Downlink, m.ReadsPerWrite,
			m.RequestsPerPage, uses, http, m.CPUHour, m.GBOut, m.MillionQueries)},
		Columns: []string{"session, engine", "server µs", "queries", "up B", "down B"},
		Notes: []string{"What an average page takes because of its session: processor time in the server, queries, and " +
			"bytes of cookie; how many milliseconds later it is complete, with the database on the web server and as " +
			"far away as assumed; and the price of a million pages. " + b.prices()},
	}
	for _, trip := range b.Trips() {
		name := "ms, db here"
		if trip > 0 {
			name = "ms, db " + milliseconds(trip)
		}
		t.Columns = append(t.Columns, name)
	}
	t.Columns = append(t.Columns, "$")
	for _, size := range b.Settings.Sessions {
		t.begin(sessionName(size))
		for _, engine := range b.Settings.Engines {
			if cells := b.pageCells(size.Name, engine); cells != nil {
				t.add(engine, cells...)
			}
		}
		i := slices.IndexFunc(b.Pages, func(p bench.PageComparison) bool { return p.Session == size.Name })
		if equal := b.Pages[i].EqualAt; equal != nil && equal.Value > 0 {
			at := measured(*equal, 1e-6)
			t.add(fmt.Sprintf("equal when the database is %s ms away", at.Text+at.Spread))
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
				measured(e.CPU, 1e6).at("%s/cpu_s", from),
				text("%s", digits(e.Queries)).at("%s/queries", from),
				text("%s", whole(e.Up)).at("%s/up_bytes", from), text("%s", whole(e.Down)).at("%s/down_bytes", from),
			}
		}
		later := measured(e.Time, 1000).at("%s/time_s", from)
		later.Ahead = p.Ahead() == engine
		cells = append(cells, later)
		price = text("%s", strconv.FormatFloat(e.Price, 'f', 2, 64)).at("%s/price_per_million", from)
	}
	if cells != nil {
		cells = append(cells, price)
	}
	return cells
}

// turnTable is what would change the verdict: a line for each value of an input
// beyond which another engine is ahead.
func (b *builder) turnTable() *table {
	t := &table{Caption: "what would change the verdict", Columns: []string{"session, input", "ahead then"}, Detail: true}
	var ranges []string
	for _, input := range bench.Inputs() {
		lo, hi := input.Range()
		ranges = append(ranges, strings.TrimSpace(fmt.Sprintf("%v to %v %s", lo, hi, input.Unit())))
	}
	t.Notes = []string{fmt.Sprintf("Each line changes one input and leaves the others as assumed. Tried were, for %s: "+
		"%s.", list(inputNames()), strings.Join(ranges, ", "))}
	other := "with HTTP/1.1"
	if b.Model.HTTP1 {
		other = "with HTTP/2"
	}
	for i, s := range b.Sensitivity {
		t.begin(fmt.Sprintf("%s, %d B: now %s", s.Session, b.size(s.Session), now(s)))
		for j, turn := range s.Turns {
			phrase, value := turnWords(turn)
			t.add(strings.TrimSpace(fmt.Sprintf("with %s %s %s", phrase, value, turn.Input.Unit())), text("%s", turn.Ahead).at("/sensitivity/%d/turns/%d/ahead", i, j))
		}
		if s.OtherHTTP != s.Ahead {
			t.add(other, text("%s", s.OtherHTTP).at("/sensitivity/%d/ahead_with_other_http", i))
		}
		if len(t.Groups[len(t.Groups)-1].Rows) == 0 {
			t.add("nothing that was tried", none(""))
		}
	}
	return t.orNil()
}

func inputNames() []string {
	var names []string
	for _, input := range bench.Inputs() {
		names = append(names, string(input))
	}
	return names
}

// now returns the engine that is ahead with the inputs as they are.
func now(s bench.Sensitivity) string {
	if s.Told {
		return s.Ahead
	}
	return "not clear"
}

// leadTable is which engine is ahead for which round trips, as the map shows it.
func (b *builder) leadTable() *table {
	t := &table{
		Caption: "where the verdict changes",
		Columns: []string{"session", "ahead with the database on the web server", "changes at", "ahead beyond"},
	}
	for i, leads := range b.Sensitivity {
		name := fmt.Sprintf("%s, %d B", leads.Session, b.size(leads.Session))
		engine := func(j int) cell {
			l := leads.Leads[j]
			c := text("%s", l.Engine).at("/sensitivity/%d/leads/%d/engine", i, j)
			if len(l.Ties) > 0 {
				c.More = "or " + strings.Join(l.Ties, " or ")
			}
			return c
		}
		if len(leads.Leads) == 1 {
			t.add(name, engine(0), none("nowhere"), none(""))
		}
		for j, l := range leads.Leads[1:] {
			trip := measured(*l.From, 1e-6)
			trip.Text += " ms"
			trip = trip.at("/sensitivity/%d/leads/%d/from_round_trip_ns", i, j+1)
			t.add(name, engine(j), trip, engine(j+1))
		}
	}
	return t.orNil()
}
