package bench

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/openredis"
)

// redisURLs are the kinds of servers that are there to be measured.
func redisURLs() map[string]func(t *testing.T) (url string) {
	return map[string]func(t *testing.T) string{
		"single":   func(t *testing.T) string { return singleRedis.Start(t).URL },
		"cluster":  func(t *testing.T) string { return redisCluster.Start(t).URL },
		"sentinel": func(t *testing.T) string { return redisSentinel.Start(t).URL },
	}
}

// ownRedis returns a client of a server with keys on it that are not ours, and what
// they hold.
func ownRedis(t *testing.T, url string) (client redis.UniversalClient, theirs map[string]string) {
	t.Helper()
	server, err := openredis.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = server.Client(); err != nil {
		t.Fatal(err)
	}
	theirs = map[string]string{"theirs": "7", "sessionengine_bench": "8", "sessionengine_bench_aaaaaaaaaaaa:{x}:y": "9",
		"se:{tag}:theirs": "10"}
	for key, value := range theirs {
		if err := client.Set(t.Context(), key, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for key := range theirs {
			client.Del(context.Background(), key)
		}
		client.Close()
	})
	return client, theirs
}

// keysOf returns all keys of a server and what they hold, if that is a string.
func keysOf(t *testing.T, client redis.UniversalClient) map[string]string {
	t.Helper()
	var mu sync.Mutex // of a cluster's primaries, which are asked at once
	all := make(map[string]string)
	err := openredis.EachPrimary(t.Context(), client, func(ctx context.Context, c redis.UniversalClient) error {
		keys, err := c.Keys(ctx, "*").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, key := range keys {
			all[key] = c.Get(ctx, key).Val()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRedisOfTheUsersOwnIsMeasuredAndLeftAsItWas(t *testing.T) {
	sessions, err := Corpus("login")
	if err != nil {
		t.Fatal(err)
	}
	for kind, start := range redisURLs() {
		t.Run(kind, func(t *testing.T) {
			url := start(t)
			client, theirs := ownRedis(t, url)
			engines, err := DatabaseEngines(url)
			if err != nil {
				t.Fatal(err)
			}
			if engines[0].Name != "redisstore" {
				t.Errorf("it is called %s", engines[0].Name)
			}
			during := 0
			results, err := Run(t.Context(), Config{
				Engines: engines, Sessions: sessions, Rounds: 1, Duration: time.Millisecond,
				Progress: func(done, total int) {
					if done == total/2 {
						during = len(keysOf(t, client))
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if during < len(theirs)+2*ring {
				t.Errorf("%d keys during the run", during)
			}
			for _, q := range results.Requests {
				want := map[Kind]float64{Read: 1, Again: 1, Write: 2, Login: 2, Logout: 2}[q.Kind]
				if q.Engine != "redisstore" && q.Kind == Again { // the near cache has them all
					want = 0
				}
				// A client learns the nodes of a cluster again now and then.
				if q.Queries < want || q.Queries > want+0.1 || len(q.Nanosec) != 1 {
					t.Errorf("%s: %v round trips, %d times, want %v and 1", q.Kind, q.Queries, len(q.Nanosec), want)
				}
			}
			if len(results.Floors) < 2 {
				t.Errorf("%d floors, want 2", len(results.Floors))
			}
			for _, b := range results.Behaviours {
				if b.Observed {
					t.Errorf("%s: %s", b.Engine, b.Behaviour.Meaning())
				}
			}
			if left := keysOf(t, client); !maps.Equal(left, theirs) {
				t.Errorf("the keys afterwards: %q", slices.Sorted(maps.Keys(left)))
			}
		})
	}
}

func TestInterruptedRunDeletesItsKeys(t *testing.T) {
	sessions, err := Corpus("login")
	if err != nil {
		t.Fatal(err)
	}
	for kind, start := range redisURLs() {
		t.Run(kind, func(t *testing.T) {
			url := start(t)
			client, theirs := ownRedis(t, url)
			engines, err := DatabaseEngines(url)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			during := 0
			_, err = Run(ctx, Config{
				Engines: engines, Sessions: sessions, Rounds: 10, Duration: time.Millisecond,
				Progress: func(done, total int) {
					if done == total/2 {
						during = len(keysOf(t, client))
						cancel()
					}
				},
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if left := keysOf(t, client); during <= len(theirs) || !maps.Equal(left, theirs) {
				t.Errorf("%d keys when it was interrupted, and afterwards %q", during, slices.Sorted(maps.Keys(left)))
			}
		})
	}
}

// The floor reads and writes values that live for a time, and each of its writes
// compares.
func TestFloorOfRedis(t *testing.T) {
	url := singleRedis.Start(t).URL
	client, theirs := ownRedis(t, url)
	sessions, err := Corpus("login")
	if err != nil {
		t.Fatal(err)
	}
	floor, err := ownEngine(t, url).Floor(t.Context(), "", sessions[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(floor.Read(), floor.Write()); err != nil {
		t.Error(err)
	}
	changed, living := 0, 0
	for key, value := range keysOf(t, client) {
		if strings.Contains(value, CountKey) {
			changed++
		}
		if _, ok := theirs[key]; !ok && client.PTTL(t.Context(), key).Val() > 0 {
			living++
		}
	}
	if changed != 1 || living != ring {
		t.Errorf("%d keys were changed, and %d have a life; want 1 and %d", changed, living, ring)
	}
	for key := range keysOf(t, client) {
		if _, ok := theirs[key]; !ok {
			client.SetRange(t.Context(), key, 0, "changed meanwhile")
		}
	}
	f := &redisFloor{client: client, keys: []string{"theirs"}}
	client.Set(t.Context(), "theirs", "a value of more than sixteen bytes", time.Minute)
	if err := f.read(); err != nil {
		t.Fatal(err)
	}
	client.SetRange(t.Context(), "theirs", 0, "other")
	if n, err := compareAndSet.Run(t.Context(), client, f.keys, f.value[:floorVersion], "x", 1000).Int(); n != 0 || err != nil {
		t.Errorf("a value that was changed meanwhile is overwritten: %d, %v", n, err)
	}
	if err := floor.Close(); err != nil {
		t.Error(err)
	}
	if left := keysOf(t, client); len(left) != len(theirs) {
		t.Errorf("the keys afterwards: %q", slices.Sorted(maps.Keys(left)))
	}
}

// A command, a script, a pipeline and a transaction are a round trip each, and wait
// as one where the server is put at a distance.
func TestRoundTripsOfRedis(t *testing.T) {
	opts, err := redis.ParseURL(singleRedis.Start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close()
	waited := 0
	count := Counter{RoundTrip: func() { waited++ }}
	ctx := t.Context()
	client.AddHook(countingHook{&count})
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	key := "sessionengine_count"
	defer client.Del(context.WithoutCancel(ctx), key)
	for _, tc := range []struct {
		name string
		do   func() error
	}{
		{"a command", func() error { return client.Set(ctx, key, "1", time.Minute).Err() }},
		{"a script", func() error { return compareAndSet.Run(ctx, client, []string{key}, "", "x", 1000).Err() }},
		{"a pipeline", func() error {
			_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, key); p.Get(ctx, key); return nil })
			return err
		}},
		{"a transaction", func() error {
			_, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, key); p.Del(ctx, key); return nil })
			return err
		}},
	} {
		if err := tc.do(); err != nil && !errors.Is(err, redis.Nil) { // a connection for it is there then
			t.Fatalf("%s: %v", tc.name, err)
		}
		before := count.Count()
		waited = 0
		if err := tc.do(); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := count.Count() - before; got != 1 || waited != 1 {
			t.Errorf("%s: counted %d and waited %d times, want once", tc.name, got, waited)
		}
	}
}
