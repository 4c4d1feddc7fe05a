package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/ratiotest"
)

// What is done about an owner takes time in proportion to the owner's sessions,
// and a login or a logout does not depend on them.
func TestTimeGrowsAsTheSessionsOfAnOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("under the race detector times grow otherwise")
	}
	const owner = "alice"
	ctx := t.Context()
	opts := sqlite.Options{Options: dbstore.Options{Owners: true}}
	open := func(path string) *dbstore.Store {
		store, err := sqlite.Open(ctx, path, opts)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	login := func(store *dbstore.Store) string {
		rec := newRecord(`{"_session_owner":"alice"}`)
		rec.Owner = owner
		return mustSave(t, store, "", rec)
	}
	type file struct {
		data  []byte
		token string
	}
	files := make(map[int]file)
	// filled returns a file with n sessions of the owner, and the token of one.
	filled := func(n int) file {
		if f, ok := files[n]; ok {
			return f
		}
		path := filepath.Join(t.TempDir(), "sessions.db")
		store := open(path)
		var f file
		for range n {
			f.token = login(store)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		files[n] = f
		return f
	}
	for _, op := range []struct {
		name string
		do   func(store *dbstore.Store, token string, n int) error
	}{
		{"Sessions", func(store *dbstore.Store, _ string, n int) error {
			found := 0
			for after := ""; ; {
				page, next, err := store.Sessions(ctx, owner, "", after, 0)
				found += len(page)
				if err != nil {
					return err
				}
				if after = next; after == "" {
					break
				}
			}
			if found != n {
				t.Errorf("%d sessions, want %d", found, n)
			}
			return nil
		}},
		{"EndSessions", func(store *dbstore.Store, _ string, n int) error {
			ended, err := store.EndSessions(ctx, owner)
			if ended != int64(n) {
				t.Errorf("%d were ended, want %d", ended, n)
			}
			return err
		}},
		{"EndOtherSessions", func(store *dbstore.Store, token string, _ int) error {
			_, err := store.EndOtherSessions(ctx, owner, token)
			return err
		}},
		{"login and logout", func(store *dbstore.Store, _ string, _ int) error {
			return store.Delete(ctx, login(store))
		}},
		{"renewal", func(store *dbstore.Store, token string, _ int) error {
			rec, err := store.Load(ctx, token)
			if err != nil {
				return err
			}
			rec.Owner = owner
			_, err = store.Renew(ctx, token, rec)
			return err
		}},
	} {
		t.Run(op.name, func(t *testing.T) {
			ratiotest.Linear(t, 300, func(n int) func() {
				f := filled(n)
				path := filepath.Join(t.TempDir(), "sessions.db")
				if err := os.WriteFile(path, f.data, 0o600); err != nil {
					t.Fatal(err)
				}
				store := open(path)
				t.Cleanup(func() { store.Close() })
				// What is read for the first time is not what is measured.
				if err := store.Delete(ctx, login(store)); err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := op.do(store, f.token, n); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
