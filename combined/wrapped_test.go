package combined_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sessionengine/combined"
	"sessionengine/metrics"
	"sessionengine/revocation"
	"sessionengine/session"
)

// An engine around a combined one passes on that a late change must not move
// the session.
func TestLateChangesThroughOtherEngines(t *testing.T) {
	for name, wrap := range map[string]func(session.SessionStore) session.SessionStore{
		"metrics": func(s session.SessionStore) session.SessionStore { return metrics.Instrument(s) },
		"revocation": func(s session.SessionStore) session.SessionStore {
			r, err := revocation.New(s, revocation.NewMemoryList(), revocation.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			large := rows(t)
			store := wrap(overflow(t, cookies(t), large, combined.Options{}))
			token, err := large.Save(ctx, "",
				&session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := store.Load(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			rec.Data = []byte(`{"a":2}`)
			if err := session.SaveInPlace(ctx, store, token, rec); err != nil {
				t.Fatalf("SaveInPlace: %v", err)
			}
			if again, err := store.Load(ctx, token); err != nil || string(again.Data) != `{"a":2}` {
				t.Errorf("%v, %v", again, err)
			}
			// What the cookie holds cannot be saved without a new token.
			moved, err := store.Save(ctx, "",
				&session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			if rec, err = store.Load(ctx, moved); err != nil {
				t.Fatal(err)
			}
			rec.Data = []byte(`{"a":3}`)
			if err := session.SaveInPlace(ctx, store, moved, rec); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SaveInPlace of a cookie: %v", err)
			}
		})
	}
}
