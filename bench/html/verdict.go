package html

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// trips returns the round trips for which there are pages.
func (b *builder) trips() []time.Duration {
	var trips []time.Duration
	for _, p := range b.Pages {
		if !slices.Contains(trips, p.RoundTrip) {
			trips = append(trips, p.RoundTrip)
		}
	}
	return trips
}

// distance names a round trip to the database.
func distance(trip time.Duration) string {
	if trip == 0 {
		return "database on the web server"
	}
	return "database " + milliseconds(trip) + " away"
}

// aheadTable is the verdict, session by session.
func (b *builder) aheadTable() *table {
	if b.Rounds == 0 || b.Quiet.TooNoisy() {
		return nil
	}
	t := &table{Caption: "Whose pages are complete first", Left: true, Columns: []string{"session"}}
	for _, trip := range b.trips() {
		t.Columns = append(t.Columns, distance(trip))
	}
	var g group
	for _, s := range b.Settings.Sessions {
		r := row{Name: sessionName(s)}
		for i, p := range b.Pages {
			if p.Session != s.Name {
				continue
			}
			from := fmt.Sprintf("/pages/%d", i)
			switch {
			case len(p.Engines) == 0:
				r.Cells = append(r.Cells, none("too large for all").at("%s/too_large", from))
			case p.Ahead == "":
				r.Cells = append(r.Cells, textCell("~").at("%s/p", from))
			default:
				c := cell{Text: p.Ahead, Mark: b.engineKey(p.Ahead)}
				if len(p.TooLarge) > 0 {
					c.More = "too large for " + list(p.TooLarge)
				}
				r.Cells = append(r.Cells, c.at("%s/ahead", from))
			}
		}
		g.Rows = append(g.Rows, r)
	}
	t.Groups = []group{g}
	t.Notes = []string{"~: the engines cannot be told apart."}
	return t
}

// turnsTable is what would change the verdict.
func (b *builder) turnsTable() *table {
	if len(b.Sensitivity) == 0 || b.Quiet.TooNoisy() {
		return nil
	}
	other := "HTTP/1.1"
	if b.Model.HTTP1 {
		other = "HTTP/2"
	}
	t := &table{Caption: "What would change the verdict", Columns: []string{"session", "ahead now"}}
	for _, input := range bench.Inputs() {
		name := string(input)
		if unit := input.Unit(); unit != "" {
			name += ", " + unit
		}
		t.Columns = append(t.Columns, name)
	}
	t.Columns = append(t.Columns, "with "+other)
	var g group
	for i, s := range b.Sensitivity {
		r := row{Name: fmt.Sprintf("%s, %s", s.Session, bytesOf(b.size(s.Session)))}
		ahead := cell{Text: s.Ahead, Mark: b.engineKey(s.Ahead)}
		if !s.Told {
			ahead = textCell("~")
		}
		r.Cells = append(r.Cells, ahead.at("/sensitivity/%d/ahead", i))
		for _, input := range bench.Inputs() {
			c := none("–")
			for j, turn := range s.Turns {
				if turn.Input == input {
					sign := "< "
					if turn.Above {
						sign = "> "
					}
					c = cell{Text: sign + digits(turn.At.Median), More: turn.Ahead}.at("/sensitivity/%d/turns/%d/at", i, j)
				}
			}
			r.Cells = append(r.Cells, c)
		}
		c := none("the same").at("/sensitivity/%d/ahead_with_other_http", i)
		if s.OtherHTTP != s.Ahead {
			c = cell{Text: s.OtherHTTP, Mark: b.engineKey(s.OtherHTTP)}.at("/sensitivity/%d/ahead_with_other_http", i)
		}
		r.Cells = append(r.Cells, c)
		g.Rows = append(g.Rows, r)
	}
	t.Groups = []group{g}
	var ranges []string
	for _, input := range bench.Inputs() {
		lo, hi := input.Range()
		ranges = append(ranges, strings.TrimSpace(fmt.Sprintf("%s %v to %v %s", input, lo, hi, input.Unit())))
	}
	t.Notes = []string{"One input at a time, all others as assumed: beyond the value, the engine with it is ahead. ~: the engines cannot be told apart. –: no value in the range changes the verdict (" + strings.Join(ranges, ", ") + ")."}
	return t
}

