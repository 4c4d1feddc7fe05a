package html

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/load"
	"sessionengine/bench/suite"
	"sessionengine/bench/wire"
)

// A section is a part of the page under a heading.
type section struct {
	ID      string
	Title   string
	Missing string   // why there is nothing, if there is nothing
	Intro   []string // paragraphs
	Figures []*figure
	Beside  bool // whether the first table is beside the figure where there is room
	Tables  []*table
}

func (s *section) add(figures ...*figure) {
	for _, f := range figures {
		if f != nil {
			s.Figures = append(s.Figures, f)
		}
	}
}

// A builder makes the parts of a page from a report.
type builder struct{ *suite.Report }

// confidence is that of the intervals of a report.
func (b *builder) confidence() float64 {
	if b.Quiet.Noisy() {
		return 0.99
	}
	return 0.95
}

func (b *builder) size(session string) int {
	for _, s := range b.Settings.Sessions {
		if s.Name == session {
			return s.Size
		}
	}
	return 0
}

func bytesOf(n int) string { return strconv.Itoa(n) + " B" }

// sessionName names a session with its size.
func sessionName(s bench.SessionSize) string { return s.Name + ", " + bytesOf(s.Size) }

// requestIndex returns where a kind of request is in the results, or -1.
func (b *builder) requestIndex(engine, session string, kind bench.Kind) int {
	return slices.IndexFunc(b.Requests, func(q bench.RequestResult) bool {
		return q.Engine == engine && q.Session == session && q.Kind == kind
	})
}

func (b *builder) request(engine, session string, kind bench.Kind) *bench.RequestResult {
	if i := b.requestIndex(engine, session, kind); i >= 0 {
		return &b.Requests[i]
	}
	return nil
}

// net returns the nanoseconds of a request over the empty handler's.
func (b *builder) net(q *bench.RequestResult) []float64 {
	net := slices.Clone(q.Nanosec)
	for i := range net {
		net[i] -= b.Empty.Nanosec[i]
	}
	return net
}

// missing tells why a stage has nothing to show.
func (b *builder) missing(stage suite.StageName) string {
	if b.State(stage) == suite.Interrupted {
		return "The run was interrupted before this was measured."
	}
	return "Not measured in this run. go run . -full -html report.html measures it."
}

// partly tells that a stage was interrupted, if it was.
func (b *builder) partly(stage suite.StageName, rounds int) []string {
	if b.State(stage) != suite.Interrupted {
		return nil
	}
	return []string{fmt.Sprintf("Interrupted: what follows is from %s.", plural(rounds, "complete round", "complete rounds"))}
}

// sections returns all of the page's, in their order.
func (b *builder) sections() []*section {
	all := []*section{
		b.mapSection(), b.pageSection(), b.timeSection(), b.cookieSection(), b.wireSection(),
		b.loadSection(), b.validationSection(), b.behaviourSection(),
	}
	if b.Survey != nil {
		all = append(all, b.surveySection())
	}
	return all
}

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

// engineKey is the glyph of an engine.
func (b *builder) engineKey(engine string) template.HTML { return key(b.style(engine)) }

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
	t.Notes = []string{"One input at a time, all others as assumed: beyond the value, the engine under it is ahead. ~: the engines cannot be told apart. –: no value in the range changes the verdict (" + strings.Join(ranges, ", ") + ")."}
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
			c.More = "not to be told from " + list(first.Ties)
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
				beyond.More = "not to be told from " + list(l.Ties)
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

// tableKinds are the kinds of request that have a column.
func tableKinds() []bench.Kind {
	return slices.DeleteFunc(bench.Kinds(), func(k bench.Kind) bool { return k == bench.Again })
}

func kindColumns(first string) []string {
	columns := []string{first}
	for _, k := range tableKinds() {
		columns = append(columns, string(k))
	}
	return columns
}

