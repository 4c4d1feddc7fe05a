package postgres_test

import (
	"database/sql"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
)

// Each commit waits for the disk.
var syncing = testserver.Postgres("fsync=on")

func BenchmarkPostgresCleanup(b *testing.B) { storetest.RunCleanupBenchmark(b, backend) }

func BenchmarkPostgres(b *testing.B) {
	backend := backend
	backend.Place = func(t testing.TB) string { return syncing.Start(t).URL }
	backend.Open = func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, place, postgres.Options{Options: opts, MaxConns: 16})
	}
	storetest.RunBenchmarks(b, backend, func(b *testing.B, place string) storetest.Pools {
		db := sql.OpenDB(backend.Connector(b, place))
		b.Cleanup(func() { db.Close() })
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
		return storetest.Pools{Reader: db, Writer: db}
	})
}
