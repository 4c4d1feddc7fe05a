package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var server = testserver.Postgres()

// other is a second server, and bouncer a pooler before the first.
var (
	other   = testserver.Postgres()
	bouncer = testserver.PgBouncer(server)
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, bouncer, server, other, syncing)) }

var backend = storetest.Backend{
	Dialect: dbstore.Postgres,
	Place:   func(t testing.TB) string { return server.Start(t).URL },
	Open: func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		// So few connections that saves have to share statements.
		return open(t, place, postgres.Options{Options: opts, MaxConns: 3})
	},
	Connector: func(t testing.TB, place string) driver.Connector {
		config, err := pgx.ParseConfig(place)
		if err != nil {
			t.Fatal(err)
		}
		return stdlib.GetConnector(*config)
	},
	CreateDjangoTable: []string{
		`CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL,` +
			` "expire_date" timestamp with time zone NOT NULL)`,
		`CREATE INDEX "django_session_session_key_c0390e0f_like" ON "django_session" ` +
			`("session_key" varchar_pattern_ops)`,
		`CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
	},
	DjangoTime: func(t time.Time) string { return t.Format("'2006-01-02T15:04:05.999999+00:00'::timestamptz") },
	Conflict:   &pgconn.PgError{Severity: "ERROR", Code: "40P01", Message: "deadlock detected"},
	Explain:    "EXPLAIN",
	KeyIndex:   "_pkey",
	FullScan:   "Seq Scan",
}

func TestStore(t *testing.T) { storetest.Run(t, backend) }

func TestFaults(t *testing.T) { storetest.RunFaults(t, backend, server) }

// open opens a store that is closed at the test's end.
func open(t testing.TB, url string, opts postgres.Options) *dbstore.Store {
	t.Helper()
	store, err := postgres.Open(context.Background(), url, opts)
	return storetest.Opened(t, store, err)
}

func TestProcesses(t *testing.T) { storetest.RunProcesses(t, backend) }

// In a serializable transaction PostgreSQL fails statements that READ COMMITTED
// would let wait for each other.
func TestSerializationFailuresAreTriedAgain(t *testing.T) {
	store := open(t, server.Start(t).URL+"&default_transaction_isolation=serializable",
		postgres.Options{Options: dbstore.Options{Table: "serializable"}})
	ctx := t.Context()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	token, err := store.Save(ctx, "", &session.Record{Data: []byte("0"), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := storetest.Increment(ctx, store, token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rec, err := store.Load(ctx, token)
	if want := strconv.Itoa(4 * storetest.Increments); err != nil || string(rec.Data) != want {
		t.Errorf("the session holds %s, %v; want %s", rec.Data, err, want)
	}
}

// A cleaner and somebody's transaction lock two rows in opposite order.
func TestDeadlockIsTriedAgain(t *testing.T) {
	ctx := t.Context()
	url := server.Start(t).URL
	opts := dbstore.Options{Table: "deadlock"}
	if err := open(t, url, postgres.Options{Options: opts}).Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var deletes atomic.Int64
	calls := storetest.Calls{Before: func(query string, _ []driver.NamedValue) {
		if strings.HasPrefix(query, "DELETE") {
			deletes.Add(1)
		}
	}}
	// The cleaner is the one to look for a deadlock soon, and so to be chosen.
	cleaner := sql.OpenDB(calls.Wrap(backend.Connector(t, url+"&deadlock_timeout=4s")))
	defer cleaner.Close()
	store, err := dbstore.New(cleaner, dbstore.Postgres, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db := server.Open(t)
	if _, err := db.Exec("INSERT INTO deadlock VALUES ('a', '{}', '2020-01-01'), " +
		"('b', '{}', '2020-01-01')"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("SET LOCAL deadlock_timeout = '1min'; UPDATE deadlock SET session_data = '{}'" +
		" WHERE session_key = 'b'"); err != nil {
		t.Fatal(err)
	}
	cleaned := make(chan error, 1)
	var deleted int64
	go func() {
		var err error
		deleted, err = store.DeleteExpired(ctx)
		cleaned <- err
	}()
	for waiting := 0; waiting == 0; { // for the cleaner to hold a and to wait for b
		if err := db.QueryRow("SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec("UPDATE deadlock SET session_data = '{}' WHERE session_key = 'a'"); err != nil {
		t.Fatalf("the transaction was chosen as the victim: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-cleaned; err != nil || deleted != 2 {
		t.Errorf("DeleteExpired: %d, %v; want 2", deleted, err)
	}
	if deletes.Load() < 2 {
		t.Error("there was no deadlock")
	}
}

// A database that was not made for it keeps every character.
func TestDatabaseInAnotherEncoding(t *testing.T) {
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			name := strings.ToLower(encoding)
			if _, err := server.Start(t).Open(t).Exec("CREATE DATABASE " + name +
				" TEMPLATE template0 LOCALE 'C' ENCODING '" + encoding + "'"); err != nil {
				t.Fatal(err)
			}
			url := strings.Replace(server.URL, "/postgres?", "/"+name+"?", 1)
			store := open(t, url, postgres.Options{Options: dbstore.Options{Owners: true}})
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			storetest.RunCharacters(t, store)

			// Other programs read what is meant.
			if _, err := store.Save(t.Context(), "",
				&session.Record{Data: []byte(`{"a":"é"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("pgx", url+"&client_encoding=UTF8")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var n int
			err = db.QueryRow(`SELECT count(*) FROM django_session WHERE session_data IN ('{"a":"é"}',` +
				` '{"a":"\u00e9"}')`).Scan(&n)
			if err != nil || n == 0 {
				t.Errorf("the character is another one in the table (%v)", err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	opening := func(url string, opts postgres.Options) func() (*dbstore.Store, error) {
		return func() (*dbstore.Store, error) { return postgres.Open(t.Context(), url, opts) }
	}
	storetest.RunOpenErrors(t, "postgres: ", map[string]func() (*dbstore.Store, error){
		"a malformed URL":            opening("postgres://user:hunter2@host:port/db", postgres.Options{}),
		"a server that is not there": opening("postgres://user:hunter2@127.0.0.1:1/db", postgres.Options{}),
		"a negative number of connections": opening("postgres://user:hunter2@127.0.0.1:1/db",
			postgres.Options{MaxConns: -1}),
	})
	url := server.Start(t).URL
	_, err := postgres.Open(t.Context(), url, postgres.Options{Options: dbstore.Options{Table: `x"; DROP TABLE y`}})
	if err == nil {
		t.Error("a table's name that is none: no error")
	}
}
