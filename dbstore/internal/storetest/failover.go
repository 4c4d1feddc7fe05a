package storetest

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// Opened returns a store that was opened for a test, which closes it in the end.
func Opened(t testing.TB, store *dbstore.Store, err error) *dbstore.Store {
	t.Helper()
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

// Begin creates a store's table, and a session of that data in it.
func Begin(t testing.TB, store *dbstore.Store, data string) (token string, rec *session.Record) {
	t.Helper()
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	rec = record(data)
	return create(t, store, rec), rec
}

// FillPool makes a store open several connections.
func FillPool(t *testing.T, store *dbstore.Store, token string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := store.Load(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// RunSwap lets two servers swap their roles while the connections of a store live,
// which is on whichever of them accepts writes. Both have the table. swap makes
// the second server the one; db is on that one.
func RunSwap(t *testing.T, store *dbstore.Store, table string, db *sql.DB, swap func()) {
	ctx := context.Background()
	token := create(t, store, record(`{"n":1}`))
	FillPool(t, store, token)
	swap()
	for range 40 {
		if _, err := store.Save(ctx, "", record(`{}`)); err != nil {
			t.Fatalf("after the roles were swapped: %v", err)
		}
	}
	var n int
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 40 {
		t.Errorf("the new primary has %d sessions, %v; want 40", n, err)
	}
}

// RunEnded loads and deletes a session while the table is locked. end waits until
// both wait, ends their connections and unlocks the table.
func RunEnded(t *testing.T, store *dbstore.Store, token string, end func()) {
	ctx := context.Background()
	loaded, deleted := make(chan error, 1), make(chan error, 1)
	go func() { _, err := store.Load(ctx, token); loaded <- err }()
	go func() { deleted <- store.Delete(ctx, strings.Repeat("a", 32)) }()
	end()
	if err := <-loaded; err != nil {
		t.Errorf("Load, whose connection was ended: %v", err)
	}
	if err := <-deleted; err != nil {
		t.Errorf("Delete, whose connection was ended: %v", err)
	}
}

// RunOpenErrors opens a database with the password hunter2 in ways that fail.
func RunOpenErrors(t *testing.T, prefix string, open map[string]func() (*dbstore.Store, error)) {
	for name, open := range open {
		t.Run(name, func(t *testing.T) {
			if _, err := open(); err == nil || strings.Contains(err.Error(), "hunter2") ||
				!strings.HasPrefix(err.Error(), prefix) {
				t.Errorf("got %v, want an error without the password", err)
			}
		})
	}
}
