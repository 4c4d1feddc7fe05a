package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func BenchmarkRedis(b *testing.B) {
	url := single.Start(b).URL
	sessiontest.RunBenchmarks(b, func(b *testing.B) session.SessionStore {
		return open(b, url, redisstore.Options{})
	})
}

// bare is the least that a compare-and-set can be: the version is the beginning of
// the value.
var bare = redis.NewScript(`if redis.call('GETRANGE',KEYS[1],0,15)~=ARGV[1] then return 0 end
redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3])
return 1`)

// BenchmarkFloor measures the store beside the bare commands that it cannot do
// without, on the same client, with values of the same size. They take turns; each
// figure is the tenth of the samples that was fastest, and each ratio one of them.
func BenchmarkFloor(b *testing.B) {
	url := single.Start(b).URL
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("par=%d", callers), func(b *testing.B) { benchFloor(b, url, callers) })
	}
}

func benchFloor(b *testing.B, url string, callers int) {
	ctx := context.Background()
	store := open(b, url, redisstore.Options{})
	owning := open(b, url, redisstore.Options{Owners: true, Prefix: store.Prefix()})
	c := store.Client()
	data := `{"cart":"` + strings.Repeat("sixteen bytes of", 75) + `"}`
	const header = 35
	value := strings.Repeat("0123456789abcdef", (len(data)+header)/16)
	type caller struct {
		token, owned, key string
		rec, ownedRec     *session.Record
	}
	all := make([]caller, callers)
	for i := range all {
		all[i] = caller{rec: record("", data), ownedRec: record(fmt.Sprint("owner", i), data), key: prefix(b)}
		all[i].token, all[i].owned = begin(b, store, all[i].rec), begin(b, owning, all[i].ownedRec)
		if err := c.Set(ctx, all[i].key, value, time.Hour).Err(); err != nil {
			b.Fatal(err)
		}
	}
	kinds := []struct {
		name string
		do   func(c2 *caller) error
	}{
		{"get", func(a *caller) error { _, err := c.Get(ctx, a.key).Bytes(); return err }},
		{"load", func(a *caller) error { _, err := store.Load(ctx, a.token); return err }},
		{"script", func(a *caller) error {
			n, err := bare.Run(ctx, c, []string{a.key}, value[:16], []byte(value), 3600000).Int()
			if err == nil && n != 1 {
				err = fmt.Errorf("the script answers %d", n)
			}
			return err
		}},
		{"save", func(a *caller) error { _, err := store.Save(ctx, a.token, a.rec); return err }},
		{"save-owner", func(a *caller) error { _, err := owning.Save(ctx, a.owned, a.ownedRec); return err }},
		{"renew", func(a *caller) (err error) { a.token, err = store.Renew(ctx, a.token, a.rec); return err }},
		{"touch", func(a *caller) error { return store.Touch(ctx, a.token, a.rec) }},
	}
	samples := make([][]float64, len(kinds))
	const each = 400
	for b.Loop() {
		for k, kind := range kinds {
			var left atomic.Int64
			left.Store(int64(max(each, 20*callers)))
			total := left.Load()
			var wg sync.WaitGroup
			start := time.Now()
			for i := range all {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := kind.do(&all[i]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			samples[k] = append(samples[k], float64(time.Since(start).Nanoseconds())/float64(total))
		}
	}
	fast := make(map[string]float64)
	for k, kind := range kinds {
		slices.Sort(samples[k])
		fast[kind.name] = samples[k][len(samples[k])/10]
		b.ReportMetric(fast[kind.name], kind.name+"-ns")
	}
	b.ReportMetric(fast["load"]/fast["get"], "load/get")
	b.ReportMetric(fast["save"]/fast["script"], "save/script")
	b.ReportMetric(0, "ns/op")
}
