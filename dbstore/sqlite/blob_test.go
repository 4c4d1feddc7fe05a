package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// SQLite compares a BLOB with no text as equal, and other programs write BLOBs.
func TestSessionsStoredAsBLOBs(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "sessions.db")
	store, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

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
		if err := op.do(token, rec); err != nil || errors.Is(err, session.ErrConflict) {
			t.Errorf("%s: %v", op.name, err)
		}
	}
}
