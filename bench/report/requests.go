package report

import (
	"fmt"
	"slices"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/suite"
	"sessionengine/bench/survey"
)

// tableKinds are the kinds of request that have a column. Again has a table of
// its own.
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

// perKind fills a table that has a column for each kind of request. extra, unless
// nil, adds to the row of an engine.
func (b *builder) perKind(t *table, value func(i int, q *bench.RequestResult) cell,
	extra func(session, engine string)) *table {
	t.Columns = kindColumns("session, engine")
	for _, size := range b.Settings.Sessions {
		t.begin(sessionName(size))
		for _, engine := range b.Settings.Engines {
			var cells []cell
			for _, kind := range tableKinds() {
				i := b.RequestIndex(engine, size.Name, kind)
				switch {
				case i < 0:
					cells = append(cells, none(""))
				case b.Requests[i].TooLarge != "":
					cells = append(cells, none("too large").at("/requests/%d/too_large", i))
				default:
					cells = append(cells, value(i, &b.Requests[i]))
				}
			}
			t.add(engine, cells...)
			if extra != nil {
				extra(size.Name, engine)
			}
		}
	}
	return t
}

// times is the section of what is measured in this process.
func (b *builder) times() section {
	s := section{ID: "time", Title: "time in the server"}
	if b.Rounds == 0 {
		s.Missing = b.missing(suite.Requests)
	} else {
		s.draw(b.timeFigure(bench.Read), b.timeFigure(bench.Write))
		s.add(b.timeTable(), b.againTable(), b.floorTable())
		s.add(b.perKind(&table{Caption: "allocations of a request", Detail: true},
			func(i int, _ *bench.RequestResult) cell { return b.allocations(i) }, nil))
	}
	s.add(b.queryTable())
	return s
}

func (b *builder) timeTable() *table {
	t := &table{Caption: "time of a request in the server, in microseconds"}
	b.perKind(t,
		func(i int, q *bench.RequestResult) cell {
			j := b.CostIndex(q.Engine, q.Session, q.Kind)
			if j < 0 {
				return none("-")
			}
			return micros(b.Costs[j].CPU).at("/costs/%d/cpu_ns", j)
		},
		func(session, engine string) {
			var cells []cell
			found := false
			for _, kind := range tableKinds() {
				c := none("")
				for i, ratio := range b.Ratios {
					if ratio.Session == session && ratio.Engine == engine && ratio.Kind == kind {
						c, found = times(ratio.Comparison).at("/ratios/%d/ratio", i), true
					}
				}
				cells = append(cells, c)
			}
			if found {
				g := &t.Groups[len(t.Groups)-1]
				g.Rows = append(g.Rows, row{Name: "ratio", Cells: cells, Minor: true})
			}
		})
	note := "Processor time of a request, what its garbage costs later included, over that of an empty handler; ± is " +
		"how far the 95 % interval reaches. ratio: the line above divided by the one of " + b.Settings.Engines[0] + ", " +
		"without garbage; equal: they differ by less than 2 % or 0.2 µs, or cannot be told apart. about 0: less than the harness " +
		"can tell."
	if b.Rounds < bench.MinRounds {
		note += fmt.Sprintf(" ±∞: an interval takes %d rounds.", bench.MinRounds)
	}
	t.Notes = []string{note}
	return t
}

// againTable compares visitors who come back at once with those who do not, for
// the engines that remember tokens.
func (b *builder) againTable() *table {
	t := &table{
		Caption: "a visitor who comes back at once, in microseconds",
		Columns: []string{"engine, session", "read", "again", "ratio", "read allocs", "again"},
		Detail:  true,
		Notes: []string{"The requests of all other tables come from so many visitors that the engine has forgotten " +
			"each of them when it comes back. An engine that remembers the cookies it decoded a moment ago does " +
			"better when it has not. Engines and sessions that make no difference are left out."},
	}
	for i, a := range b.Again {
		if !a.Different {
			continue
		}
		read, again := b.RequestIndex(a.Engine, a.Session, bench.Read), b.RequestIndex(a.Engine, a.Session, bench.Again)
		net := func(j int) cell {
			k := b.CostIndex(b.Requests[j].Engine, b.Requests[j].Session, b.Requests[j].Kind)
			return micros(b.Costs[k].Inline).at("/costs/%d/inline_ns", k)
		}
		t.add(a.Engine+", "+a.Session, net(read), net(again), times(a.Comparison).at("/again/%d/ratio", i),
			b.allocations(read), b.allocations(again))
	}
	return t.orNil()
}

