package bench

import (
	"context"
	"testing"
)

// BenchmarkRequests runs a sub-benchmark for each kind of request of each
// session in each engine, under names that benchstat can take apart:
// "engine=signedcookie/session=login/kind=read". Besides time and allocations,
// the empty handler's included, it reports
//
//   - queries/op: statements sent to the database
//   - cookie-B: bytes of the Cookie header's value
//   - set-cookie-B: bytes of the Set-Cookie header's value
//
// It checks that each request does what it should, and skips sessions that are
// too large for an engine.
func BenchmarkRequests(b *testing.B, engines []Engine, sessions []Session) {
	for _, e := range engines {
		b.Run("engine="+e.Name, func(b *testing.B) {
			var count Counter
			site, observed := openForBenchmark(b, e, nil), openForBenchmark(b, e, &count)
			for _, s := range sessions {
				b.Run("session="+s.Name, func(b *testing.B) {
					for _, kind := range Kinds() {
						b.Run("kind="+string(kind), func(b *testing.B) {
							result := RequestResult{Engine: e.Name, Session: s.Name, Kind: kind}
							t, err := openRequests(b.Context(), site, observed, &count, e.Cache, s, &result)
							if err != nil {
								b.Fatal(err)
							}
							if result.TooLarge != "" {
								b.Skip(result.TooLarge)
							}
							loop(b, t)
							b.ReportMetric(result.Queries, "queries/op")
							b.ReportMetric(result.CookieUp, "cookie-B")
							b.ReportMetric(result.CookieDown, "set-cookie-B")
						})
					}
				})
			}
		})
	}
}

func openForBenchmark(b *testing.B, e Engine, count *Counter) Site {
	site, err := e.Open(context.Background(), b.TempDir(), count)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := site.Close(); err != nil {
			b.Error(err)
		}
	})
	return site
}

// loop runs a task as often as b asks for, and checks it.
func loop(b *testing.B, t task) {
	const batch = 256
	prepared := 0
	b.ReportAllocs()
	for b.Loop() {
		if prepared == 0 {
			b.StopTimer()
			if err := t.prepare(batch); err != nil {
				b.Fatal(err)
			}
			prepared = batch
			b.StartTimer()
		}
		prepared--
		if err := t.run(1); err != nil {
			b.Fatal(err)
		}
	}
	if err := t.check(); err != nil {
		b.Fatal(err)
	}
}
