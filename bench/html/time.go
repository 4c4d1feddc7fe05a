package html

import (
	"fmt"
	"slices"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

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