// perKind returns the groups of a table that has a column for each kind of
// request.
func (b *builder) perKind(value func(i int, q *bench.RequestResult) cell, extra func(session, engine string) *row) []group {
	var groups []group
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for _, engine := range b.Settings.Engines {
			r := row{Name: engine, Key: b.engineKey(engine)}
			for _, kind := range tableKinds() {
				i := b.requestIndex(engine, size.Name, kind)
				switch {
				case i < 0:
					r.Cells = append(r.Cells, none("–"))
				case b.Requests[i].TooLarge != "":
					r.Cells = append(r.Cells, none("too large").at("/requests/%d/too_large", i))
				default:
					r.Cells = append(r.Cells, value(i, &b.Requests[i]))
				}
			}
			g.Rows = append(g.Rows, r)
			if extra != nil {
				if more := extra(size.Name, engine); more != nil {
					g.Rows = append(g.Rows, *more)
				}
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func (b *builder) timeSection() *section {
	s := &section{ID: "time", Title: "Time in the server"}
	if b.Rounds == 0 {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	empty := bench.Summarize(b.Empty.Nanosec, b.confidence())
	s.Intro = []string{fmt.Sprintf("Measured in this process, around an empty handler, whose own %s µs (%s) are taken off.", digits(empty.Median/1000), spread(empty))}
	s.add(b.timeFigure(bench.Read), b.timeFigure(bench.Write))

	t := &table{Caption: "Time of a request, in microseconds", Columns: kindColumns("session, engine")}
	t.Groups = b.perKind(
		func(i int, q *bench.RequestResult) cell {
			return micros(bench.Summarize(b.net(q), b.confidence())).at("/requests/%d/ns_per_op", i)
		},
		func(session, engine string) *row {
			r := row{Name: "÷ " + b.Settings.Engines[0], Minor: true}
			found := false
			for _, kind := range tableKinds() {
				c := none("")
				for i, ratio := range b.Ratios {
					if ratio.Session == session && ratio.Engine == engine && ratio.Kind == kind {
						c, found = times(ratio.Comparison).at("/ratios/%d/ratio", i), true
					}
				}
				r.Cells = append(r.Cells, c)
			}
			if !found {
				return nil
			}
			return &r
		})
	t.Notes = []string{fmt.Sprintf("Median over %s and how far its %.0f %% confidence interval reaches. ~0: not to be told from an empty handler. "+
		"÷: the line above divided by the first engine's; ~ where the two cannot be told apart, ≫ where the first is about 0.", plural(b.Rounds, "round", "rounds"), 100*b.confidence())}
	s.Tables = append(s.Tables, t)
	for _, t := range []*table{b.againTable(), b.floorTable(), b.allocationTable()} {
		if t != nil {
			t.Folded = true
			s.Tables = append(s.Tables, t)
		}
	}
	return s
}

// againTable compares visitors who come back at once with those who do not.
func (b *builder) againTable() *table {
	t := &table{
		Caption: "A visitor who comes back at once, in microseconds",
		Columns: []string{"session, engine", "read", "again", "allocations, read", "again"},
		Notes:   []string{"An engine that remembers the cookies it decoded a moment ago does better with a visitor who was there a moment ago. All other tables are of visitors that it has forgotten. Engines without such a memory are left out."},
	}
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for _, engine := range b.Settings.Engines {
			i, j := b.requestIndex(engine, size.Name, bench.Read), b.requestIndex(engine, size.Name, bench.Again)
			if i < 0 || j < 0 || len(b.Requests[i].Nanosec) == 0 || len(b.Requests[j].Nanosec) == 0 {
				continue
			}
			read := bench.Summarize(b.net(&b.Requests[i]), b.confidence())
			again := bench.Summarize(b.net(&b.Requests[j]), b.confidence())
			if !(again.Hi < read.Lo) {
				continue
			}
			g.Rows = append(g.Rows, row{Name: engine, Key: b.engineKey(engine), Cells: []cell{
				micros(read).at("/requests/%d/ns_per_op", i), micros(again).at("/requests/%d/ns_per_op", j),
				b.allocations(i), b.allocations(j),
			}})
		}
		if g.Rows != nil {
			t.Groups = append(t.Groups, g)
		}
	}
	if t.Groups == nil {
		return nil
	}
	return t
}

// allocations returns a cell for those of a request over the empty handler's.
func (b *builder) allocations(i int) cell {
	return textCell(whole(bench.Summarize(b.Requests[i].Allocs, 0.95).Median-bench.Summarize(b.Empty.Allocs, 0.95).Median)).at("/requests/%d/allocs_per_op", i)
}

func (b *builder) allocationTable() *table {
	return &table{
		Caption: "Allocations of a request",
		Columns: kindColumns("session, engine"),
		Groups:  b.perKind(func(i int, _ *bench.RequestResult) cell { return b.allocations(i) }, nil),
		Notes:   []string{"Over the empty handler's."},
	}
}

// floorTable compares engines with what they cannot do without.
func (b *builder) floorTable() *table {
	if len(b.Floor) == 0 {
		return nil
	}
	t := &table{
		Caption: "How far from the floor",
		Columns: []string{"session, engine", "read: floor, µs", "engine ÷ floor", "write: floor, µs", "engine ÷ floor"},
		Notes: []string{"The floor is what an engine cannot do without, bare and measured in the same rounds. For cookies: securecookie and DEFLATE, there, and with a write back. " +
			"For rows: a prepared SELECT, and with a write an UPDATE, on the same database settings."},
	}
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for _, engine := range b.Settings.Engines {
			r := row{Name: engine, Key: b.engineKey(engine)}
			found := false
			for _, kind := range []bench.Kind{bench.Read, bench.Write} {
				i := slices.IndexFunc(b.Floor, func(f bench.FloorRatio) bool {
					return f.Engine == engine && f.Session == size.Name && f.Kind == kind
				})
				j := slices.IndexFunc(b.Floors, func(f bench.FloorResult) bool {
					return f.Engine == engine && f.Session == size.Name && f.Kind == kind
				})
				if i < 0 || j < 0 {
					r.Cells = append(r.Cells, none("–"), none("–"))
					continue
				}
				found = true
				ratio := b.Floor[i].Ratio
				r.Cells = append(r.Cells,
					micros(bench.Summarize(b.Floors[j].Nanosec, b.confidence())).at("/floors/%d/ns_per_op", j),
					cell{Text: digits(ratio.Median), More: spread(ratio)}.at("/floor_ratios/%d/ratio", i))
			}
			if found {
				g.Rows = append(g.Rows, r)
			}
		}
		if g.Rows != nil {
			t.Groups = append(t.Groups, g)
		}
	}
	return t
}

func (b *builder) cookieSection() *section {
	s := &section{ID: "cookies", Title: "Bytes and queries"}
	t := &table{Caption: "Bytes of cookie, and queries", Columns: []string{"session, engine", "up", "down: write", "down: login", "queries: read", "queries: write"}}
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for _, engine := range b.Settings.Engines {
			read, write, login := b.requestIndex(engine, size.Name, bench.Read), b.requestIndex(engine, size.Name, bench.Write), b.requestIndex(engine, size.Name, bench.Login)
			r := row{Name: engine, Key: b.engineKey(engine)}
			switch {
			case read < 0 || write < 0 || login < 0:
				continue
			case b.Requests[read].TooLarge != "":
				r.Text = "too large for a cookie"
			default:
				r.Cells = []cell{
					textCell(whole(b.Requests[read].CookieUp)).at("/requests/%d/cookie_up_bytes", read),
					textCell(whole(b.Requests[write].CookieDown)).at("/requests/%d/cookie_down_bytes", write),
					textCell(whole(b.Requests[login].CookieDown)).at("/requests/%d/cookie_down_bytes", login),
					textCell(count(b.Requests[read].Queries)).at("/requests/%d/queries_per_op", read),
					textCell(count(b.Requests[write].Queries)).at("/requests/%d/queries_per_op", write),
				}
			}
			g.Rows = append(g.Rows, r)
		}
		if g.Rows != nil {
			t.Groups = append(t.Groups, g)
		}
	}
	if t.Groups == nil {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	t.Notes = []string{"up: the value of the Cookie header, name included, which every request to the site carries. down: the value of the Set-Cookie header, attributes included."}
	if len(b.Encoders) > 0 {
		s.add(b.encoderFigure())
		s.Tables = append(s.Tables, b.encoderTable())
	} else {
		s.Intro = []string{"Cookies by encoder: " + lowerFirst(b.missing(suite.Encoders))}
	}
	s.Tables = append(s.Tables, t)
	return s
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func (b *builder) encoderTable() *table {
	t := &table{
		Caption: "Bytes of cookie, by encoder",
		Columns: append([]string{"session", "JSON"}, bench.Encoders()...),
		Notes: []string{"Median of different sessions of each kind, and the smallest to the largest; the name is included. trained: with a dictionary of other sessions of the kind; – where there are too few of them. " +
			"Browsers take 4096 bytes at most."},
	}
	var g group
	for i := 0; i < len(b.Encoders); {
		kind := b.Encoders[i].Session
		r := row{Name: kind, Cells: []cell{sizes(b.Encoders[i].JSON).at("/encoders/%d/json_bytes", i)}}
		for _, name := range bench.Encoders() {
			c := none("–")
			if i < len(b.Encoders) && b.Encoders[i].Session == kind && b.Encoders[i].Encoder == name {
				c = sizes(b.Encoders[i].Cookie).at("/encoders/%d/cookie_bytes", i)
				switch n := b.Encoders[i].TooLarge; n {
				case 0:
				case b.Encoders[i].Sessions:
					c.More = "too large"
				default:
					c.More += fmt.Sprintf(", %d of %d too large", n, b.Encoders[i].Sessions)
				}
				i++
			}
			r.Cells = append(r.Cells, c)
		}
		g.Rows = append(g.Rows, r)
	}
	t.Groups = []group{g}
	return t
}

// sizes returns a cell for some sizes.
func sizes(z bench.Sizes) cell {
	c := textCell(strconv.Itoa(z.Median))
	if z.Min != z.Max {
		c.More = fmt.Sprintf("%d–%d", z.Min, z.Max)
	}
	return c
}

func (b *builder) wireSection() *section {
	s := &section{ID: "wire", Title: "Bytes on the wire"}
	if b.Wire == nil {
		s.Missing = b.missing(suite.Wire)
		return s
	}
	tr := b.Wire.Trace
	change := "No request changes the session."
	if tr.ChangeEvery > 0 {
		change = fmt.Sprintf("One request in %d changes the session.", tr.ChangeEvery)
	}
	s.Intro = []string{fmt.Sprintf("Whole requests and responses, TLS included, counted on the connection of a visitor who browses %d pages: a document, %d calls and %d images each. %s "+
		"HTTP/2 sends a cookie that stays the same in a byte or two; one that changes is sent whole again.", tr.Pages, tr.Calls, tr.Assets, change)}
	var values []float64
	for i := range b.Wire.Cells {
		if c := &b.Wire.Cells[i]; c.TooLarge == "" && c.Engine != wire.NoSession {
			values = append(values, b.wireShare(c))
		}
	}
	if len(values) > 0 {
		s.add(b.wireFigure(wire.HTTP1, values), b.wireFigure(wire.HTTP2, values))
	}
	t := &table{
		Caption: "Bytes of a page on the wire",
		Columns: []string{"session, engine", "cookie", "HTTP/1.1 up", "HTTP/1.1 down", "HTTP/2 up", "HTTP/2 down"},
		Notes:   []string{"no session: the whole page, on a site without sessions. For the engines: what is more than that. Counts repeat within a percent or two."},
	}
	for _, size := range b.Settings.Sessions {
		g := group{Name: sessionName(size)}
		for i := range b.Wire.Cells {
			one := &b.Wire.Cells[i]
			if one.Session != size.Name || one.Protocol != wire.HTTP1 {
				continue
			}
			r := row{Name: one.Engine, Key: b.engineKey(one.Engine)}
			if one.Engine == wire.NoSession {
				r.Name = "no session"
			}
			j := slices.IndexFunc(b.Wire.Cells, func(c wire.Cell) bool {
				return c.Engine == one.Engine && c.Session == one.Session && c.Protocol == wire.HTTP2
			})
			if one.TooLarge != "" || j < 0 {
				r.Text = "too large for a cookie"
				g.Rows = append(g.Rows, r)
				continue
			}
			two := &b.Wire.Cells[j]
			a, c, format := one.Page, two.Page, whole
			if one.Engine != wire.NoSession {
				a, c, format = a.Minus(b.Wire.Floor(one).Page), c.Minus(b.Wire.Floor(two).Page), signed
			}
			r.Cells = []cell{
				textCell(whole(float64(one.Cookie))).at("/wire/cells/%d/cookie", i),
				textCell(format(a.Up)).at("/wire/cells/%d/page/up", i), textCell(format(a.Down)).at("/wire/cells/%d/page/down", i),
				textCell(format(c.Up)).at("/wire/cells/%d/page/up", j), textCell(format(c.Down)).at("/wire/cells/%d/page/down", j),
			}
			g.Rows = append(g.Rows, r)
		}
		if g.Rows != nil {
			t.Groups = append(t.Groups, g)
		}
	}
	s.Tables = []*table{t}
	return s
}

// A condition is under what load samples were taken.
type condition struct {
	session     string
	mix         load.Mix
	concurrency int
	loop        load.Loop
}

func (c condition) String() string {
	what := map[load.Mix]string{load.Reads: "reads", load.Writes: "writes", load.Mixed: "reads and writes"}[c.mix]
	return fmt.Sprintf("%s loop, %s, %s", c.loop, plural(c.concurrency, "visitor", "visitors"), what)
}

func (b *builder) loadSection() *section {
	s := &section{ID: "load", Title: "Under load"}
	if b.Load == nil || b.Load.Rounds == 0 {
		s.Missing = b.missing(suite.Load)
		return s
	}
	http := "HTTP/2"
	if b.Load.HTTP1 {
		http = "HTTP/1.1"
	}
	s.Intro = append(b.partly(suite.Load, b.Load.Rounds), fmt.Sprintf("Whole requests over TLS and %s, to a server in the same process, in two ways. Closed loop: each visitor sends a request when the last one is answered. "+
		"Open loop: requests come at random moments, at %.0f %% of the rate that the slowest engine can take, and their time counts from the moment they were to be sent. "+
		"Differences count, not absolute times: the visitors use the same processors.", http, 100*b.Load.Utilization))
	var order []condition
	indexes := make(map[condition][]int)
	var values []float64
	for i, sample := range b.Load.Samples {
		c := condition{sample.Session, sample.Mix, sample.Concurrency, sample.Loop}
		if indexes[c] == nil {
			order = append(order, c)
		}
		indexes[c] = append(indexes[c], i)
		if c.session == b.Load.Samples[0].Session && sample.Latency.N > 0 {
			values = append(values, float64(sample.Latency.P50)/1e6, float64(sample.Latency.Max)/1e6)
		}
	}
	slices.SortStableFunc(order, func(a, b condition) int { return strings.Compare(string(a.loop), string(b.loop)) })
	t := &table{
		Caption: "Latency, in milliseconds",
		Columns: []string{"engine"},
		Notes:   []string{"± is the 95 % interval of the median over the rounds. The percentiles are those of all requests of all rounds together. failed: requests that got no answer or an error, or were not sent in time."},
	}
	for _, p := range percentiles {
		t.Columns = append(t.Columns, p.name)
	}
	t.Columns = append(t.Columns, "requests a second", "failed")
	sessions := slices.Compact(mapSlice(order, func(c condition) string { return c.session }))
	for _, session := range slices.Compact(slices.Sorted(slices.Values(sessions))) {
		for _, c := range order {
			if c.session != session {
				continue
			}
			g := group{Name: session + ", " + c.String()}
			var samples []load.Sample
			for _, i := range indexes[c] {
				sample := b.Load.Samples[i]
				samples = append(samples, sample)
				g.Rows = append(g.Rows, b.loadRow(i, sample))
			}
			t.Groups = append(t.Groups, g)
			if session == b.Load.Samples[0].Session {
				s.add(b.latencyFigure(session+", "+c.String(), samples, values))
			}
		}
	}
	s.Tables = []*table{t}
	return s
}

func mapSlice[T, U any](all []T, f func(T) U) []U {
	result := make([]U, len(all))
	for i, v := range all {
		result[i] = f(v)
	}
	return result
}

func (b *builder) loadRow(i int, sample load.Sample) row {
	r := row{Name: sample.Engine, Key: b.engineKey(sample.Engine)}
	if sample.Engine == load.NoSession {
		r.Name = "no session"
	}
	if sample.TooLarge != "" {
		r.Text = "too large for a cookie"
		return r
	}
	for k, p := range percentiles {
		c := textCell(digits(p.of(sample.Latency)/1e6)).at("/load/samples/%d/latency/%s", i, p.path)
		if k == 0 {
			c.More = spread(sample.Median)
		}
		r.Cells = append(r.Cells, c)
	}
	throughput := cell{Text: whole(sample.Throughput.Median), More: spread(sample.Throughput)}.at("/load/samples/%d/throughput", i)
	r.Cells = append(r.Cells, throughput, textCell(strconv.Itoa(sample.Errors+sample.Unsent)).at("/load/samples/%d/errors", i))
	return r
}

func (b *builder) validationSection() *section {
	s := &section{ID: "model", Title: "The model against measurements"}
	v := b.Validation
	if v == nil {
		s.Missing = b.missing(suite.Links)
		return s
	}
	s.Intro = append(b.partly(suite.Links, b.Links.Rounds), "The verdict follows from a model. Here is what it predicts for pages whose time was measured, through a server and over links as slow as each line says. "+
		"A prediction is what the page takes on a site without sessions, measured, and what the model says that the session adds.")
	s.Intro = append(s.Intro, v.Lines()...)
	s.add(b.validationFigure())
	t := &table{
		Caption: "Milliseconds of a page",
		Columns: []string{"engine", "measured", "predicted", "error", "without a session"},
		Folded:  len(v.Observations) > 24,
	}
	var last *group
	for i, o := range v.Observations {
		if last == nil || last.Name != o.Scenario {
			t.Groups = append(t.Groups, group{Name: o.Scenario})
			last = &t.Groups[len(t.Groups)-1]
		}
		last.Rows = append(last.Rows, row{Name: o.Engine, Key: b.engineKey(o.Engine), Cells: []cell{
			cell{Text: digits(1000 * o.Measured.Median), More: spread(o.Measured)}.at("/validation/observations/%d/measured_s", i),
			textCell(digits(1000*o.Predicted)).at("/validation/observations/%d/predicted_s", i),
			textCell(digits(100*o.Error())+" %").at("/validation/observations/%d", i),
			textCell(digits(1000*o.Without)).at("/validation/observations/%d/without_session_s", i),
		}})
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

func (b *builder) surveySection() *section {
	v := b.Survey
	s := &section{ID: "yours", Title: "Your sessions"}
	intro := plural(v.Sessions, "session", "sessions")
	if v.Tried < v.Sessions {
		intro += fmt.Sprintf(", %d of them tried, evenly spaced", v.Tried)
	}
	s.Intro = []string{intro + ". Nothing of their content is in this report."}
	t := &table{Caption: "Bytes", Columns: []string{"", "too large", "least", "median", "90 %", "99 %", "greatest"}}
	line := func(name, from string, tooLarge cell, z bench.Sizes) row {
		return row{Name: name, Cells: []cell{
			tooLarge, textCell(strconv.Itoa(z.Min)).at("%s/min", from), textCell(strconv.Itoa(z.Median)).at("%s/median", from),
			textCell(strconv.Itoa(z.P90)).at("%s/p90", from), textCell(strconv.Itoa(z.P99)).at("%s/p99", from), textCell(strconv.Itoa(z.Max)).at("%s/max", from),
		}}
	}
	g := group{Rows: []row{line("JSON", "/survey/json_bytes", none("–"), v.JSON)}}
	for i, e := range v.Engines {
		share := textCell("none")
		if e.TooLarge > 0 {
			share = textCell(digits(math.Round(1000*float64(e.TooLarge)/float64(v.Tried))/10) + " %")
		}
		g.Rows = append(g.Rows, line("cookie, "+e.Engine, fmt.Sprintf("/survey/engines/%d/cookie_bytes", i), share.at("/survey/engines/%d/too_large", i), e.Cookie))
	}
	t.Groups = []group{g}
	s.Tables = []*table{t}
	return s
}
