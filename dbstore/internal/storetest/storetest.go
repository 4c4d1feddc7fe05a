// Package storetest is what the tests of every database that dbstore supports
// have in common: each database's own test calls [Run] with what differs.
package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// Backend is a database to test.
type Backend struct {
	Dialect dbstore.Dialect

	// Place returns where a test can make tables: the name of a new file, or
	// the address of the server.
	Place func(t testing.TB) string

	// Open opens a store on that place, as an application would. It does not
	// create the table unless the package under test does.
	Open func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store

	// Connector opens single connections to that place.
	Connector func(t testing.TB, place string) driver.Connector

	// NoPrepare says that statements that are prepared get lost, as behind a
	// pooler.
	NoPrepare bool

	// Bubble says that all of it works in a bubble of testing/synctest.
	Bubble bool

	// CreateDjangoTable are the statements with which Django 3.2 creates its
	// table, as "manage.py sqlmigrate sessions 0001" prints them.
	CreateDjangoTable []string

	// DjangoTime is how Django writes a UTC time that has a fraction of a
	// second, as a literal.
	DjangoTime func(t time.Time) string

	// Conflict is an error of the driver that tells of a deadlock, of a failed
	// serialization or of a lock, after which the statement is to be tried
	// again.
	Conflict error

	// Explain asks for the plan of a statement. In the plan, KeyIndex tells that
	// it uses the primary key, and FullScan that it reads the whole table.
	Explain            string
	KeyIndex, FullScan string
}

// Features are what every store declares.
func (b Backend) Features() sessiontest.Features {
	return sessiontest.Features{
		Revocable:        true,
		DetectsConflicts: true,
		StableToken:      true,
		Toucher:          true,
		UnchangedDeleter: true,
		AllEnder:         true,
		ExpiredDeleter:   true,
		CookieBound:      true,
		SynctestBubble:   b.Bubble,
		Parallel:         true,
	}
}

// Run runs all tests.
func Run(t *testing.T, b Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"conformance", testConformance},
		{"random operations", testRandom},
		{"one statement for each operation", testStatements},
		{"statements of whole requests", testRequests},
		{"parallel requests of one session", testParallelRequests},
		{"versions are compared byte by byte", testExactComparison},
		{"a table that Django made is used as it is", testDjangoTable},
		{"raw keys", testRawKeys},
		{"tokens are bound to their cookie's name", testCookies},
		{"a session that is too large is refused", testMaxBytes},
		{"migrate", testMigrate},
		{"migrate refuses a table that will not do", testUnsuitable},
		{"the stored key is no token", testStoredKey},
		{"a key that is taken is not used", testTakenKey},
		{"errors keep secrets", testErrors},
		{"conflicts of the database are tried again", testRetry},
		{"an encoding of the text", testEncoding},
		{"sessions of an owner", testOwners},
		{"a save that is not made changes no owner", testOwnersConflict},
		{"a session does not escape its end", testOwnersRenewed},
		{"a session that is moved stays its owner's", testOwnersMoved},
		{"owners are kept whatever the clock says", testOwnersClocks},
		{"nothing is ended without a fence", testOwnersFence},
		{"who had a session before ends nobody else's", testOwnersFormer},
		{"a session with an unreadable expiry holds up no end", testOwnersUnreadable},
		{"a session that was changed back is renewed", testOwnersChangedBack},
		{"renewals that broke off hide no session", testOwnersLeftovers},
		{"a copy of a session does not outlive the others", testOwnersCopied},
		{"sessions from before owners were kept", testOwnersBefore},
		{"what is kept about owners goes with their sessions", testOwnersRows},
		{"odd characters in owners and labels", testOwnersText},
		{"owners of living sessions do not hold up the cleanup", testOwnersCleanup},
		{"a token of another cookie ends nothing", testOwnersCookies},
		{"conformance with owners", testOwnersConformance},
		{"without prepared statements", testNoPrepare},
		{"expired sessions are deleted in batches", testDeleteExpired},
		{"a session that is prolonged is not deleted", testProlonged},
		{"cleaners beside requests", testCleaners},
		{"cleanup in the background", testStartCleanup},
		{"the index is used", testIndex},
		{"a pool of the application's is left open", testForeignPool},
		{"close waits for operations", testCloseWaits},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

var tables atomic.Int64

// newTable returns the name of a table that no other test uses.
func newTable() string { return fmt.Sprintf("sessions_%d", tables.Add(1)) }

// store opens a store on a table of its own, which it creates.
func (b Backend) store(t testing.TB, opts dbstore.Options) *dbstore.Store {
	t.Helper()
	if opts.Table == "" {
		opts.Table = newTable()
	}
	return b.storeAt(t, b.Place(t), opts)
}

func (b Backend) storeAt(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
	t.Helper()
	store := b.Open(t, place, opts)
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return store
}

// db opens the database at a place without the store.
func (b Backend) db(t testing.TB, place string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(b.Connector(t, place))
	t.Cleanup(func() { db.Close() })
	return db
}

// on makes a store on a pool of the application's.
func (b Backend) on(db *sql.DB, opts dbstore.Options) (*dbstore.Store, error) {
	opts.NoPrepare = opts.NoPrepare || b.NoPrepare
	return dbstore.New(db, b.Dialect, opts)
}

// wrapped opens a store on the connections that wrap makes of the database's.
func (b Backend) wrapped(t testing.TB, place string, opts dbstore.Options,
	wrap func(driver.Connector) driver.Connector) *dbstore.Store {
	t.Helper()
	db := sql.OpenDB(wrap(b.Connector(t, place)))
	db.SetMaxOpenConns(1) // a statement is prepared once for each connection
	opts.OwnDB = true
	store, err := b.on(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// mustExec runs a statement of the test's own.
func mustExec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// explain returns the plan of a statement.
func (b Backend) explain(t testing.TB, db *sql.DB, statement string, args ...any) string {
	t.Helper()
	rows, err := db.Query(b.Explain+" "+statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	values, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			plan.WriteString(v.String + " ")
		}
		plan.WriteString("\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// record returns a record with that data, and an hour to live.
func record(data string) *session.Record {
	return &session.Record{Data: []byte(data), Expires: inAnHour()}
}

func inAnHour() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Hour) }

// create stores a new session.
func create(t testing.TB, store *dbstore.Store, rec *session.Record) string {
	t.Helper()
	token, err := store.Save(context.Background(), "", rec)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	return token
}

// load loads a session that has to be there.
func load(t testing.TB, store *dbstore.Store, token string) *session.Record {
	t.Helper()
	rec, err := store.Load(context.Background(), token)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return rec
}
