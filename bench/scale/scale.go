// Package scale works out what an engine takes at a site of a given size: cores,
// database queries, bytes of tables, time of the cleanup, bytes of cookies, and
// the price.
//
// What a page takes comes from a run of package bench ([bench.Model.Page]); what a
// row takes from tables of 10,000 to 1,000,000 sessions that were measured once on
// each database and are part of this package ([Measured]). [Estimate] multiplies
// them: everything grows as the number of sessions or of requests does.
package scale

import (
	"cmp"
	_ "embed" // for points.json
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sessionengine/bench"
)

// A Site is how large a site is.
type Site struct {
	// Sessions is how many sessions are alive at a time.
	Sessions float64 `json:"sessions"`

	// Requests is how many requests a second carry the cookie, images and
	// scripts too if they do, on the average of a day.
	Requests float64 `json:"requests_per_second"`

	// Life is how long a session lives, from its beginning to its expiry, on
	// average.
	Life time.Duration `json:"session_life_ns"`
}

// Life is how long a session lives unless a site says otherwise: two weeks, as
// with the zero session.Options and with Django.
const Life = 14 * 24 * time.Hour

// Small and Large are two sites to look at where nobody says a size.
var (
	Small = Site{Sessions: 10_000, Requests: 20, Life: Life}
	Large = Site{Sessions: 10_000_000, Requests: 20_000, Life: Life}
)

// Check returns what is wrong with the site.
func (s Site) Check() error {
	switch {
	case !(s.Sessions > 0 && s.Sessions <= 1e12):
		return fmt.Errorf("the sessions alive have to be more than 0 and at most 10^12, not %v", s.Sessions)
	case !(s.Requests > 0 && s.Requests <= 1e12):
		return fmt.Errorf("the requests a second have to be more than 0 and at most 10^12, not %v", s.Requests)
	case s.Life <= 0:
		return fmt.Errorf("the life of a session has to be more than 0, not %v", s.Life)
	}
	return nil
}

// A Row is what a session takes in a database, on a site where sessions come and
// go.
type Row struct {
	Table   float64 `json:"table_bytes"`
	Index   float64 `json:"index_bytes"` // of all indexes
	Cleanup float64 `json:"cleanup_s"`   // seconds to delete it, half of which the cleanup rests; 0 where the server does it
}

// An Engine is what is known of one, for sessions of some size.
type Engine struct {
	Name string
	Page bench.Page     // of the model
	CPU  bench.Estimate // of Page.Server, in seconds of a core
	Row  *Row           // nil if it keeps no rows, or not known
}

// Needs is what an engine takes at a site.
type Needs struct {
	Engine string `json:"engine"`

	// Cores is how many cores of web servers sessions keep busy all the time.
	Cores bench.Estimate `json:"cores"`

	Queries float64 `json:"queries_per_second"`

	// Connections is how many connections to the database are in use at a time,
	// on average: queries a second times the time of a query (Little's law).
	Connections float64 `json:"connections"`

	Rows *RowNeeds `json:"rows,omitempty"` // nil if it keeps none, or not known

	Up    float64        `json:"up_bytes_per_day"`   // of cookies, from visitors
	Down  float64        `json:"down_bytes_per_day"` // of cookies, to visitors
	Price bench.Estimate `json:"price_per_30_days"`  // of the cores, of Down, and of queries
}

// RowNeeds is what the rows of an engine take at a site.
type RowNeeds struct {
	Row     Row     `json:"row"`
	Table   float64 `json:"table_bytes"`
	Index   float64 `json:"index_bytes"`
	Expire  float64 `json:"expire_per_day"`  // rows that the cleanup has to delete
	Cleanup float64 `json:"cleanup_per_day"` // seconds, half of which it rests
}

const day = 24 * 60 * 60 // seconds

