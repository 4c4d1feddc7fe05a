package storetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// testCookies takes the token of one cookie for that of another.
func testCookies(t *testing.T, b Backend) {
	ctx := context.Background()
	place, table := b.Place(t), newTable()
	store := b.storeAt(t, place, dbstore.Options{Table: table})
	staff, err := store.ForCookie("__Host-staff")
	if err != nil {
		t.Fatal(err)
	}
	token := create(t, store, record(`{"a":1}`))
	if _, err := staff.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the token of another cookie: %v", err)
	}
	if err := staff.Delete(ctx, token); err != nil {
		t.Error(err)
	}
	load(t, store, token)

	raw := b.storeAt(t, place, dbstore.Options{Table: newTable(), RawKeys: true})
	if _, err := raw.ForCookie("sessionid"); err != nil {
		t.Error(err)
	}
	if _, err := raw.ForCookie("__Host-staff"); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("a second cookie with raw keys: %v", err)
	}
}

// testMaxBytes saves sessions at the limit, and above it.
func testMaxBytes(t *testing.T, b Backend) {
	ctx := context.Background()
	store := b.store(t, dbstore.Options{MaxBytes: 1000})
	of := func(size int) *session.Record { return record(`"` + strings.Repeat("x", size-2) + `"`) }
	token := create(t, store, of(1000))
	rec := load(t, store, token)
	for op, save := range map[string]func(rec *session.Record) error{
		"create": func(rec *session.Record) error { _, err := store.Save(ctx, "", rec); return err },
		"save":   func(rec *session.Record) error { _, err := store.Save(ctx, token, rec); return err },
		"renew":  func(rec *session.Record) error { _, err := store.Renew(ctx, token, rec); return err },
	} {
		larger := of(1001)
		larger.Version = rec.Version
		err := save(larger)
		tooLarge, ok := errors.AsType[*session.TooLargeError](err)
		if !ok || tooLarge.Size != 1001 || tooLarge.Limit != 1000 || session.ErrorStatus(err) != 500 {
			t.Errorf("%s: %v", op, err)
		}
	}
	if got := load(t, store, token); string(got.Data) != string(rec.Data) {
		t.Error("the session is not what it was")
	}
	for _, wrong := range []int{-1, 1<<30 + 1} {
		if _, err := dbstore.New(new(sql.DB), b.Dialect, dbstore.Options{MaxBytes: wrong}); err == nil {
			t.Errorf("MaxBytes %d was accepted", wrong)
		}
	}
}

// RunCharacters checks that a store on a table or a database in some character set
// keeps every character.
func RunCharacters(t *testing.T, store *dbstore.Store) {
	ctx := t.Context()
	for _, data := range []string{`{"a":"é"}`, `{"a":"Việt"}`, `{"a":"🍣"}`} {
		token, err := store.Save(ctx, "", record(data))
		if err != nil {
			t.Errorf("%s is refused: %v", data, err)
			continue
		}
		// It may have become ASCII, but means the same.
		rec := load(t, store, token)
		var saved, loaded any
		if json.Unmarshal([]byte(data), &saved) != nil || json.Unmarshal(rec.Data, &loaded) != nil ||
			!reflect.DeepEqual(saved, loaded) {
			t.Errorf("saved %s, loaded %s", data, rec.Data)
		}
		if err := store.Touch(ctx, token, rec); err != nil {
			t.Errorf("Touch: %v", err)
		}
		// In most collations these are equal.
		stale := *rec
		rec.Data = []byte(strings.ToUpper(data))
		if _, err := store.Save(ctx, token, rec); err != nil {
			t.Errorf("Save over %s: %v", data, err)
		}
		stale.Data = []byte(`{}`)
		if _, err := store.Save(ctx, token, &stale); !errors.Is(err, session.ErrConflict) {
			t.Errorf("Save of a stale record: %v, want %v", err, session.ErrConflict)
		}
	}
}
