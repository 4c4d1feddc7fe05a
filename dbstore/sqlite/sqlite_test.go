package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// features are those of every dbstore; its peers are stores on the same file.
func features(paths *string) sessiontest.Features {
	f := sessiontest.Features{
		Revocable:        true,
		DetectsConflicts: true,
		StableToken:      true,
		Toucher:          true,
		UnchangedDeleter: true,
		ExpiredDeleter:   true,
		SynctestBubble:   true,
	}
	if paths != nil {
		f.Peer = func(t *testing.T, _ session.SessionStore) session.SessionStore {
			return open(t, *paths, sqlite.Options{})
		}
	}
	return f
}

func open(t testing.TB, path string, opts sqlite.Options) *dbstore.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

func TestConformance(t *testing.T) {
	t.Run("in a file", func(t *testing.T) {
		var path string
		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
			path = filepath.Join(t.TempDir(), "sessions.db")
			return open(t, path, sqlite.Options{})
		}, features(&path))
	})
	t.Run("in memory", func(t *testing.T) {
		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
			return open(t, ":memory:", sqlite.Options{})
		}, features(nil))
	})
	t.Run("with raw keys", func(t *testing.T) {
		var path string
		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
			path = filepath.Join(t.TempDir(), "sessions.db")
			return open(t, path, sqlite.Options{Options: dbstore.Options{RawKeys: true}})
		}, features(nil))
	})
}
