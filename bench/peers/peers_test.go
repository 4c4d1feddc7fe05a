package main

import (
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
)

// results measures everything once. The harness checks that each engine does
// what it should.
func results(t *testing.T) *bench.Results {
	t.Helper()
	all, err := engines()
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		t.Fatal(err)
	}
	results, err := bench.Run(t.Context(), bench.Config{Engines: all, Sessions: sessions, Rounds: 1, Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestPeersUnderTheHarness(t *testing.T) {
	r := results(t)

	t.Run("every request is measured", func(t *testing.T) {
		for _, q := range r.Requests {
			if q.TooLarge != "" || len(q.Nanosec) != 1 {
				t.Errorf("%s/%s/%s: %q", q.Engine, q.Session, q.Kind, q.TooLarge)
			}
		}
	})

	t.Run("scs asks the database for every request that carries a cookie", func(t *testing.T) {
		want := map[bench.Kind]float64{
			bench.Untouched: 1, bench.Anonymous: 0, bench.Read: 1, bench.Again: 1,
			bench.Write: 2, bench.Login: 3, bench.Logout: 2,
		}
		for _, q := range r.Requests {
			if q.Engine == "scs-sqlite" && q.Queries != want[q.Kind] {
				t.Errorf("%s/%s: %v queries, want %v", q.Session, q.Kind, q.Queries, want[q.Kind])
			}
		}
	})

	t.Run("what the others let happen", func(t *testing.T) {
		for _, b := range r.Behaviours {
			var want bool
			switch {
			case strings.HasPrefix(b.Engine, "gorilla"), b.Engine == "signedcookie", b.Engine == "sealed":
				want = true
			case strings.HasPrefix(b.Engine, "scs"):
				want = b.Behaviour == bench.LostUpdate || b.Behaviour == bench.UndoneLogout
			}
			if b.Observed != want {
				t.Errorf("%s: %s: %v, want %v", b.Engine, b.Behaviour, b.Observed, want)
			}
		}
	})
}

func TestRunWritesATableForEachGroup(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-rounds", "1", "-time", "1ms"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, group := range groups {
		for _, name := range group {
			if !strings.Contains(out.String(), "\n  "+name) {
				t.Errorf("there is no line for %s", name)
			}
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	all, err := engines()
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		b.Fatal(err)
	}
	bench.BenchmarkRequests(b, all, sessions)
}
