package scale

import (
	"math"
	"os"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var (
	postgresServer = testserver.Postgres()
	mysqlServer    = testserver.MySQL()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgresServer, mysqlServer, redisServer)) }

// beds are the databases that a test tries.
func beds() map[string]func(*testing.T) *bed {
	server := func(s *testserver.Server, dialect dbstore.Dialect) func(*testing.T) *bed {
		return func(t *testing.T) *bed {
			url := s.Start(t).URL
			if dialect == dbstore.MySQL {
				url = "mysql://root@" + s.Addr + "/test"
			}
			return newBed(t, opendb.Database{Dialect: dialect, Location: url})
		}
	}
	return map[string]func(*testing.T) *bed{
		"SQLite":     func(t *testing.T) *bed { return sqliteBed(t) },
		"PostgreSQL": server(postgresServer, dbstore.Postgres),
		"MySQL":      server(mysqlServer, dbstore.MySQL),
	}
}

// A table that is filled quickly is as large as one that dbstore filled.
func TestFillIsAsDbstoreFills(t *testing.T) {
	const rows, size = 4000, 200
	for name, open := range beds() {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			var found [2]Point
			for i := range found {
				b, text := open(t), texts(t, size)
				expires := func(i int) time.Time { return time.Now().Add(time.Duration(i%1000) * time.Hour) }
				if i == 0 {
					if err := b.fill(ctx, rows, text, expires); err != nil {
						t.Fatal(err)
					}
				} else {
					for i := range rows {
						rec := &session.Record{Data: []byte(text()), Expires: expires(i).Truncate(time.Second)}
						if _, err := b.store.Save(ctx, "", rec); err != nil {
							t.Fatal(err)
						}
					}
				}
				if active, _, err := b.store.Count(ctx); err != nil || active < rows-rows/1000 {
					t.Errorf("%d sessions: %v", active, err)
				}
				if err := b.sizes(ctx, &found[i]); err != nil {
					t.Fatal(err)
				}
			}
			a, b := found[0], found[1]
			// Indexes of random keys are 40 to 50 pages here, as the splits of
			// their pages happen to fall: tables filled alike differ by 8 pages.
			same := func(what string, quick, slow int64, share, bytes float64) {
				if d := math.Abs(float64(quick - slow)); d > share*float64(slow)+bytes {
					t.Errorf("%s: %d bytes filled quickly, %d as dbstore does", what, quick, slow)
				}
			}
			same("table", a.Table, b.Table, 0.06, 16384)
			same("index of keys", a.KeyIndex, b.KeyIndex, 0.15, 5*8192)
			same("index of expiries", a.ExpiryIndex, b.ExpiryIndex, 0.15, 5*8192)
			t.Logf("%+v", found)
		})
	}
}

// What is measured is plausible on each database.
func TestMeasure(t *testing.T) {
	const rows, size = 4000, 200
	for name, open := range beds() {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			p := b.measure(t, size, rows)
			if p.Deleted != rows/2 {
				t.Errorf("%d deleted of %d", p.Deleted, rows)
			}
			if active, expired, err := b.store.Count(t.Context()); err != nil || active != rows || expired != 0 {
				t.Errorf("%d are alive, %d expired: %v", active, expired, err)
			}
			key := 40 * int64(rows)
			if name == "MySQL" {
				key = 0
			}
			row := p.Row()
			if row.Table < size+40 || row.Table > 5*size || row.Index < 20 || row.Index > 250 || p.KeyIndex < key ||
				p.File < p.Table+p.KeyIndex+p.ExpiryIndex || p.Fill <= 0 || p.Cleanup <= 0 {
				t.Errorf("%+v", p)
			}
			t.Logf("%+v %+v", p, row)
		})
	}
}

// From tables of 10,000 and of 100,000 sessions follows what one of a million takes.
func TestAMillionSessionsTakeWhatSmallTablesForetell(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	const size = 200
	var small Database
	for _, rows := range []int{10_000, 100_000} {
		small.Points = append(small.Points, sqliteBed(t).measure(t, size, rows))
	}
	want := small.Row(size)
	million := sqliteBed(t).measure(t, size, 1_000_000)
	got := million.Row()
	t.Logf("foretold %+v, found %+v", want, got)
	for _, pair := range [][2]float64{{want.Table, got.Table}, {want.Index, got.Index}} {
		if math.Abs(pair[0]/pair[1]-1) > 0.05 {
			t.Errorf("%.1f bytes a row were foretold, and %.1f found", pair[0], pair[1])
		}
	}
}
