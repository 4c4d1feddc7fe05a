package bench

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessionengine/internal/opendb"
	"sessionengine/internal/testserver"
)

var (
	postgresServer = testserver.Postgres()
	mysqlServer    = testserver.MySQL()
	singleRedis    = testserver.Redis()
	redisCluster   = testserver.RedisCluster()
	redisSentinel  = testserver.RedisSentinel()
)

func TestMain(m *testing.M) {
	servers := append(redisCluster.Servers(), redisSentinel.Servers()...)
	os.Exit(testserver.Main(m, append(servers, postgresServer, mysqlServer, singleRedis)...))
}

// ownDatabases returns a database of each kind, with a table in it that is not
// ours, as URL and pool.
func ownDatabases(t *testing.T) map[string]func(t *testing.T) (url string, db *sql.DB) {
	prepared := func(t *testing.T, db *sql.DB) *sql.DB {
		t.Helper()
		for _, statement := range []string{"CREATE TABLE theirs (n int)", "INSERT INTO theirs VALUES (7)"} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { db.Exec("DROP TABLE theirs"); db.Close() })
		return db
	}
	return map[string]func(t *testing.T) (string, *sql.DB){
		"sqlite": func(t *testing.T) (string, *sql.DB) {
			path := filepath.Join(t.TempDir(), "own.db")
			db, err := sql.Open("sqlite", "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxIdleConns(0) // nobody else has it open
			return "sqlite:" + path, prepared(t, db)
		},
		"postgres": func(t *testing.T) (string, *sql.DB) {
			s := postgresServer.Start(t)
			return s.URL, prepared(t, s.Open(t))
		},
		"mysql": func(t *testing.T) (string, *sql.DB) {
			s := mysqlServer.Start(t)
			return "mysql://root@" + s.Addr + "/test", prepared(t, s.Open(t))
		},
	}
}

