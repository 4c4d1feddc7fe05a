package scale

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/openredis"
	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
)

var redisServer = testserver.Redis()

// A redisBed is where sessions in Redis are measured: a server that nobody else uses meanwhile, and keys of its own.
type redisBed struct {
	client *redis.Client
	store  *redisstore.Store
}

func newRedisBed(t testing.TB, url string) *redisBed {
	t.Helper()
	server, err := openredis.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	single, ok := client.(*redis.Client)
	if !ok {
		t.Fatal("memory is measured on a single server")
	}
	prefix := rand.Text()[:len("se")] // as long as the default
	if keys, _, err := client.Scan(t.Context(), 0, prefix+":*", 1<<20).Result(); err != nil || len(keys) > 0 {
		t.Fatalf("%d keys with the prefix %s are there: %v", len(keys), prefix, err)
	}
	store, err := redisstore.New(client, redisstore.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := openredis.DeleteKeys(context.Background(), client, prefix); err != nil {
			t.Error(err)
		}
		client.Close()
	})
	return &redisBed{single, store}
}

// memory is what a server uses, in bytes (https://redis.io/docs/latest/commands/memory-stats/).
type memory struct{ all, keys, expiries int64 }

func (b *redisBed) memory(t testing.TB) (m memory) {
	t.Helper()
	stats, err := b.client.Do(t.Context(), "memory", "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	of := fields(stats)
	m.all, _ = of["total.allocated"].(int64)
	if db := fields(of["db.0"]); db != nil {
		m.keys, _ = db["overhead.hashtable.main"].(int64)
		m.expiries, _ = db["overhead.hashtable.expires"].(int64)
	}
	return m
}

// fields returns a map that a server sent, which is a list in RESP2.
func fields(answer any) map[string]any {
	of := make(map[string]any)
	switch answer := answer.(type) {
	case map[any]any:
		for k, v := range answer {
			of[fmt.Sprint(k)] = v
		}
	case []any:
		for i := 0; i+1 < len(answer); i += 2 {
			of[fmt.Sprint(answer[i])] = answer[i+1]
		}
	}
	return of
}

// fill saves n new sessions, and returns the tokens of half of them.
func (b *redisBed) fill(t testing.TB, n int, text func() string) []string {
	t.Helper()
	const callers = 64
	tokens := make([]string, n)
	var next atomic.Int64
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				rec := &session.Record{Data: []byte(text()), Expires: time.Now().Add(margin + mathrand.N(2*life))}
				token, err := b.store.Save(t.Context(), "", rec)
				if err != nil {
					t.Error(err)
					return
				}
				tokens[i] = token
			}
		})
	}
	callersDone.Wait()
	if t.Failed() {
		t.FailNow()
	}
	mathrand.Shuffle(n, func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	return tokens[:n/2]
}

// measure saves rows sessions, deletes half of them, and saves as many new ones. There is no cleanup to measure: the
// server deletes what has expired.
func (b *redisBed) measure(t testing.TB, size, rows int) Point {
	t.Helper()
	text, before, start := texts(t, size), b.memory(t), time.Now()
	deleted := b.fill(t, rows, text)
	p := Point{Size: size, Rows: rows, Fill: time.Since(start).Seconds() / float64(rows)}
	for _, token := range deleted {
		if err := b.store.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	b.fill(t, len(deleted), text)
	after := b.memory(t)
	p.KeyIndex, p.ExpiryIndex = after.keys-before.keys, after.expiries-before.expiries
	p.Table = after.all - before.all - p.KeyIndex - p.ExpiryIndex
	p.File = after.all - before.all
	return p
}

func (b *redisBed) version(t testing.TB) (name, version string) {
	t.Helper()
	info, err := b.client.InfoMap(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	return "Redis", info["Server"]["redis_version"]
}

// What is measured of Redis is plausible.
func TestMeasureRedis(t *testing.T) {
	const rows, size = 4000, 200
	b := newRedisBed(t, redisServer.Start(t).URL)
	p := b.measure(t, size, rows)
	if n, err := b.store.Count(t.Context()); err != nil || n != rows {
		t.Errorf("%d sessions: %v", n, err)
	}
	row := p.Row()
	if row.Table < size+100 || row.Table > 3*size || row.Index < 20 || row.Index > 250 || row.Cleanup != 0 ||
		p.Fill <= 0 || p.File <= 0 {
		t.Errorf("%+v %+v", p, row)
	}
	t.Logf("%+v %+v", p, row)
}
