package metrics_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/metrics"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// memo remembers events.
type memo struct {
	mu     sync.Mutex
	events []metrics.Event
}

func (m *memo) Record(_ context.Context, e metrics.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

// take returns the events since the last call.
func (m *memo) take() []metrics.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	return events
}

func newCookieEngine(t testing.TB) *signedcookie.Store {
	t.Helper()
	secret := sha256.Sum256([]byte("a secret for tests only"))
	store, err := signedcookie.New(secret[:], signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// Features of the engines behind a Store, which has every optional interface.
var (
	memoryFeatures = sessiontest.MemoryFeatures()
	sqliteFeatures = sessiontest.MemoryFeatures()
	cookieFeatures = sessiontest.Features{
		Toucher:          true,
		UnchangedDeleter: true,
		ExpiredDeleter:   true,
		CookieBound:      true,
		IgnoresContext:   true,
		MaxBytes:         session.MaxCookieBytes,
		SynctestBubble:   true,
	}
)

func init() { sqliteFeatures.CookieBound = true }

func instrumentedMemory(*testing.T) session.SessionStore {
	return metrics.Instrument(sessiontest.NewMemory(), new(memo))
}

func instrumentedCookie(t *testing.T) session.SessionStore {
	return metrics.Instrument(newCookieEngine(t), new(memo))
}

func instrumentedSQLite(t *testing.T) session.SessionStore {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"),
		sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return metrics.Instrument(store, new(memo))
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) { sessiontest.Run(t, instrumentedMemory, memoryFeatures) })
	t.Run("cookie", func(t *testing.T) { sessiontest.Run(t, instrumentedCookie, cookieFeatures) })
	t.Run("sqlite", func(t *testing.T) { sessiontest.Run(t, instrumentedSQLite, sqliteFeatures) })
}

// A Store answers as the engine itself does, whatever is asked of it.
func TestRandomOperations(t *testing.T) {
	bare := func(t *testing.T) session.SessionStore { return sessiontest.NewMemory() }
	sessiontest.RunRandom(t, 0, 1000,
		sessiontest.Subject{Name: "memory itself", New: bare, Features: sessiontest.MemoryFeatures()},
		sessiontest.Subject{Name: "memory", New: instrumentedMemory, Features: memoryFeatures},
		sessiontest.Subject{Name: "cookie", New: instrumentedCookie, Features: cookieFeatures},
		sessiontest.Subject{Name: "sqlite", New: instrumentedSQLite, Features: sqliteFeatures})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen memo
		ctx := t.Context()
		store := metrics.Instrument(sessiontest.NewMemory(), &seen)
		expires := time.Now().UTC().Add(time.Minute)
		want := func(what string, want ...metrics.Event) {
			t.Helper()
			got := seen.take()
			for i := range got {
				if (got[i].Err == nil) != (got[i].Result == metrics.OK) {
					t.Errorf("%s: the result is %v with the error %v", what, got[i].Result, got[i].Err)
				}
				got[i].Err = nil
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %+v, want %+v", what, got, want)
			}
		}

		rec := &session.Record{Data: []byte(`{"a":1}`), Expires: expires}
		token, err := store.Save(ctx, "", rec)
		if err != nil {
			t.Fatal(err)
		}
		n := len(token)
		want("a save without a token", metrics.Event{Op: metrics.Create, DataBytes: 7, TokenBytes: n})

		stale := *rec
		rec.Data = []byte(`{"a":12}`)
		store.Save(ctx, token, rec)
		want("a save", metrics.Event{Op: metrics.Save, DataBytes: 8, TokenBytes: n})
		store.Save(ctx, token, &stale)
		want("a save of an old state", metrics.Event{Op: metrics.Save, Result: metrics.Conflict, DataBytes: 7})
		store.Touch(ctx, token, rec)
		want("a touch", metrics.Event{Op: metrics.Touch, TokenBytes: n})
		store.Touch(ctx, token, &stale)
		want("a touch of an old state", metrics.Event{Op: metrics.Touch, Result: metrics.Conflict})

		old := token
		token, _ = store.Renew(ctx, token, rec)
		want("a renewal", metrics.Event{Op: metrics.Renew, DataBytes: 8, TokenBytes: n})
		store.Load(ctx, token)
		want("a load", metrics.Event{Op: metrics.Load, DataBytes: 8, TokenBytes: n})
		store.Load(ctx, old)
		want("a load with a dead token", metrics.Event{Op: metrics.Load, Result: metrics.NotFound})
		store.Renew(ctx, old, rec)
		want("a renewal of a dead session", metrics.Event{Op: metrics.Renew, Result: metrics.Gone, DataBytes: 8})
		store.DeleteUnchanged(ctx, token, &stale)
		want("a deletion of an old state", metrics.Event{Op: metrics.DeleteUnchanged, Result: metrics.Conflict})
		store.DeleteUnchanged(ctx, token, rec)
		want("a deletion of an unchanged session", metrics.Event{Op: metrics.DeleteUnchanged})
		store.Delete(ctx, token)
		want("a deletion", metrics.Event{Op: metrics.Delete})

		token, _ = store.Renew(ctx, "", rec)
		want("a renewal without a token", metrics.Event{Op: metrics.Create, DataBytes: 8, TokenBytes: n})
		store.Save(ctx, "", rec)
		want("another session", metrics.Event{Op: metrics.Create, DataBytes: 8, TokenBytes: n})
		time.Sleep(time.Minute)
		store.Load(ctx, token)
		want("a load of an expired session", metrics.Event{Op: metrics.Load, Result: metrics.Expired})
		store.DeleteExpired(ctx)
		want("a cleanup", metrics.Event{Op: metrics.DeleteExpired, Deleted: 2})

		canceled, cancel := context.WithCancel(ctx)
		cancel()
		store.Load(canceled, token)
		want("a load that nobody waits for", metrics.Event{Op: metrics.Load, Result: metrics.Canceled})
		late, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		store.Delete(late, token)
		want("a deletion that took too long", metrics.Event{Op: metrics.Delete, Result: metrics.Failure})
	})
}

