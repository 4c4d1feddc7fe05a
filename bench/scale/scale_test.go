package scale

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"sessionengine/bench"
	"sessionengine/internal/opendb"
	"sessionengine/internal/openredis"
)

// The points are taken with
//
//	go test ./bench/scale -run TestPoints -timeout 2h -args -measure
//
// on SQLite, and on a server with -db URL as well.
var (
	measure  = flag.Bool("measure", false, "measure tables, which takes minutes, and write points.json anew")
	database = flag.String("db", "", "with -measure: measure tables of the server at this `URL`, and not SQLite's")
	update   = flag.Bool("update", false, "write bench/results/rows.txt anew, from points.json")
)

const rowsFile = "../results/rows.txt"

// tables are what is measured of each database.
var tables = []struct{ size, rows int }{
	{50, 100_000},
	{200, 10_000}, {200, 100_000}, {200, 1_000_000},
	{1000, 10_000}, {1000, 100_000},
	{2000, 100_000},
	{4000, 100_000},
}

// redisTables are those of Redis, where what a session takes does not depend on how many there are but for the size of
// the indexes, which doubles.
var redisTables = []struct{ size, rows int }{
	{50, 10_000}, {200, 10_000}, {200, 100_000}, {1000, 10_000}, {2000, 10_000}, {4000, 10_000},
}

