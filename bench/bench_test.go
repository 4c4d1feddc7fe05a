package bench_test

import (
	"testing"

	"sessionengine/bench"
)

// The requests of "go run .", one at a time and without conclusions. Compare
// engines with
//
//	go test -run '^$' -bench Request -count 10 ./bench > new.txt
//	benchstat -filter '.unit:(sec/op OR allocs/op)' -col /engine new.txt
func BenchmarkRequest(b *testing.B) {
	engines, err := bench.EnginesNamed("signedcookie", "sealed", "dbstore")
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := bench.Corpus(bench.DefaultShapes()...)
	if err != nil {
		b.Fatal(err)
	}
	bench.BenchmarkRequests(b, engines, sessions)
}
