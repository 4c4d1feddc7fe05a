package nearcache_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"sessionengine/internal/testserver"
	"sessionengine/nearcache"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// BenchmarkRead reads one session of 200 bytes: from a bare map, from the cookie
// engine without its memory of cookies, and through near caches. All take turns in
// samples of some microseconds, the fastest of which is what they take.
func BenchmarkRead(b *testing.B) {
	data := fmt.Sprintf(`{"user_id":20,"name":"%0166d"}`, 1)
	contenders := []struct {
		name string
		read func()
		best time.Duration
	}{}
	add := func(name string, s session.SessionStore) {
		token, _ := create(b, s, data)
		contenders = append(contenders, struct {
			name string
			read func()
			best time.Duration
		}{name, func() {
			if rec, err := s.Load(b.Context(), token); err != nil || len(rec.Data) != len(data) {
				b.Fatal(rec, err)
			}
		}, time.Hour})
	}
	bare := map[string]*session.Record{"key": {Data: []byte(data)}}
	contenders = append(contenders, struct {
		name string
		read func()
		best time.Duration
	}{"map", func() {
		if len(bare["key"].Data) != len(data) {
			b.Fatal()
		}
	}, time.Hour})
	secret := make([]byte, 32)
	rand.Read(secret)
	cookies, err := signedcookie.New(secret, signedcookie.Options{CacheBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	add("signedcookie", cookies)
	for name, on := range map[string]backend{"near-postgres": onPostgres, "near-redis": onRedis} {
		add(name, near(b, on.open(b, newName(), nil), nearcache.Options{MaxStale: time.Hour}))
	}
	const inSample = 50
	for b.Loop() {
		for i := range contenders {
			c := &contenders[i]
			start := time.Now()
			for range inSample {
				c.read()
			}
			c.best = min(c.best, time.Since(start)/inSample)
		}
	}
	for _, c := range contenders {
		b.ReportMetric(float64(c.best.Nanoseconds()), c.name+"-ns/read")
	}
}

// BenchmarkPostgresTriggers saves with 16 writers, on a server that waits for its
// disk, without and with the triggers, in turns.
func BenchmarkPostgresTriggers(b *testing.B) {
	for _, sync := range []string{"on", "off"} {
		b.Run("fsync="+sync, func(b *testing.B) { benchmarkTriggers(b, testserver.Postgres("fsync="+sync)) })
	}
}

func benchmarkTriggers(b *testing.B, server *testserver.Server) {
	b.Cleanup(server.Stop)
	url := server.Start(b).URL
	const writers, each = 16, 20
	var took [2][]float64
	var runs [2]func() time.Duration
	for i := range runs {
		name := newName()
		s := openTable(b, url, name, i == 1)
		if i == 1 {
			near(b, s, nearcache.Options{})
		}
		var tokens []string
		var recs []*session.Record
		for range writers {
			token, rec := create(b, s, `{"n":0}`)
			tokens, recs = append(tokens, token), append(recs, rec)
		}
		runs[i] = func() time.Duration {
			start := time.Now()
			done := make(chan error, writers)
			for w := range writers {
				go func() {
					var err error
					for n := 0; n < each && err == nil; n++ {
						recs[w].Data = fmt.Appendf(nil, `{"n":%d}`, time.Now().UnixNano())
						_, err = s.Save(b.Context(), tokens[w], recs[w])
					}
					done <- err
				}()
			}
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			return time.Since(start)
		}
	}
	for b.Loop() {
		for i, run := range runs {
			took[i] = append(took[i], writers*each/run().Seconds())
		}
	}
	for i, name := range []string{"without", "with"} {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2], name+"-saves/s")
	}
}