// tablesOf returns the names of the tables in a database.
func tablesOf(t *testing.T, kind string, db *sql.DB) []string {
	t.Helper()
	query := map[string]string{
		"sqlite":   "SELECT name FROM sqlite_master WHERE type = 'table'",
		"postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
		"mysql":    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
	}[kind]
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// ownEngine returns the engine on a database of the user's own, without a near cache.
func ownEngine(t *testing.T, url string) Engine {
	t.Helper()
	engines, err := DatabaseEngines(url)
	if err != nil {
		t.Fatal(err)
	}
	return engines[0]
}

func TestDatabaseOfTheUsersOwnIsMeasuredAndLeftAsItWas(t *testing.T) {
	for kind, open := range ownDatabases(t) {
		t.Run(kind, func(t *testing.T) {
			url, db := open(t)
			engines, err := DatabaseEngines(url)
			if err != nil {
				t.Fatal(err)
			}
			engine := engines[0]
			if want := "dbstore-" + kind; engine.Name != want {
				t.Errorf("it is called %s, want %s", engine.Name, want)
			}
			sessions, err := Corpus("login")
			if err != nil {
				t.Fatal(err)
			}
			during := 0
			results, err := Run(t.Context(), Config{
				Engines: engines, Sessions: sessions, Rounds: 1, Duration: time.Millisecond,
				Progress: func(done, total int) {
					if done == total/2 {
						during = len(tablesOf(t, kind, db))
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if during < 3 { // theirs, the site's, the floor's
				t.Errorf("%d tables during the run", during)
			}
			for _, q := range results.Requests {
				want := map[Kind]float64{Read: 1, Again: 1, Write: 2, Login: 2, Logout: q.Queries}[q.Kind]
				if q.Engine != engine.Name && q.Kind == Again { // the near cache has them all
					want = 0
				}
				most := want
				if q.Engine != engine.Name { // now and then the near cache asks whether it still hears of changes
					most += 0.1
				}
				if q.Queries < want || q.Queries > most || len(q.Nanosec) != 1 {
					t.Errorf("%s: %v queries, %d times, want %v and 1", q.Kind, q.Queries, len(q.Nanosec), want)
				}
			}
			if want := 2 * len(engines); len(results.Floors) != want {
				t.Errorf("%d floors, want %d", len(results.Floors), want)
			}
			if kind == "postgres" {
				var functions int
				if err := db.QueryRow("SELECT COUNT(*) FROM pg_proc WHERE proname LIKE 'sessionengine%'").Scan(&functions); err != nil ||
					len(engines) != 2 || functions != 0 {
					t.Errorf("%d engines, and %d functions are left: %v", len(engines), functions, err)
				}
			}

			if names := tablesOf(t, kind, db); !slices.Equal(names, []string{"theirs"}) {
				t.Errorf("the tables afterwards: %q", names)
			}
			if kind == "sqlite" {
				var mode string
				if err := db.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "delete" {
					t.Errorf("the database is left in the mode %s, %v", mode, err)
				}
			}
		})
	}
}

func TestInterruptedRunDropsItsTables(t *testing.T) {
	for kind, open := range ownDatabases(t) {
		t.Run(kind, func(t *testing.T) {
			url, db := open(t)
			engine := ownEngine(t, url)
			sessions, err := Corpus("login")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			during := 0
			_, err = Run(ctx, Config{
				Engines: []Engine{engine}, Sessions: sessions, Rounds: 10, Duration: time.Millisecond,
				Progress: func(done, total int) {
					if done == total/2 {
						during = len(tablesOf(t, kind, db))
						cancel()
					}
				},
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if names := tablesOf(t, kind, db); during < 3 || !slices.Equal(names, []string{"theirs"}) {
				t.Errorf("%d tables when it was interrupted, and afterwards %q", during, names)
			}
		})
	}
}

func TestTableThatIsThereIsLeftAlone(t *testing.T) {
	for kind, open := range ownDatabases(t) {
		t.Run(kind, func(t *testing.T) {
			url, db := open(t)
			parsed, err := opendb.Parse(url)
			if err != nil {
				t.Fatal(err)
			}
			d := &database{Database: parsed}
			if _, err := d.claim(t.Context(), "theirs"); err == nil ||
				!strings.Contains(err.Error(), "theirs is there already") {
				t.Errorf("got %v", err)
			}
			var n int
			if err := db.QueryRow("SELECT n FROM theirs").Scan(&n); err != nil || n != 7 {
				t.Errorf("the table holds %d, %v", n, err)
			}
		})
	}
}

func TestDatabaseThatCannotBeUsed(t *testing.T) {
	for _, url := range []string{"sessions.db", "sqlite:" + filepath.Join(t.TempDir(), "missing"), "redis+what://host",
		"postgres://host:port/", "redis://host:port/"} {
		if _, err := DatabaseEngines(url); err == nil {
			t.Errorf("%s: accepted", url)
		}
	}
	// Nobody listens on port 1.
	for _, url := range []string{"postgres://postgres@127.0.0.1:1/postgres", "mysql://root@127.0.0.1:1/test",
		"redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1"} {
		engine := ownEngine(t, url)
		if _, err := engine.Open(t.Context(), "", nil); err == nil {
			t.Errorf("%s was opened", url)
		}
		if _, err := engine.Floor(t.Context(), "", Session{}); err == nil {
			t.Errorf("%s has a floor", url)
		}
	}
}

// A floor works on rows as the store makes them.
func TestFloorReadsAndWritesRows(t *testing.T) {
	for kind, open := range ownDatabases(t) {
		t.Run(kind, func(t *testing.T) {
			url, db := open(t)
			engine := ownEngine(t, url)
			sessions, err := Corpus("login")
			if err != nil {
				t.Fatal(err)
			}
			floor, err := engine.Floor(t.Context(), "", sessions[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := floor.Write(); err != nil {
				t.Error(err)
			}
			names := tablesOf(t, kind, db)
			ours := names[slices.IndexFunc(names, func(n string) bool { return n != "theirs" })]
			var changed, expired int
			if err := db.QueryRow("SELECT COUNT(*) FROM " + ours + " WHERE session_data LIKE '%" + CountKey +
				"%'").Scan(&changed); err != nil {
				t.Fatal(err)
			}
			moment := time.Now().UTC().Format("2006-01-02 15:04:05")
			if err := db.QueryRow("SELECT COUNT(*) FROM " + ours + " WHERE expire_date < '" + moment +
				"'").Scan(&expired); err != nil {
				t.Fatal(err)
			}
			if changed != 1 || expired != 0 {
				t.Errorf("%d rows were changed, and %d have expired; want 1 and 0", changed, expired)
			}
			if err := floor.Close(); err != nil {
				t.Error(err)
			}
			if names := tablesOf(t, kind, db); !slices.Equal(names, []string{"theirs"}) {
				t.Errorf("the tables afterwards: %q", names)
			}
		})
	}
}