// Estimate works out what an engine takes, with the inputs of the model that the
// page is of:
//
//	pages a second      = requests a second / requests a page
//	cores               = pages a second × seconds of a core a page
//	queries a second    = pages a second × queries a page
//	connections         = pages a second × seconds that a page waits for the database
//	table, index        = sessions × bytes a row
//	rows expired a day  = sessions / days that a session lives
//	cleanup a day       = rows expired a day × seconds a row
//	cookies a day       = pages a second × 86400 × bytes a page
//	price of 30 days    = pages a second × 86400 × 30 × price a page
//
// The number of rows that expire is that of a steady site, where as many sessions
// begin as end; a logout leaves less to the cleanup.
func Estimate(site Site, m bench.Model, e Engine) Needs {
	pages := site.Requests / float64(m.RequestsPerPage)
	price := func(cpu float64) float64 {
		return pages * day * 30 * (e.Page.Price/1e6 + (cpu-e.Page.Server)/3600*m.CPUHour)
	}
	n := Needs{
		Engine:      e.Name,
		Cores:       of(e.CPU, func(cpu float64) float64 { return pages * cpu }),
		Queries:     pages * e.Page.Queries,
		Connections: pages * (e.Page.Database + e.Page.Wait),
		Up:          pages * day * e.Page.Up,
		Down:        pages * day * e.Page.Down,
		Price:       of(e.CPU, price),
	}
	if e.Row != nil {
		expire := site.Sessions / (site.Life.Seconds() / day)
		n.Rows = &RowNeeds{
			Row:     *e.Row,
			Table:   site.Sessions * e.Row.Table,
			Index:   site.Sessions * e.Row.Index,
			Expire:  expire,
			Cleanup: expire * e.Row.Cleanup,
		}
	}
	return n
}

// of returns an estimate of what f makes of an estimated value; f grows with it.
func of(e bench.Estimate, f func(float64) float64) bench.Estimate {
	e.Value, e.Lo, e.Hi = f(e.Value), f(e.Lo), f(e.Hi)
	return e
}

// An Outlook is what the engines of a run take at a site.
type Outlook struct {
	Site     Site              `json:"site"`
	Session  bench.SessionSize `json:"session"` // that all sessions are like
	Engines  []Needs           `json:"engines"`
	TooLarge []string          `json:"too_large,omitempty"` // engines that cannot carry the session
}

// Outlooks works out what the engines of a run take at each of the sites, with
// the session of median size: of a site's own sessions, or of those that were
// measured. It returns nil if nothing was measured.
func Outlooks(r *bench.Report, sites []Site) []Outlook {
	session := medianSession(r.Settings.Sessions)
	i := slices.IndexFunc(r.Pages, func(p bench.PageComparison) bool {
		return p.Session == session.Name && p.RoundTrip == r.Model.RoundTrip
	})
	if i < 0 {
		return nil
	}
	var outlooks []Outlook
	for _, site := range sites {
		o := Outlook{Site: site, Session: session, TooLarge: r.Pages[i].TooLarge}
		for _, p := range r.Pages[i].Engines {
			e := Engine{Name: p.Engine, Page: p.Page, CPU: p.CPU}
			if d := DatabaseOf(p.Engine); d != nil {
				row := d.Row(float64(session.Size))
				e.Row = &row
			}
			o.Engines = append(o.Engines, Estimate(site, r.Model, e))
		}
		outlooks = append(outlooks, o)
	}
	return outlooks
}

// medianSession returns the session of median size: the one that
// [bench.Representatives] calls so, or else the smaller of the two in the middle.
func medianSession(sessions []bench.SessionSize) bench.SessionSize {
	if len(sessions) == 0 {
		return bench.SessionSize{}
	}
	for _, s := range sessions {
		if strings.HasSuffix(s.Name, "-median") {
			return s
		}
	}
	sorted := slices.SortedStableFunc(slices.Values(sessions), func(a, b bench.SessionSize) int {
		return cmp.Compare(a.Size, b.Size)
	})
	return sorted[(len(sorted)-1)/2]
}

