package revocation_test

import (
	"testing"
	"time"

	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// tenYears is the longest life of the suite's sessions.
const tenYears = 10 * 366 * 24 * time.Hour

// features are those of a cookie engine whose sessions can be ended. It can
// neither touch nor delete on condition, and says so when it is asked.
func features() sessiontest.Features {
	return sessiontest.Features{
		Revocable:        true,
		Toucher:          true,
		UnchangedDeleter: true,
		ExpiredDeleter:   true,
		OwnerEnder:       true,
		CookieBound:      true,
		MaxBytes:         session.MaxCookieBytes,
		SynctestBubble:   true,
	}
}

// conform runs the suite on a store and another node's.
func conform(t *testing.T, engine session.SessionStore, list func(t testing.TB) revocation.List,
	opts revocation.Options, f sessiontest.Features) {
	opts.MaxAge = tenYears
	lists := make(map[session.SessionStore]revocation.List)
	f.Peer = func(t *testing.T, store session.SessionStore) session.SessionStore {
		return wrap(t, engine, lists[store], opts)
	}
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		l := list(t)
		store := wrap(t, engine, l, opts)
		lists[store] = l
		return store
	}, f)
}

func TestConformance(t *testing.T) {
	memory := func(testing.TB) revocation.List { return revocation.NewMemoryList() }
	sqlite := func(t testing.TB) revocation.List { return sqliteList(t) }
	for _, tc := range []struct {
		name string
		list func(t testing.TB) revocation.List
		opts revocation.Options
	}{
		{"memory", memory, revocation.Options{}},
		{"memory, marked only", memory, revocation.Options{RefuseUnmarked: true}},
		{"sqlite", sqlite, revocation.Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) { conform(t, cookies(t), tc.list, tc.opts, features()) })
	}
	t.Run("memory with Django's cookies", func(t *testing.T) {
		f := features()
		f.CookieBound = false
		conform(t, djangoCookies(t), memory, revocation.Options{}, f)
	})
	onServer := sessiontest.MemoryFeatures()
	onServer.OwnerLister, onServer.AllEnder = false, false
	t.Run("memory with an engine on the server", func(t *testing.T) {
		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
			return wrap(t, sessiontest.NewMemory(), revocation.NewMemoryList(), revocation.Options{MaxAge: tenYears})
		}, onServer)
	})
	// What MaxStale may miss, another process would.
	t.Run("sqlite with MaxStale", func(t *testing.T) {
		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
			return wrap(t, cookies(t), sqliteList(t), revocation.Options{MaxAge: tenYears, MaxStale: time.Minute})
		}, features())
	})
}

func TestRandomOperations(t *testing.T) {
	subject := func(name string, list func(t *testing.T) revocation.List, maxStale time.Duration) sessiontest.Subject {
		return sessiontest.Subject{
			Name: name,
			New: func(t *testing.T) session.SessionStore {
				s := wrap(t, cookies(t), list(t), revocation.Options{MaxAge: tenYears, MaxStale: maxStale})
				s.ExpectLives(24 * time.Hour) // a longer life is a renewal, which the model knows nothing of
				return s
			},
			Features: features(),
		}
	}
	memory := func(t *testing.T) revocation.List { return revocation.NewMemoryList() }
	for range 3 {
		sessiontest.RunRandom(t, 0, 1000,
			sessiontest.Subject{
				Name:     "model",
				New:      func(*testing.T) session.SessionStore { return sessiontest.NewMemory() },
				Features: sessiontest.MemoryFeatures(),
			},
			subject("memory", memory, 0),
			subject("memory with MaxStale", memory, time.Minute),
			subject("sqlite", func(t *testing.T) revocation.List { return sqliteList(t) }, 0),
		)
	}
}
