package nearcache_test

import (
	"bytes"
	"strings"
	"testing"

	"sessionengine/internal/testserver"
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
