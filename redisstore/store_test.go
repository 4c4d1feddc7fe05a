package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		opts := redisstore.Options{}
		sessiontest.Run(t, func(t *testing.T) session.SessionStore { return open(t, url, opts) }, features(url, opts))
	})
}

func TestStoreWithOwners(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		opts := redisstore.Options{Owners: true}
		sessiontest.Run(t, func(t *testing.T) session.SessionStore { return open(t, url, opts) }, features(url, opts))
	})
}

func TestRandomOperations(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		for seed := range uint64(2) { // 0 is a random one
			sessiontest.RunRandom(t, seed, 300, sessiontest.Subject{
				Name:     "redis",
				New:      func(t *testing.T) session.SessionStore { return open(t, url, redisstore.Options{}) },
				Features: features(url, redisstore.Options{}),
			})
		}
	})
}

func TestNewChecksItsArguments(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer c.Close()
	for name, opts := range map[string]redisstore.Options{
		"a prefix with a brace":      {Prefix: "a{b"},
		"a prefix with a space":      {Prefix: "a b"},
		"a prefix of 65 bytes":       {Prefix: strings.Repeat("a", 65)},
		"a negative limit":           {MaxBytes: -1},
		"a limit above 64 MiB":       {MaxBytes: 64<<20 + 1},
		"a negative number to wait":  {WaitReplicas: -1},
		"a wait without an end":      {WaitTimeout: time.Microsecond},
		"a wait that is negative":    {WaitTimeout: -time.Second},
		"a prefix in another script": {Prefix: "phiên"},
	} {
		if _, err := redisstore.New(c, opts); err == nil || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := redisstore.New(nil, redisstore.Options{}); err == nil {
		t.Error("no client: no error")
	}
	store, err := redisstore.New(c, redisstore.Options{})
	if err != nil {
		t.Fatalf("New uses the server: %v", err)
	}
	if _, err := store.ForCookie(""); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("a cookie without a name: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Ping(t.Context()).Err(); errors.Is(err, redis.ErrClosed) {
		t.Error("Close has closed the application's client")
	}
}

func TestSessionsAboveMaxBytesAreRefused(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{MaxBytes: 100})
		ctx := t.Context()
		fits := record("", `{"a":"`+strings.Repeat("x", 92)+`"}`)
		token := begin(t, store, fits)
		for name, save := range map[string]func(rec *session.Record) error{
			"Save of a new session": func(rec *session.Record) error { _, err := store.Save(ctx, "", rec); return err },
			"Save":                  func(rec *session.Record) error { _, err := store.Save(ctx, token, rec); return err },
			"Renew":                 func(rec *session.Record) error { _, err := store.Renew(ctx, token, rec); return err },
			"SaveInPlace":           func(rec *session.Record) error { return session.SaveInPlace(ctx, store, token, rec) },
		} {
			large := record("", `{"a":"`+strings.Repeat("x", 93)+`"}`)
			large.Version = fits.Version
			err, ok := errors.AsType[*session.TooLargeError](save(large))
			if !ok || err.Size != 101 || err.Limit != 100 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if rec, err := store.Load(ctx, token); err != nil || len(rec.Data) != 100 {
			t.Errorf("Load: %v", err)
		}
	})
}

func TestCountIsThatOfLivingSessions(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		other, err := store.ForCookie("other")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			begin(t, store, record("ann", `{"n":1}`))
			begin(t, other, record("", `{"n":1}`))
			if token := begin(t, store, record("bob", `{"n":1}`)); i%2 == 0 {
				store.Delete(t.Context(), token)
			}
		}
		if n, err := store.EndSessions(t.Context(), "bob"); n != 15 || err != nil {
			t.Errorf("EndSessions: %d, %v", n, err)
		}
		if n, err := store.Count(t.Context()); n != 60 || err != nil {
			t.Errorf("Count gives %d, %v, want 60", n, err)
		}
	})
}

// A page has what was asked for and no more, and says whether there is another one.
func TestPagesOfSessions(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		const sessions = 1003
		for range sessions {
			begin(t, store, record("ann", `{}`))
		}
		for _, tc := range []struct{ limit, want, pages int }{
			{0, 1000, 2}, {-1, 1000, 2}, {5000, 1000, 2}, {400, 400, 3}, {sessions, 1000, 2}, {501, 501, 3},
		} {
			seen := make(map[string]bool)
			pages := 0
			for after, next := "", "?"; next != "" && pages < 10; after, pages = next, pages+1 {
				var page []session.SessionInfo
				var err error
				page, next, err = store.Sessions(t.Context(), "ann", "", after, tc.limit)
				if err != nil || len(page) > tc.want || next != "" && len(page) != tc.want {
					t.Fatalf("a limit of %d gives a page of %d, %v", tc.limit, len(page), err)
				}
				for _, info := range page {
					seen[info.ID] = true
				}
			}
			if len(seen) != sessions || pages != tc.pages {
				t.Errorf("a limit of %d gives %d sessions on %d pages", tc.limit, len(seen), pages)
			}
		}
		if n, err := store.EndSessions(t.Context(), "ann"); n != sessions || err != nil {
			t.Errorf("EndSessions: %d, %v", n, err)
		}
	})
}
