package sessiontest_test

import (
	"path/filepath"
	"testing"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// TestEngines holds the model and the engines of this module against each
// other.
func TestEngines(t *testing.T) {
	subjects := []sessiontest.Subject{
		memorySubject,
		cookieSubject("signed cookie", signedcookie.Options{}),
		cookieSubject("sealed cookie", signedcookie.Options{Scheme: signedcookie.Sealed}),
		{Name: "sqlite", New: newSQLite, Features: sessiontest.Features{
			Revocable:        true,
			DetectsConflicts: true,
			StableToken:      true,
			Toucher:          true,
			UnchangedDeleter: true,
			ExpiredDeleter:   true,
			SynctestBubble:   true,
		}},
	}
	for seed := range uint64(6) { // 0 is a random one
		sessiontest.RunRandom(t, seed, 1000, subjects...)
	}
}

func cookieSubject(name string, opts signedcookie.Options) sessiontest.Subject {
	return sessiontest.Subject{
		Name: name,
		New: func(t *testing.T) session.SessionStore {
			store, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), opts)
			if err != nil {
				t.Fatal(err)
			}
			return store
		},
		Features: sessiontest.Features{
			CookieBound:    true,
			IgnoresContext: true,
			MaxBytes:       session.MaxCookieBytes,
			SynctestBubble: true,
		},
	}
}

func newSQLite(t *testing.T) session.SessionStore {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), sqlite.Options{})
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
