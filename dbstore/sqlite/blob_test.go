package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// openBeside opens a store, and its database as another program does.
func openBeside(t *testing.T, opts sqlite.Options) (*dbstore.Store, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions.db")
	store := open(t, path, opts)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return store, db
}

// SQLite compares a BLOB with no text as equal, and other programs write BLOBs.
func TestSessionsStoredAsBLOBs(t *testing.T) {
	ctx := context.Background()
	store, db := openBeside(t, sqlite.Options{})

	for _, op := range []struct {
		name string
		do   func(token string, rec *session.Record) error
	}{
		{"save", func(token string, rec *session.Record) error {
			rec.Data = []byte(`{"a":2}`)
			_, err := store.Save(ctx, token, rec)
			return err
		}},
		{"renew", func(token string, rec *session.Record) error { _, err := store.Renew(ctx, token, rec); return err }},
		{"touch", func(token string, rec *session.Record) error { return store.Touch(ctx, token, rec) }},
		{"delete", func(token string, rec *session.Record) error { return store.DeleteUnchanged(ctx, token, rec) }},
	} {
		token, err := store.Save(ctx, "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("UPDATE django_session SET session_data = CAST(session_data AS BLOB)"); err != nil {
			t.Fatal(err)
		}
		rec, err := store.Load(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.do(token, rec); err != nil {
			t.Errorf("%s: %v", op.name, err)
		}
	}
}

// Keys that are BLOBs are equal to no text, and must not end the cleanup before
// the rows behind them.
func TestExpiredSessionsWithBLOBsAsKeys(t *testing.T) {
	ctx := context.Background()
	store, db := openBeside(t, sqlite.Options{Options: dbstore.Options{CleanupBatch: 2}})
	for i, key := range []any{[]byte("a"), []byte("b"), "c", "d", "e"} {
		expires := time.Date(2001, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateTime)
		if _, err := db.Exec("INSERT INTO django_session VALUES (?, '{}', ?)", key, expires); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.DeleteExpired(ctx); n != 5 || err != nil {
		t.Errorf("DeleteExpired: %d, %v; want 5", n, err)
	}
}

// A column that another program made without regard to case.
func TestDataIsComparedByteByByteWhateverTheCollation(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "sessions.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE django_session (session_key varchar(40) NOT NULL PRIMARY KEY COLLATE NOCASE," +
		" session_data text NOT NULL COLLATE NOCASE, expire_date datetime NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	mine := newRecord(`{"a":"b"}`)
	token := mustSave(t, store, "", mine)
	theirs := *mine
	theirs.Data = []byte(`{"a":"B"}`)
	mustSave(t, store, token, &theirs)
	mine.Data = []byte(`{}`)
	if _, err := store.Save(ctx, token, mine); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Save over a change of case: %v, want %v", err, session.ErrConflict)
	}
}

// A moment that is a BLOB is later than every text.
func TestExpiriesStoredAsBLOBs(t *testing.T) {
	ctx := t.Context()
	store, db := openBeside(t, sqlite.Options{Options: dbstore.Options{CleanupBatch: 2}})
	rec := newRecord(`{}`)
	token := mustSave(t, store, "", rec)
	set := func(expires time.Time) {
		if _, err := db.Exec("UPDATE django_session SET expire_date = ?",
			[]byte(expires.UTC().Format(time.DateTime))); err != nil {
			t.Fatal(err)
		}
	}
	set(time.Now().Add(-time.Hour))
	if _, err := store.Save(ctx, token, rec); !errors.Is(err, session.ErrGone) {
		t.Errorf("Save of an expired session: %v, want %v", err, session.ErrGone)
	}
	if active, expired, err := store.Count(ctx); active != 0 || expired != 1 || err != nil {
		t.Errorf("Count: %d, %d, %v; want 0 and 1", active, expired, err)
	}
	set(time.Now().Add(time.Hour))
	for i, key := range []any{"a", "b", []byte("c"), "d", "e"} {
		expires := time.Date(2001, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateTime)
		if _, err := db.Exec("INSERT INTO django_session VALUES (?, '{}', ?)", key, []byte(expires)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := store.DeleteExpired(ctx); n != 5 || err != nil {
		t.Errorf("DeleteExpired: %d, %v; want 5", n, err)
	}
	if _, err := store.Load(ctx, token); err != nil {
		t.Errorf("Load of the session that lives: %v", err)
	}
}
