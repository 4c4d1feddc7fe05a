package redisstore_test

import (
	"testing"

	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, url string) {
		opts := redisstore.Options{}
		sessiontest.Run(t, func(t *testing.T) session.SessionStore { return open(t, url, opts) }, features(url, opts))
	})
}

func TestStoreWithOwners(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, url string) {
		opts := redisstore.Options{Owners: true}
		sessiontest.Run(t, func(t *testing.T) session.SessionStore { return open(t, url, opts) }, features(url, opts))
	})
}

func TestRandomOperations(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, url string) {
		for seed := range uint64(2) { // 0 is a random one
			sessiontest.RunRandom(t, seed, 300, sessiontest.Subject{
				Name:     "redis",
				New:      func(t *testing.T) session.SessionStore { return open(t, url, redisstore.Options{}) },
				Features: features(url, redisstore.Options{}),
			})
		}
	})
}