// floorTable compares engines with what they cannot do without.
func (b *builder) floorTable() *table {
	t := &table{
		Caption: "beside the bare library and the bare queries",
		Columns: []string{"engine, session", "read: bare", "engine", "write: bare", "engine"},
		Detail:  true,
		Notes: []string{"bare: the time in microseconds of what such an engine is made of, without it, measured in the same " +
			"rounds. For cookies that is securecookie and the usual DEFLATE, there and with a write back; for rows a " +
			"prepared SELECT, and with a write an UPDATE, on the same database settings. engine: how many times as long " +
			"the engine takes. Below 1 it is quicker than that: signedcookie, for example, compresses with an encoder of " +
			"its own."},
	}
	for _, engine := range b.Settings.Engines {
		for _, s := range b.Settings.Sessions {
			var cells []cell
			found := false
			for _, kind := range []bench.Kind{bench.Read, bench.Write} {
				i := slices.IndexFunc(b.Floor, func(f bench.FloorRatio) bool {
					return f.Engine == engine && f.Session == s.Name && f.Kind == kind
				})
				if i < 0 {
					cells = append(cells, none(""), none(""))
					continue
				}
				found = true
				ratio := b.Floor[i].Ratio
				cells = append(cells, micros(b.Floor[i].Floor).at("/floor_ratios/%d/floor_ns", i),
					inPercent(ratio, 1).at("/floor_ratios/%d/ratio", i))
			}
			if found {
				t.add(engine+", "+s.Name, cells...)
			}
		}
	}
	return t.orNil()
}

// allocations returns a cell for those of a request over the empty handler's.
func (b *builder) allocations(i int) cell {
	q := &b.Requests[i]
	allocs := q.Allocs
	for _, e := range b.Empty {
		if e.Session == q.Session && e.Kind == q.Kind {
			allocs -= e.Allocs
		}
	}
	return text("%.0f", max(allocs, 0)).at("/requests/%d/allocs_per_op", i)
}

func (b *builder) queryTable() *table {
	t := &table{Caption: "database queries of a request", Columns: kindColumns("engine"), Detail: true}
	for _, engine := range b.Settings.Engines {
		// Most engines send the same queries for all sessions: one line.
		bySession := make(map[string][]string)
		rows := make(map[string][]cell)
		var order []string
		for _, s := range b.Settings.Sessions {
			var figures []string
			var cells []cell
			for _, kind := range tableKinds() {
				if i := b.RequestIndex(engine, s.Name, kind); i >= 0 && b.Requests[i].TooLarge == "" {
					cells = append(cells, text("%s", count(b.Requests[i].Queries)).at("/requests/%d/queries_per_op", i))
					figures = append(figures, count(b.Requests[i].Queries))
				}
			}
			if len(cells) != len(tableKinds()) {
				continue
			}
			line := strings.Join(figures, " ")
			if rows[line] == nil {
				order = append(order, line)
				rows[line] = cells
			}
			bySession[line] = append(bySession[line], s.Name)
		}
		for _, line := range order {
			name := engine
			if len(order) > 1 {
				name += ", " + strings.Join(bySession[line], " ")
			}
			t.add(name, rows[line]...)
		}
	}
	return t.orNil()
}