func (b *builder) mapSection() *section {
	s := &section{ID: "map", Title: "Round trip and session size"}
	if b.Rounds == 0 || len(b.Pages) == 0 {
		s.Missing = "Nothing was measured: the run was interrupted before its first round was complete."
		return s
	}
	s.Intro = []string{"A cookie takes the visitor's line; a row takes a round trip to the database. The farther away the database is, the larger a session can be before its cookie costs more."}
	s.add(b.mapFigure())
	t := &table{Caption: "Where the verdict changes", Left: true, Columns: []string{"session", "ahead with the database on the web server", "changes at", "ahead beyond"}}
	var g group
	for i, leads := range b.Leads {
		first := leads.Leads[0]
		r := row{Name: leads.Session + ", " + bytesOf(b.size(leads.Session))}
		c := cell{Text: first.Engine, Mark: b.engineKey(first.Engine)}
		if len(first.Ties) > 0 {
			c.More = "~ " + strings.Join(first.Ties, ", ")
		}
		r.Cells = append(r.Cells, c.at("/leads/%d/leads/0/engine", i))
		if len(leads.Leads) == 1 {
			r.Cells = append(r.Cells, none("–"), none("–"))
		}
		for j, l := range leads.Leads[1:] {
			name := r
			if j > 0 {
				name = row{Minor: true, Cells: []cell{none("")}}
			} else {
				name.Cells = slices.Clone(r.Cells)
			}
			value := cell{Text: digits(l.From.Median/1e6) + " ms", More: spread(*l.From)}
			beyond := cell{Text: l.Engine, Mark: b.engineKey(l.Engine)}
			if len(l.Ties) > 0 {
				beyond.More = "~ " + strings.Join(l.Ties, ", ")
			}
			name.Cells = append(name.Cells, value.at("/leads/%d/leads/%d/from_round_trip_ns", i, j+1), beyond.at("/leads/%d/leads/%d/engine", i, j+1))
			g.Rows = append(g.Rows, name)
		}
		if len(leads.Leads) == 1 {
			g.Rows = append(g.Rows, r)
		}
	}
	if g.Rows != nil {
		t.Groups = []group{g}
		t.Notes = []string{"~: cannot be told apart from the engine before it, each by a test of its own."}
		s.Tables = append(s.Tables, t)
		s.Beside = true
	}
	return s
}

func (b *builder) pageSection() *section {
	s := &section{ID: "page", Title: "What a page costs"}
	if b.Rounds == 0 || len(b.Pages) == 0 {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	trips := b.trips()
	t := &table{Caption: "An average page's share for its session", Columns: []string{"session, engine", "server, µs", "queries", "bytes up", "bytes down"}}
	for _, trip := range trips {
		name := "ms, database here"
		if trip > 0 {
			name = "ms, " + milliseconds(trip) + " away"
		}
		t.Columns = append(t.Columns, name)
	}
	t.Columns = append(t.Columns, "$ a million")
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for _, engine := range b.Settings.Engines {
			r := row{Name: engine, Key: b.engineKey(engine)}
			first := true
			var price cell
			for i, p := range b.Pages {
				if p.Session != size.Name {
					continue
				}
				if slices.Contains(p.TooLarge, engine) {
					r.Text = "too large for a cookie"
					break
				}
				at := slices.IndexFunc(p.Engines, func(e bench.EnginePage) bool { return e.Engine == engine })
				if at < 0 {
					continue
				}
				e, from := p.Engines[at], fmt.Sprintf("/pages/%d/engines/%d", i, at)
				if first {
					r.Cells = append(r.Cells,
						textCell(digits(1e6*e.Server)).at("%s/server_s", from), textCell(digits(e.Queries)).at("%s/queries", from),
						textCell(whole(e.Up)).at("%s/up_bytes", from), textCell(whole(e.Down)).at("%s/down_bytes", from))
					first = false
				}
				c := textCell(digits(1000*e.Seconds())).at("%s", from)
				c.Best = p.Ahead == engine
				r.Cells = append(r.Cells, c)
				price = textCell(strconv.FormatFloat(e.Price, 'f', 3, 64)).at("%s/price_per_million", from)
			}
			if r.Text == "" && r.Cells == nil {
				continue
			}
			if r.Text == "" {
				r.Cells = append(r.Cells, price)
			}
			g.Rows = append(g.Rows, r)
		}
		t.Groups = append(t.Groups, g)
	}
	t.Notes = []string{
		"ms: how much later a page is complete because of its session, with the database on the web server and as far away as assumed: the server's work, a round trip for each query, and the cookie's bytes on the visitor's line, one after the other. " +
			"Marked: the engine that is ahead; where none is, they cannot be told apart. $: the price of a million pages.",
	}
	s.Tables = []*table{t}
	return s
}

func (b *builder) behaviourSection() *section {
	s := &section{ID: "behaviour", Title: "What no figure shows"}
	if len(b.Behaviours) == 0 {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	t := &table{Caption: "Tried in this run", Left: true, Columns: append([]string{""}, b.Settings.Engines...)}
	var g group
	for _, behaviour := range bench.Behaviours() {
		r := row{Name: string(behaviour) + ": " + behaviour.Meaning()}
		for _, engine := range b.Settings.Engines {
			c := none("–")
			for i, result := range b.Behaviours {
				if result.Engine == engine && result.Behaviour == behaviour {
					c = textCell(map[bool]string{true: "yes", false: "no"}[result.Observed]).at("/behaviours/%d/observed", i)
					c.Best = !result.Observed
				}
			}
			r.Cells = append(r.Cells, c)
		}
		g.Rows = append(g.Rows, r)
	}
	t.Groups = []group{g}
	t.Notes = []string{"All of these are better not true."}
	s.Tables = []*table{t}
	return s
}
