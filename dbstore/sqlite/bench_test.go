package sqlite_test

import (
	"testing"

	"sessionengine/dbstore/internal/storetest"
)

func BenchmarkSQLiteCleanup(b *testing.B) { storetest.RunCleanupBenchmark(b, backend) }

func BenchmarkSQLite(b *testing.B) {
	storetest.RunBenchmarks(b, backend, func(b *testing.B, place string) storetest.Pools {
		p := storetest.Pools{Reader: openDB(b, place), Writer: openDB(b, place)}
		p.Writer.SetMaxOpenConns(1)
		p.Reader.SetMaxOpenConns(4)
		p.Reader.SetMaxIdleConns(4)
		return p
	})
}