// cookies is the section of bytes of cookie.
func (b *builder) cookies() section {
	s := section{ID: "cookies", Title: "bytes of cookie"}
	t := &table{
		Caption: "bytes of cookie", Columns: []string{"session", "JSON", "engine", "up", "down: write", "login",
			"logout"}, Ditto: 2,
		Notes: []string{"up: the value of the Cookie header of a request that reads, name and \"=\" included; every " +
			"request to the site carries it. down: the value of the Set-Cookie header, attributes included."},
	}
	for _, size := range b.Settings.Sessions {
		for _, engine := range b.Settings.Engines {
			read := b.RequestIndex(engine, size.Name, bench.Read)
			if read < 0 {
				continue
			}
			cells := []cell{text("%d", size.Size), text("%s", engine)}
			if b.Requests[read].TooLarge != "" {
				t.add(size.Name, append(cells, none("too large").at("/requests/%d/too_large", read))...)
				continue
			}
			cells = append(cells, text("%s", whole(b.Requests[read].CookieUp)).at("/requests/%d/cookie_up_bytes", read))
			for _, kind := range []bench.Kind{bench.Write, bench.Login, bench.Logout} {
				c := none("-")
				if i := b.RequestIndex(engine, size.Name, kind); i >= 0 && b.Requests[i].TooLarge == "" {
					c = text("%s", whole(b.Requests[i].CookieDown)).at("/requests/%d/cookie_down_bytes", i)
				}
				cells = append(cells, c)
			}
			t.add(size.Name, cells...)
		}
	}
	s.add(t.orNil())
	if len(b.Encoders) > 0 {
		s.draw(b.encoderFigure())
		s.add(b.encoderTable())
	}
	if s.Parts == nil {
		s.Missing = b.missing(suite.Requests)
	}
	return s
}

func (b *builder) encoderTable() *table {
	t := &table{
		Caption: "bytes of cookie by encoder",
		Notes: []string{"Medians of different sessions of each kind, name included. trained: with a dictionary of " +
			"other sessions of that kind; - where there are too few of them."},
	}
	encoders := slices.DeleteFunc(survey.Encoders(), func(name string) bool {
		return !slices.ContainsFunc(b.Encoders, func(e survey.EncoderSizes) bool { return e.Encoder == name })
	})
	t.Columns = append([]string{"session", "JSON"}, encoders...)
	for _, kind := range b.encodedKinds() {
		first := slices.IndexFunc(b.Encoders, func(e survey.EncoderSizes) bool { return e.Session == kind })
		cells := []cell{sizes(b.Encoders[first].JSON).at("/encoders/%d/json_bytes", first)}
		for _, name := range encoders {
			i := slices.IndexFunc(b.Encoders, func(e survey.EncoderSizes) bool {
				return e.Session == kind && e.Encoder == name
			})
			if i < 0 {
				cells = append(cells, none("-"))
				continue
			}
			e := b.Encoders[i]
			c := sizes(e.Cookie).at("/encoders/%d/cookie_bytes", i)
			if 2*e.TooLarge > e.Sessions {
				c.Text, c.More = "too large", fmt.Sprintf("%d of %d", e.TooLarge, e.Sessions)
			} else if e.TooLarge > 0 {
				c.More += fmt.Sprintf(", %d of %d too large", e.TooLarge, e.Sessions)
			}
			cells = append(cells, c)
		}
		t.add(kind, cells...)
	}
	return t
}

// encodedKinds returns the kinds of session that the encoders were tried on.
func (b *builder) encodedKinds() []string {
	var kinds []string
	for _, e := range b.Encoders {
		if !slices.Contains(kinds, e.Session) {
			kinds = append(kinds, e.Session)
		}
	}
	return kinds
}

// sizes returns a cell for some sizes.
func sizes(z survey.Sizes) cell {
	c := text("%d", z.Median)
	if z.Min != z.Max {
		c.More = fmt.Sprintf("%d–%d", z.Min, z.Max)
	}
	return c
}

// behaviours is the section of what no figure shows.
func (b *builder) behaviours() section {
	s := section{ID: "behaviour", Title: "what no figure shows"}
	if len(b.Behaviours) == 0 {
		s.Missing = b.missing(suite.Requests)
		return s
	}
	s.add(b.behaviourTable())
	return s
}

// good is what a table of behaviours says where nothing goes wrong.
const good = "safe"

// behaviourTable has what was tried in the run, or is nil.
func (b *builder) behaviourTable() *table {
	if len(b.Behaviours) == 0 {
		return nil
	}
	t := &table{Caption: "attacks and accidents, carried out in this run",
		Columns: append([]string{"does it go wrong?"}, b.Settings.Engines...)}
	for _, behaviour := range bench.Behaviours() {
		var cells []cell
		for _, engine := range b.Settings.Engines {
			c := none("")
			for i, result := range b.Behaviours {
				if result.Engine == engine && result.Behaviour == behaviour {
					c = text(good).at("/behaviours/%d/observed", i)
					if result.Observed {
						c.Text = "OPEN"
					}
				}
			}
			cells = append(cells, c)
		}
		t.add(behaviour.Meaning(), cells...)
	}
	return t
}
