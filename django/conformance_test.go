package django_test

import (
	"path/filepath"
	"testing"

	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func newCookieStore(t testing.TB, opts django.Options) *django.CookieStore {
	t.Helper()
	store, err := django.NewCookieStore(secretKey, opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openRows(t testing.TB, file string, opts django.Options) session.SessionStore {
	t.Helper()
	return open(t, rows, secretKey, file, opts)
}

// open returns a store that reads and writes what one of Django's engines does,
// the rows in a database file.
func open(t testing.TB, engine, key, file string, opts django.Options) session.SessionStore {
	t.Helper()
	if engine == cookies {
		store, err := django.NewCookieStore(key, opts)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	rows, err := django.Rows(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), file, sqlite.Options{Options: rows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

var cookieFeatures = sessiontest.Features{
	IgnoresContext: true,
	MaxBytes:       session.MaxCookieBytes,
	SynctestBubble: true,
	Peer: func(t *testing.T, _ session.SessionStore) session.SessionStore {
		return newCookieStore(t, django.Options{})
	},
}

func TestCookieStoreConformance(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		return newCookieStore(t, django.Options{})
	}, cookieFeatures)
}

var rowFeatures = sessiontest.Features{
	Revocable:        true,
	DetectsConflicts: true,
	StableToken:      true,
	Toucher:          true,
	UnchangedDeleter: true,
	AllEnder:         true,
	ExpiredDeleter:   true,
	SynctestBubble:   true,
}

func newRowStore(t *testing.T) session.SessionStore {
	return openRows(t, filepath.Join(t.TempDir(), "db.sqlite3"), django.Options{})
}

func TestRowsConformance(t *testing.T) {
	sessiontest.Run(t, newRowStore, rowFeatures)
}

func TestTheEnginesDifferInWhatTheyDeclareOnly(t *testing.T) {
	sessiontest.RunRandom(t, 0, 300,
		sessiontest.Subject{
			Name:     "cookie",
			New:      func(t *testing.T) session.SessionStore { return newCookieStore(t, django.Options{}) },
			Features: cookieFeatures,
		},
		sessiontest.Subject{Name: "rows", New: newRowStore, Features: rowFeatures},
	)
}
