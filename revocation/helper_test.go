package revocation_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"path/filepath"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// cookies returns the cookie engine that all nodes of a site have.
func cookies(t testing.TB) *signedcookie.Store {
	t.Helper()
	secret := sha256.Sum256([]byte("a secret for tests only"))
	s, err := signedcookie.New(secret[:], signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// djangoCookies returns the engine for the cookies of a Django site.
func djangoCookies(t testing.TB) *django.CookieStore {
	t.Helper()
	s, err := django.NewCookieStore("a secret key for tests only", django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wrap returns a store for the engine and the list.
func wrap(t testing.TB, engine session.SessionStore, list revocation.List, opts revocation.Options) *revocation.Store {
	t.Helper()
	s, err := revocation.New(engine, list, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// endAll ends all sessions of an owner.
func endAll(ctx context.Context, s *revocation.Store, owner string) error {
	_, err := s.EndSessions(ctx, owner)
	return err
}

// openSQLite opens an SQLite database.
func openSQLite(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sqlite.OpenDB(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// sqlList opens a list as one node of a site does, and creates its table if need
// be.
func sqlList(t testing.TB, db *sql.DB, dialect dbstore.Dialect, opts revocation.SQLOptions) *revocation.SQLList {
	t.Helper()
	l, err := revocation.NewSQLList(db, dialect, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func sqlitePath(t testing.TB) string { return filepath.Join(t.TempDir(), "list.db") }

func sqliteList(t testing.TB) *revocation.SQLList {
	t.Helper()
	return sqlList(t, openSQLite(t, sqlitePath(t)), dbstore.SQLite, revocation.SQLOptions{})
}
