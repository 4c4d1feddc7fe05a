package django_test

import (
	"path/filepath"
	"testing"

	"sessionengine/dbstore"
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

// openRows opens a store on the table in a database file.
func openRows(t testing.TB, file string, opts django.Options) *dbstore.Store {
	t.Helper()
	rows, err := django.Rows(secretKey, opts)
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
	MaxBytes:       4096,
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
