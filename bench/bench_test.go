package bench_test

import (
	"testing"

	"sessionengine/bench"
)

// The benchmarks of this file are the measurements of "go run .", one at a time
// and without conclusions. Compare engines with
//
//	go test -run '^$' -bench Request -count 10 ./bench > new.txt
//	benchstat -filter '.unit:(sec/op OR allocs/op)' -col /engine new.txt

func benchmarked(b *testing.B) ([]bench.Engine, []bench.Session) {
	engines, err := bench.EnginesNamed("signedcookie", "sealed", "dbstore")
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := bench.Corpus(bench.DefaultKinds()...)
	if err != nil {
		b.Fatal(err)
	}
	return engines, sessions
}

func BenchmarkRequest(b *testing.B) {
	engines, sessions := benchmarked(b)
	bench.BenchmarkRequests(b, engines, sessions)
}

func BenchmarkFloor(b *testing.B) {
	engines, sessions := benchmarked(b)
	bench.BenchmarkFloors(b, engines, sessions)
}
