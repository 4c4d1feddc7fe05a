package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/fipstest"
	"sessionengine/session"
)

func TestFIPSOnly(t *testing.T) {
	if !fipstest.Only(t) {
		return
	}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"),
		sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{"a":1}`),
		Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := store.Load(t.Context(), token); err != nil || string(rec.Data) != `{"a":1}` {
		t.Errorf("Load gave %v, %v", rec, err)
	}
}
