package redisstore_test

import (
	"context"
	"crypto/rand"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

var (
	single   = testserver.Redis()
	cluster  = testserver.RedisCluster()
	sentinel = testserver.RedisSentinel()

	valkey         = testserver.Valkey()
	valkeyCluster  = testserver.ValkeyCluster()
	valkeySentinel = testserver.ValkeySentinel()
)

func TestMain(m *testing.M) {
	servers := []*testserver.Server{single, valkey}
	groups := []*testserver.RedisGroup{cluster, sentinel, valkeyCluster, valkeySentinel}
	for _, g := range slices.AppendSeq(groups, maps.Values(failing)) {
		servers = append(servers, g.Servers()...)
	}
	os.Exit(testserver.Main(m, servers...))
}

// A bed is a kind of server, with all that the tests need of it.
type bed struct {
	name string
	// url starts the server, unless it runs, and returns what Open takes.
	url func(t testing.TB) string
}

// beds are the servers that each test of the store itself runs on.
var beds = []bed{
	{"single", func(t testing.TB) string { return single.Start(t).URL }},
	{"cluster", func(t testing.TB) string { return cluster.Start(t).URL }},
	{"sentinel", func(t testing.TB) string { return sentinel.Start(t).URL }},
	{"valkey", func(t testing.TB) string { return valkey.Start(t).URL }},
	{"valkey cluster", func(t testing.TB) string { return valkeyCluster.Start(t).URL }},
	{"valkey sentinel", func(t testing.TB) string { return valkeySentinel.Start(t).URL }},
}

// onAll runs a test on a single server and on a cluster of Redis.
func onAll(t *testing.T, run func(t *testing.T, url string)) { on(t, beds[:2], run) }

// onEach runs a test on each of the beds, or in a short run as onAll does.
func onEach(t *testing.T, run func(t *testing.T, url string)) {
	if testing.Short() {
		onAll(t, run)
		return
	}
	on(t, beds, run)
}

func on(t *testing.T, beds []bed, run func(t *testing.T, url string)) {
	for _, b := range beds {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			run(t, b.url(t))
		})
	}
}

// prefix returns the prefix of the keys of a test, so that tests can share a server.
func prefix(t testing.TB) string { return "t" + rand.Text() }

// open opens a store with keys of its own, closed at the test's end.
func open(t testing.TB, url string, opts redisstore.Options) *redisstore.Store {
	t.Helper()
	if opts.Prefix == "" {
		opts.Prefix = prefix(t)
	}
	store, err := redisstore.Open(context.Background(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// features are what the store of a bed can do.
func features(url string, opts redisstore.Options) sessiontest.Features {
	return sessiontest.Features{
		Revocable:        true,
		DetectsConflicts: true,
		StableToken:      true,
		Toucher:          true,
		UnchangedDeleter: true,
		OwnerEnder:       opts.Owners,
		OwnerLister:      opts.Owners,
		CookieBound:      true,
		Parallel:         true,
		Peer: func(t *testing.T, store session.SessionStore) session.SessionStore {
			opts := opts
			opts.Prefix = store.(*redisstore.Store).Prefix()
			return open(t, url, opts)
		},
	}
}

// client returns a client of go-redis for a single server.
func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}
