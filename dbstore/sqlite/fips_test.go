package sqlite_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func TestFIPSOnly(t *testing.T) {
	if !fips140.Enforced() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := store.Load(t.Context(), token); err != nil || string(rec.Data) != `{"a":1}` {
		t.Errorf("Load gave %v, %v", rec, err)
	}
}