// points.json holds what was measured, and bench/results/rows.txt shows all of it.
func TestPoints(t *testing.T) {
	if *measure {
		takePoints(t)
	}
	var shown bytes.Buffer
	writePoints(&shown, Measured())
	if *measure || *update {
		if err := os.WriteFile(rowsFile, shown.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(rowsFile)
	if err != nil {
		t.Fatal(err)
	}
	if shown.String() != string(want) {
		t.Errorf("%s does not show points.json; -update writes it anew", rowsFile)
	}
	for _, d := range Measured() {
		tables := tables
		if d.Name == "Redis" {
			tables = redisTables
		}
		if len(d.Points) != len(tables) {
			t.Fatalf("%s has %d points, want %d", d.Name, len(d.Points), len(tables))
		}
		for i, p := range d.Points {
			if p.Size != tables[i].size || p.Rows != tables[i].rows {
				t.Errorf("%s: a table of %d sessions of %d bytes, want %+v", d.Name, p.Rows, p.Size, tables[i])
			}
		}
	}
}

// A measurer measures a table that is empty.
type measurer interface {
	measure(t testing.TB, size, rows int) Point
	version(t testing.TB) (name, version string)
}

// takePoints measures one database, and puts its points into points.json.
func takePoints(t *testing.T) {
	open, tables := func(t testing.TB) measurer { return sqliteBed(t) }, tables
	if openredis.Is(*database) {
		tables = redisTables
		open = func(t testing.TB) measurer { return newRedisBed(t, *database) }
	} else if *database != "" {
		server, err := opendb.Parse(*database)
		if err != nil {
			t.Fatal(err)
		}
		open = func(t testing.TB) measurer { return newBed(t, server) }
	}
	found := Database{Environment: bench.CurrentEnvironment()}
	for _, table := range tables {
		t.Run(fmt.Sprintf("%d sessions of %d bytes", table.rows, table.size), func(t *testing.T) {
			b := open(t)
			found.Points = append(found.Points, b.measure(t, table.size, table.rows))
			found.Name, found.Version = b.version(t)
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	all := slices.DeleteFunc(Measured(), func(d Database) bool { return d.Name == found.Name })
	all = append(all, found)
	slices.SortFunc(all, func(a, b Database) int { return -cmp.Compare(a.Name, b.Name) }) // as bench lists them
	var err error
	if points, err = json.MarshalIndent(all, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("points.json", append(points, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// writePoints writes the points as tables.
func writePoints(out *bytes.Buffer, all []Database) {
	fmt.Fprint(out, `What a session takes in a table of package dbstore, and in Redis

session: bytes of JSON, on average; they vary from half of that to one and a half.
table, key, expiry: bytes a session in the table, in the index on session_key and in
that on expire_date, after half of the sessions were deleted and as many new ones
saved. In MySQL the table is the index on session_key. file: bytes a session on the
disk, with what is free.
insert: a row, with 200 in a statement. cleanup: of an expired row, by DeleteExpired,
500 at a time; half of that time it rests. Both were taken on a machine that was busy
with other work and its disk, and are longer than on an idle one. Bytes are the same.
Redis: table is the memory of keys and values, key and expiry that of the two indexes
of all keys, file all of that; insert is a save by one of 64 callers, and the server
itself deletes what has expired.
`)
	for _, d := range all {
		e := d.Environment
		fmt.Fprintf(out, "\n%s %s; %s, %s, %d cores for Go; %s; %s\n\n", d.Name, d.Version, e.CPU, e.Platform, e.Cores,
			e.GoVersion, e.Started.Format(time.DateOnly))
		w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "session\tsessions\ttable\tkey\texpiry\tfile\tinsert\tcleanup\t")
		for _, p := range d.Points {
			n := float64(p.Rows)
			fmt.Fprintf(w, "%d B\t%d\t%.1f B\t%.1f B\t%.1f B\t%.1f B\t%.0f µs\t%.0f µs\t\n", p.Size, p.Rows,
				float64(p.Table)/n, float64(p.KeyIndex)/n, float64(p.ExpiryIndex)/n, float64(p.File)/n, 1e6*p.Fill,
				1e6*p.Row().Cleanup)
		}
		w.Flush()
	}
}

// Round figures, worked out by hand.
func TestEstimate(t *testing.T) {
	site := Site{Sessions: 1_400_000, Requests: 2000, Life: 14 * 24 * time.Hour}
	model := bench.Model{RequestsPerPage: 20, CPUHour: 0.05}
	page := bench.Page{Server: 0.001, Wait: 0.002, Database: 0.003, Queries: 1.1, Up: 500, Down: 50, Price: 2}
	e := Engine{Name: "rows", Page: page, CPU: bench.Estimate{Value: 0.001, Lo: 0.0009, Hi: 0.0012, N: 10},
		Row: &Row{Table: 400, Index: 100, Cleanup: 0.001}}
	want := Needs{ // of 100 pages a second, 8,640,000 a day
		Engine: "rows", Cores: bench.Estimate{Value: 0.1, Lo: 0.09, Hi: 0.12, N: 10}, Queries: 110, Connections: 0.5,
		Rows: &RowNeeds{Row: *e.Row, Table: 560e6, Index: 140e6, Expire: 100_000, Cleanup: 100},
		Up:   4.32e9, Down: 432e6,
		// 0.01 cores less are 7.2 hours less in 30 days, and 0.02 more 14.4 hours.
		Price: bench.Estimate{Value: 518.4, Lo: 518.4 - 0.36, Hi: 518.4 + 0.72, N: 10},
	}
	if got := Estimate(site, model, e); !near(got, want) {
		t.Errorf("%+v and %+v,\nwant %+v and %+v", got, got.Rows, want, want.Rows)
	}
	e.Row, want.Rows = nil, nil
	if got := Estimate(site, model, e); !near(got, want) {
		t.Errorf("without rows: %+v, want %+v", got, want)
	}
}

// figures returns those that grow with requests, and those that grow with sessions.
func figures(n *Needs) (requests, sessions []*float64) {
	for _, e := range []*bench.Estimate{&n.Cores, &n.Price} {
		requests = append(requests, &e.Value, &e.Lo, &e.Hi)
	}
	requests = append(requests, &n.Queries, &n.Connections, &n.Up, &n.Down)
	if n.Rows != nil {
		sessions = []*float64{&n.Rows.Expire, &n.Rows.Cleanup, &n.Rows.Table, &n.Rows.Index}
	}
	return requests, sessions
}

// near reports whether needs are the same but for rounding.
func near(a, b Needs) bool {
	requestsA, sessionsA := figures(&a)
	requestsB, sessionsB := figures(&b)
	return a.Engine == b.Engine && slices.EqualFunc(append(requestsA, sessionsA...), append(requestsB, sessionsB...),
		func(x, y *float64) bool { return math.Abs(*x-*y) <= 1e-9*math.Abs(*y) })
}

// Twice the site takes twice as much, of whatever depends on what was doubled.
func TestEstimateGrowsWithTheSite(t *testing.T) {
	m := bench.DefaultModel()
	read := bench.Load{CPU: 1e-5, Queries: 1, Up: 100}
	write := bench.Load{CPU: 1e-4, Wait: 1e-3, Queries: 2, Up: 90, Down: 120}
	e := Engine{Page: m.Page(read, write, bench.Load{CPU: 1e-6}), Row: &Row{8, 9, 10}}
	e.CPU = bench.Estimate{Value: e.Page.Server, Lo: 0.9 * e.Page.Server, Hi: 1.2 * e.Page.Server}
	for _, site := range []Site{Small, Large} {
		for _, tc := range []struct {
			what                         string
			requests, sessions, life     float64
			growRequests, growRows, grow float64
		}{
			{"requests", 2, 1, 1, 2, 1, 1},
			{"sessions", 1, 2, 1, 1, 2, 2},
			{"life", 1, 1, 2, 1, 1, 0.5},
		} {
			larger := Site{tc.sessions * site.Sessions, tc.requests * site.Requests, time.Duration(tc.life) * site.Life}
			want := Estimate(site, m, e)
			requests, sessions := figures(&want)
			for _, f := range requests {
				*f *= tc.growRequests
			}
			for i, f := range sessions {
				*f *= []float64{tc.grow, tc.grow, tc.growRows, tc.growRows}[i]
			}
			if got := Estimate(larger, m, e); !near(got, want) {
				t.Errorf("twice the %s: %+v %+v, want %+v %+v", tc.what, got, got.Rows, want, want.Rows)
			}
		}
	}
}

func TestMedianSession(t *testing.T) {
	sizes := func(names ...string) []bench.SessionSize {
		var all []bench.SessionSize
		for _, name := range names {
			all = append(all, bench.SessionSize{Name: name, Size: len(name)})
		}
		return all
	}
	for _, tc := range []struct {
		sessions []bench.SessionSize
		want     string
	}{
		{sizes("aaa"), "aaa"}, {sizes("aaa", "a", "aa"), "aa"}, {sizes("aaaa", "a", "aaa", "aa"), "aa"},
		{sizes("yours-median", "yours-p90-much-larger", "yours-max-larger-still-and-more"), "yours-median"}, {nil, ""},
	} {
		if got := medianSession(tc.sessions); got.Name != tc.want {
			t.Errorf("%v: %v", tc.sessions, got)
		}
	}
}

func TestRowBetweenSizes(t *testing.T) {
	point := func(size, rows int, row, index float64, cleanup float64) Point {
		n := float64(rows)
		return Point{Size: size, Rows: rows, Table: int64(row * n), KeyIndex: int64(index * n / 2),
			ExpiryIndex: int64(index * n / 2), Deleted: 100, Cleanup: cleanup * 100}
	}
	d := &Database{Points: []Point{
		point(100, 1000, 1, 2, 9), point(100, 10_000, 200, 80, 1), // the larger one counts
		point(200, 20_000, 300, 90, 2), point(400, 10_000, 700, 90, 3),
	}}
	for _, tc := range []struct {
		size, table, index float64
	}{
		{100, 200, 80}, {150, 250, 85}, {200, 300, 90}, {300, 500, 90}, {500, 900, 90}, {50, 150, 75},
	} {
		want := Row{tc.table, tc.index, 2}
		if got := d.Row(tc.size); math.Abs(got.Table-want.Table)+math.Abs(got.Index-want.Index) > 1e-9 ||
			got.Cleanup != want.Cleanup {
			t.Errorf("%v bytes: %+v, want %+v", tc.size, got, want)
		}
	}
	if got := (&Database{Points: d.Points[2:3]}).Row(50); got != (Row{300, 90, 2}) {
		t.Errorf("of one point: %+v", got)
	}
}

// Each engine of package bench that keeps rows has points.
func TestDatabaseOf(t *testing.T) {
	for _, e := range bench.Engines() {
		d := DatabaseOf(e.Name)
		if rows := strings.HasPrefix(e.Name, "dbstore"); rows != (d != nil) {
			t.Errorf("%s: %v", e.Name, d)
		}
	}
	for name, want := range map[string]string{
		"dbstore-postgres": "PostgreSQL", "dbstore-mysql": "MySQL", "dbstore-sqlite": "SQLite", "own": "",
		"redisstore": "Redis", "redisstore+nearcache": "Redis", "dbstore-postgres+nearcache": "PostgreSQL",
	} {
		got := ""
		if d := DatabaseOf(name); d != nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSiteCheck(t *testing.T) {
	for _, s := range []Site{Small, Large} {
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []Site{
		{}, {0, 1, Life}, {1, 0, Life}, {1, 1, 0}, {-1, 1, Life}, {math.NaN(), 1, Life}, {1, math.Inf(1), Life},
	} {
		if s.Check() == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
}