func TestEventsOfACookieEngine(t *testing.T) {
	var seen memo
	ctx := t.Context()
	store := metrics.Instrument(newCookieEngine(t), &seen)
	rec := &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Minute)}

	store.Load(ctx, "forged")
	if got := seen.take(); len(got) != 1 || got[0].Result != metrics.InvalidToken || got[0].TokenBytes != 0 {
		t.Errorf("a load with a forged token gave %+v", got)
	}
	store.Save(ctx, "", &session.Record{Data: fmt.Appendf(nil, "%x", incompressible(4096)), Expires: rec.Expires})
	if got := seen.take(); len(got) != 1 || got[0].Result != metrics.TooLarge || got[0].DataBytes != 8192 ||
		got[0].TokenBytes != 0 {
		t.Errorf("a save of a session that is too large gave %+v", got)
	}

	if err := store.Touch(ctx, "token", rec); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Touch gave %v, want errors.ErrUnsupported", err)
	}
	if err := store.DeleteUnchanged(ctx, "token", rec); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("DeleteUnchanged gave %v, want errors.ErrUnsupported", err)
	}
	if got := seen.take(); len(got) != 0 {
		t.Errorf("what the engine does not support was recorded: %+v", got)
	}
	if n, err := store.DeleteExpired(ctx); n != 0 || err != nil {
		t.Errorf("DeleteExpired gave %d, %v, want 0 and no error", n, err)
	}
}

func incompressible(n int) []byte {
	b := make([]byte, n)
	x := uint64(1)
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

func TestDurationIsThatOfTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen memo
		store := metrics.Instrument(&slow{SessionStore: sessiontest.NewMemory()}, &seen)
		store.Load(t.Context(), "token")
		if got := seen.take(); got[0].Duration != time.Second {
			t.Errorf("the load took %v, want 1s", got[0].Duration)
		}
	})
}

// slow takes a second to load.
type slow struct{ session.SessionStore }

func (s *slow) Load(ctx context.Context, token string) (*session.Record, error) {
	time.Sleep(time.Second)
	return s.SessionStore.Load(ctx, token)
}

// notSupporting is an engine whose optional methods say that they cannot.
type notSupporting struct{ *sessiontest.Memory }

func (notSupporting) Touch(context.Context, string, *session.Record) error {
	return fmt.Errorf("not this one: %w", errors.ErrUnsupported)
}

func (notSupporting) DeleteUnchanged(context.Context, string, *session.Record) error {
	return fmt.Errorf("not this one: %w", errors.ErrUnsupported)
}