// A Database is one whose tables were measured.
type Database struct {
	Name        string            `json:"database"` // as a dbstore.Dialect is called, or Redis
	Version     string            `json:"version"`
	Environment bench.Environment `json:"environment"` // of the program that measured
	Points      []Point           `json:"points"`      // in the order of sizes, and then of rows
}

// A Point is what was measured of a table that package dbstore keeps, or of the keys
// of package redisstore: there Table is the memory of keys and values, the indexes
// are those that the server finds them and the expired ones by, and File is all of
// that. It was filled, half of its rows were deleted at random places, and as many new ones
// saved, as on a site where sessions come and go. Expiries are in no order, as
// those of sessions that are extended now and then.
type Point struct {
	// Size is how many bytes of JSON a session has on average. The sizes are
	// spread evenly from half of it to one and a half.
	Size int `json:"session_bytes"`
	Rows int `json:"rows"`

	// What the table takes in the end, in bytes. Where the rows are in the index
	// on the key, as in MySQL, KeyIndex is 0. File has what is free, too.
	Table       int64 `json:"table_bytes"`
	KeyIndex    int64 `json:"key_index_bytes"`
	ExpiryIndex int64 `json:"expiry_index_bytes"`
	File        int64 `json:"file_bytes"`

	Fill    float64 `json:"fill_s"`    // seconds to insert a row, many with a statement
	Deleted int     `json:"deleted"`   // by dbstore's cleanup, of those that had expired; 0 where the server does it
	Cleanup float64 `json:"cleanup_s"` // seconds for all of these, half of it rest
}

// Row returns what a row of the table takes.
func (p Point) Row() Row {
	n := float64(p.Rows)
	row := Row{Table: float64(p.Table) / n, Index: float64(p.KeyIndex+p.ExpiryIndex) / n}
	if p.Deleted > 0 {
		row.Cleanup = p.Cleanup / float64(p.Deleted)
	}
	return row
}

//go:embed points.json
var points []byte

// Measured returns the databases that were measured. bench/results/rows.txt shows
// their points.
func Measured() []Database {
	var all []Database
	if err := json.Unmarshal(points, &all); err != nil {
		panic("scale: points.json: " + err.Error()) // which a test reads
	}
	return all
}

// DatabaseOf returns the measured database in which an engine of package bench
// keeps its rows, or nil.
func DatabaseOf(engine string) *Database {
	name := map[string]string{
		"dbstore": "SQLite", "dbstore-sync": "SQLite", "dbstore-mem": "SQLite", "dbstore-sqlite": "SQLite",
		"dbstore-postgres": "PostgreSQL", "dbstore-mysql": "MySQL", "redisstore": "Redis",
	}[strings.TrimSuffix(engine, "+nearcache")]
	all := Measured()
	i := slices.IndexFunc(all, func(d Database) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// Row returns what a row takes for sessions of so many bytes of JSON. Bytes are
// those of the largest table of each size that was measured, and on the straight
// line between the two sizes next to it. Deleting a row takes as long as in the
// largest table of all.
func (d *Database) Row(size float64) Row {
	var sizes []float64
	var rows []Row
	largest := d.Points[0]
	for i, p := range d.Points {
		row := p.Row()
		if p.Rows > largest.Rows {
			largest = p
		}
		if i == len(d.Points)-1 || d.Points[i+1].Size != p.Size {
			sizes, rows = append(sizes, float64(p.Size)), append(rows, row)
		}
	}
	row := rows[0]
	if len(rows) > 1 {
		i := 1 // the upper one of the two
		for i < len(sizes)-1 && size > sizes[i] {
			i++
		}
		at := (size - sizes[i-1]) / (sizes[i] - sizes[i-1])
		between := func(a, b float64) float64 { return max(0, a+at*(b-a)) }
		row = Row{Table: between(rows[i-1].Table, rows[i].Table), Index: between(rows[i-1].Index, rows[i].Index)}
	}
	row.Cleanup = largest.Row().Cleanup
	return row
}
