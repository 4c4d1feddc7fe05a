package nearcache_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/testserver"
	"sessionengine/nearcache"
	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

var redisServer = testserver.Redis()

var onRedis = backend{
	server: redisServer,
	features: sessiontest.Features{Revocable: true, DetectsConflicts: true, StableToken: true, Toucher: true,
		UnchangedDeleter: true, CookieBound: true, Parallel: true},
	open: func(t testing.TB, name string, proxy *pushProxy) session.SessionStore {
		url := redisServer.Start(t).URL
		if proxy != nil {
			url = strings.Replace(url, redisServer.Addr, proxy.Addr, 1)
		}
		return openRedis(t, url, name)
	},
	watches: func(data []byte) bool { return bytes.Contains(data, []byte("tracking")) },
	swallow: func(data []byte) bool { return bytes.Contains(data, []byte("__redis__:invalidate\r\n*1")) },
}

func openRedis(t testing.TB, url, prefix string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), url, redisstore.Options{Prefix: prefix, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestRedis(t *testing.T) { onRedis.run(t) }

func TestRedisConformance(t *testing.T) { onRedis.conformance(t) }

func BenchmarkRedisLogout(b *testing.B) { onRedis.latencies(b) }

func TestValkey(t *testing.T) {
	server := testserver.Valkey()
	t.Cleanup(server.Stop)
	b := onRedis
	b.server = server
	b.open = func(t testing.TB, name string, proxy *pushProxy) session.SessionStore {
		return openRedis(t, server.Start(t).URL, name)
	}
	b.testOtherNode(t)
	b.testKilled(t)
}

// Two nodes hear of each other's changes on each primary, also after a replica has
// taken a primary's place, and while slots move and after that.
func TestRedisGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	for name, group := range map[string]*testserver.RedisGroup{
		"Redis cluster":   testserver.RedisCluster("cluster-node-timeout 1000"),
		"Valkey cluster":  testserver.ValkeyCluster("cluster-node-timeout 1000"),
		"Redis sentinel":  testserver.RedisSentinel(),
		"Valkey sentinel": testserver.ValkeySentinel(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				for _, s := range group.Servers() {
					s.Stop()
				}
			})
			url := group.Start(t).URL
			b := backend{open: func(t testing.TB, name string, _ *pushProxy) session.SessionStore {
				return openRedis(t, url, name)
			}}
			b.testOtherNode(t)
			here, there := b.nodes(t, nil, long)
			if strings.Contains(name, "cluster") {
				testSlotMoves(t, group, here, there)
			}
			testPrimaryFails(t, group, here, there)
		})
	}
}

// redisKey is the key of a session on the server.
func redisKey(t *testing.T, s *nearcache.Store, token string) string {
	t.Helper()
	feed, err := session.Changes(nearcache.EngineOf(s))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := feed.Key(token)
	return key
}

func testSlotMoves(t *testing.T, group *testserver.RedisGroup, here, there *nearcache.Store) {
	token, _ := create(t, there, "1")
	key := redisKey(t, here, token)
	holds(t, here, token, "1")
	before := here.Stats().Flushes
	group.MoveSlot(t, key, group.Other(t, key), func() {
		change(t, there, token, "2")
		sees(t, here, token, "2")
	})
	change(t, there, token, "3")
	sees(t, here, token, "3")
	for range 20000 { // until the new view is noticed, and what was in memory forgotten
		if here.Stats().Flushes > before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if here.Stats().Flushes == before {
		t.Error("nothing was forgotten when a slot moved")
	}
	watches(t, here)
	holds(t, here, token, "3")
	if err := there.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	gone(t, here, token)
}

func testPrimaryFails(t *testing.T, group *testserver.RedisGroup, here, there *nearcache.Store) {
	token, _ := create(t, there, "1")
	key := redisKey(t, here, token)
	holds(t, here, token, "1")
	group.Primary(t, key).Client(t).Wait(t.Context(), 1, 5*time.Second)
	before := here.Stats().Flushes
	group.Fail(t, key)
	for range 20000 {
		if st := here.Stats(); st.Flushes > before && st.Watching {
			break
		}
		time.Sleep(time.Millisecond)
	}
	watches(t, here)
	watches(t, there)
	for range 20 { // on all primaries
		token, _ := create(t, there, "1")
		holds(t, here, token, "1")
		change(t, there, token, "2")
		sees(t, here, token, "2")
		if err := there.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		gone(t, here, token)
	}
	sees(t, here, token, "1")
}

// Clients from which nothing can be told are refused.
func TestRedisClientsThatCannotTell(t *testing.T) {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, RouteRandomly: true})
	defer c.Close()
	s, err := redisstore.New(c, redisstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nearcache.New(s, nearcache.Options{}); !errors.Is(err, errors.ErrUnsupported) ||
		!strings.Contains(err.Error(), "replicas") {
		t.Errorf("a client that reads from replicas: %v", err)
	}
}

// A server that is flushed, or whose access list forbids watching.
func TestRedisIsFlushed(t *testing.T) {
	server := testserver.Redis()
	t.Cleanup(server.Stop)
	server.Start(t)
	s := near(t, openRedis(t, server.URL, "se"), long)
	token, _ := create(t, s, "1")
	holds(t, s, token, "1")
	c := server.Client(t)
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	gone(t, s, token)

	err := c.Do(t.Context(), "acl", "setuser", "limited", "on", "nopass", "resetchannels", "~*", "+@all").Err()
	if err != nil {
		t.Fatal(err)
	}
	logger, log := logOf()
	limited, err := nearcache.New(openRedis(t, strings.Replace(server.URL, "://", "://limited:x@", 1), "se"),
		nearcache.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer limited.Close()
	for range 20000 {
		if log() != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(log(), "access list") || limited.Stats().Watching {
		t.Errorf("%+v, logged %s", limited.Stats(), log())
	}
}
