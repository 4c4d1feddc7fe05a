package bench_test

import (
	"flag"
	"testing"

	"sessionengine/bench"
)

var dbURL = flag.String("db", "", "also measure the engines on this database (postgres://, mysql://, redis://, sqlite:)")

// The requests of "go run .", one at a time and without conclusions. Compare
// engines with
//
//	go test -run '^$' -bench Request -count 10 ./bench > new.txt
//	benchstat -filter '.unit:(sec/op OR allocs/op)' -col /engine new.txt
//
// With -db redis://127.0.0.1 after ./bench it measures the engines on that database,
// too, as "go run . -db" does.
func BenchmarkRequest(b *testing.B) {
	engines, err := bench.EnginesNamed("signedcookie", "sealed", "dbstore")
	if err != nil {
		b.Fatal(err)
	}
	if *dbURL != "" {
		more, err := bench.DatabaseEngines(*dbURL)
		if err != nil {
			b.Fatal(err)
		}
		engines = append(engines, more...)
	}
	sessions, err := bench.Corpus(bench.DefaultShapes()...)
	if err != nil {
		b.Fatal(err)
	}
	bench.BenchmarkRequests(b, engines, sessions)
}
