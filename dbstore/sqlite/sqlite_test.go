package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

var backend = storetest.Backend{
	Dialect: dbstore.SQLite,
	Place:   func(t testing.TB) string { return filepath.Join(t.TempDir(), "sessions.db") },
	Open: func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, place, sqlite.Options{Options: opts})
	},
	Connector: func(t testing.TB, place string) driver.Connector {
		return connector{openDB(t, place).Driver(), dsn(place)}
	},
	Bubble: true,
	CreateDjangoTable: []string{
		`CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL,` +
			` "expire_date" datetime NOT NULL)`,
		`CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
	},
	DjangoTime: func(t time.Time) string {
		if t.Nanosecond() == 0 {
			return t.Format("'2006-01-02 15:04:05'")
		}
		return t.Format("'2006-01-02 15:04:05.000000'")
	},
	Conflict: busy{},
	Explain:  "EXPLAIN QUERY PLAN",
	KeyIndex: "sqlite_autoindex_",
	FullScan: "SCAN",
}

func TestStore(t *testing.T) { storetest.Run(t, backend) }

func TestInMemory(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		return open(t, ":memory:", sqlite.Options{})
	}, backend.Features())
}

// open opens a store that is closed at the test's end.
func open(t testing.TB, path string, opts sqlite.Options) *dbstore.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path, opts)
	return storetest.Opened(t, store, err)
}

func dsn(path string) string {
	return "file:" + path + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
}

// openDB opens a database as an application would that does without the
// subpackage.
func openDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

type connector struct {
	driver driver.Driver
	dsn    string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// busy is what the driver reports of a locked database, which it does not let
// others make.
type busy struct{}

func (busy) Error() string { return "database is locked (5) (SQLITE_BUSY)" }
func (busy) Code() int     { return 5 }
