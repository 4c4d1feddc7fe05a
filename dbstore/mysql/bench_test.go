package mysql_test

import (
	"database/sql"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"sessionengine/dbstore/internal/storetest"
	"sessionengine/internal/testserver"
)

// Each commit waits for the disk.
var syncing = testserver.MySQL("innodb-flush-log-at-trx-commit=1")

func BenchmarkMySQLCleanup(b *testing.B) { storetest.RunCleanupBenchmark(b, backend) }

func BenchmarkMySQL(b *testing.B) {
	backend := backend
	backend.Place = func(t testing.TB) string { return syncing.Start(t).URL }
	storetest.RunBenchmarks(b, backend, func(b *testing.B, place string) storetest.Pools {
		config, err := mysqldriver.ParseDSN(place)
		if err != nil {
			b.Fatal(err)
		}
		connector, err := mysqldriver.NewConnector(config)
		if err != nil {
			b.Fatal(err)
		}
		db := sql.OpenDB(connector)
		b.Cleanup(func() { db.Close() })
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
		return storetest.Pools{Reader: db, Writer: db}
	})
}