func TestWhatAnEngineDoesNotSupportIsNoOperation(t *testing.T) {
	var seen memo
	store := metrics.Instrument(notSupporting{sessiontest.NewMemory()}, &seen)
	if err := store.Touch(t.Context(), "token", new(session.Record)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Touch gave %v", err)
	}
	if err := store.DeleteUnchanged(t.Context(), "token", new(session.Record)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("DeleteUnchanged gave %v", err)
	}
	if got := seen.take(); len(got) != 0 {
		t.Errorf("recorded %+v", got)
	}
}

func TestForCookie(t *testing.T) {
	var seen memo
	bound, err := metrics.Instrument(newCookieEngine(t), &seen).ForCookie("other")
	if err != nil {
		t.Fatal(err)
	}
	bound.Load(t.Context(), "forged")
	if got := seen.take(); len(got) != 1 {
		t.Errorf("the engine bound to a cookie's name has recorded %d events, want 1", len(got))
	}

	if _, err := metrics.Instrument(newCookieEngine(t)).ForCookie("no name"); err == nil {
		t.Error("the engine refuses the name, and the Store does not")
	}

	if bound, err = metrics.Instrument(sessiontest.NewMemory(), &seen).ForCookie("other"); err != nil {
		t.Fatalf("ForCookie for an engine that is no CookieNamer: %v", err)
	}
	bound.Load(t.Context(), "forged")
	if got := seen.take(); len(got) != 1 {
		t.Errorf("the engine whose tokens know no name has recorded %d events, want 1", len(got))
	}
}

func TestEveryRecorderIsTold(t *testing.T) {
	recorders := []metrics.Recorder{new(memo), new(memo)}
	store := metrics.Instrument(sessiontest.NewMemory(), recorders...)
	recorders[1] = nil // the slice is the caller's
	store.Delete(t.Context(), "token")
	if got := recorders[0].(*memo).take(); len(got) != 1 {
		t.Errorf("the first recorder has %d events, want 1", len(got))
	}
}

func TestInstrumentPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"of a nil engine":       func() { metrics.Instrument(nil, new(memo)) },
		"with a nil recorder":   func() { metrics.Instrument(sessiontest.NewMemory(), nil) },
		"with a nil one of two": func() { metrics.Instrument(sessiontest.NewMemory(), new(memo), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "metrics: ") {
					t.Errorf("got the panic %q", text)
				}
			}()
			f()
		})
	}
}

func TestStoreDoesNotPrintTheEngine(t *testing.T) {
	store := metrics.Instrument(newCookieEngine(t))
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if got, want := fmt.Sprintf(verb, store), "metrics.Store(*signedcookie.Store)"; got != want {
			t.Errorf("%s prints %q, want %q", verb, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	if got, want := fmt.Sprint(metrics.Ops()), "[load create save renew touch delete delete_unchanged delete_expired "+
		"end_sessions end_other_sessions sessions end_session end_all_sessions]"; got != want {
		t.Errorf("Ops are %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(metrics.Results()), "[ok not_found expired invalid_token gone conflict too_large "+
		"canceled failure]"; got != want {
		t.Errorf("Results are %s, want %s", got, want)
	}
	var rejections []metrics.Result
	for _, r := range metrics.Results() {
		if r.Rejection() {
			rejections = append(rejections, r)
		}
	}
	if got, want := fmt.Sprint(rejections), "[not_found expired invalid_token]"; got != want {
		t.Errorf("rejections are %s, want %s", got, want)
	}
	if got := metrics.Op(99).String(); got != "99" {
		t.Errorf("an unknown operation is called %q", got)
	}
}

func TestResultOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want metrics.Result
	}{
		{nil, metrics.OK},
		{session.ErrNotFound, metrics.NotFound},
		{fmt.Errorf("dbstore: load: %w: bad text", session.ErrInvalidToken), metrics.InvalidToken},
		{session.ErrExpired, metrics.Expired},
		{session.ErrGone, metrics.Gone},
		{fmt.Errorf("%w (and more)", session.ErrConflict), metrics.Conflict},
		{fmt.Errorf("engine: %w", &session.TooLargeError{Size: 2, Limit: 1}), metrics.TooLarge},
		{fmt.Errorf("engine: %w", context.Canceled), metrics.Canceled},
		{context.DeadlineExceeded, metrics.Failure},
		{session.ErrClosed, metrics.Failure},
		{errors.New("the database is down"), metrics.Failure},
	} {
		if got := metrics.ResultOf(tc.err); got != tc.want {
			t.Errorf("ResultOf(%v) is %v, want %v", tc.err, got, tc.want)
		}
	}
}
