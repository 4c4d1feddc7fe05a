package postgres_test

import (
	"context"
	"database/sql/driver"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
)

var server = testserver.Postgres()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, server)) }

var backend = storetest.Backend{
	Dialect: dbstore.Postgres,
	Place:   func(t testing.TB) string { return server.Start(t).URL },
	Open: func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, place, postgres.Options{Options: opts})
	},
	Connector: func(t testing.TB, place string) driver.Connector {
		config, err := pgx.ParseConfig(place)
		if err != nil {
			t.Fatal(err)
		}
		return stdlib.GetConnector(*config)
	},
	CreateDjangoTable: []string{
		`CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" timestamp with time zone NOT NULL)`,
		`CREATE INDEX "django_session_session_key_c0390e0f_like" ON "django_session" ("session_key" varchar_pattern_ops)`,
		`CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date")`,
	},
	DjangoTime: func(t time.Time) string { return t.Format("'2006-01-02T15:04:05.999999+00:00'::timestamptz") },
	Conflict:   &pgconn.PgError{Severity: "ERROR", Code: "40P01", Message: "deadlock detected"},
	Explain:    "EXPLAIN",
	KeyIndex:   "_pkey",
	FullScan:   "Seq Scan",
}

func TestStore(t *testing.T) { storetest.Run(t, backend) }

// open opens a store that is closed at the test's end.
func open(t testing.TB, url string, opts postgres.Options) *dbstore.Store {
	t.Helper()
	store, err := postgres.Open(context.Background(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}
