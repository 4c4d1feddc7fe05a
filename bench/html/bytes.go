package html

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/suite"
	"sessionengine/bench/wire"
)

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
