package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/redisstore"
	"sessionengine/session"
)

// The tests in this file are about what has gone wrong in other stores on Redis.

func record(owner, data string) *session.Record {
	return &session.Record{Data: []byte(data), Owner: owner, Label: "a label",
		Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
}

// begin saves a new session.
func begin(t testing.TB, store session.SessionStore, rec *session.Record) (token string) {
	t.Helper()
	token, err := store.Save(context.Background(), "", rec)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestASlowRequestDoesNotResurrectASession(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		for _, owner := range []string{"", "ann"} {
			store := open(t, url, redisstore.Options{Owners: owner != ""})
			ctx := t.Context()
			for name, write := range map[string]func(token string, rec *session.Record) error{
				"Save":  func(token string, rec *session.Record) error { _, err := store.Save(ctx, token, rec); return err },
				"Renew": func(token string, rec *session.Record) error { _, err := store.Renew(ctx, token, rec); return err },
				"Touch": func(token string, rec *session.Record) error { return store.Touch(ctx, token, rec) },
			} {
				rec := record(owner, `{"n":1}`)
				token := begin(t, store, rec)
				if err := store.Delete(ctx, token); err != nil {
					t.Fatal(err)
				}
				if err := write(token, rec); !errors.Is(err, session.ErrGone) {
					t.Errorf("%s after a logout, with the owner %q: %v", name, owner, err)
				}
				if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("after %s the session is there again: %v", name, err)
				}
			}
			if n, err := store.Count(ctx); n != 0 || err != nil {
				t.Errorf("%d sessions are left, %v", n, err)
			}
		}
	})
}

// site is an application on a store: it does in a request what a test says.
func site(t testing.TB, store session.SessionStore) func(cookie string, do func(s *session.Session)) (string, int) {
	t.Helper()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	return func(cookie string, do func(s *session.Session)) (string, int) {
		r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: session.DefaultCookieName, Value: cookie})
		}
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.Load(r); err == nil {
				do(s)
			}
		})).ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookie = c.Value
		}
		return cookie, w.Code
	}
}

func TestParallelRequestsLoseNoUpdate(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		request := site(t, open(t, url, redisstore.Options{}))
		cookie, _ := request("", func(s *session.Session) { s.Set("user", 1) })
		const writers = 50
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				if _, code := request(cookie, func(s *session.Session) { s.Set(fmt.Sprint("key", i), i) }); code != 200 {
					t.Errorf("status %d", code)
				}
			})
		}
		wg.Wait()
		request(cookie, func(s *session.Session) {
			if n := len(s.Keys()); n != writers+1 {
				t.Errorf("the session has %d keys, want %d", n, writers+1)
			}
		})
	})
}

func TestAMergeDoesNotBringBackDeletedKeys(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		request := site(t, open(t, url, redisstore.Options{}))
		cookie, _ := request("", func(s *session.Session) { s.Set("cart", 1); s.Set("user", 1) })
		request(cookie, func(slow *session.Session) {
			slow.Set("seen", 1)
			request(cookie, func(s *session.Session) { s.Delete("cart") })
		})
		request(cookie, func(s *session.Session) {
			if got := strings.Join(s.Keys(), " "); got != "user seen" {
				t.Errorf("the session has the keys %q", got)
			}
		})
	})
}

func TestRenewalOfASessionThatWasDeletedMeanwhile(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		request := site(t, open(t, url, redisstore.Options{Owners: true}))
		cookie, _ := request("", func(s *session.Session) { s.SetOwner("ann"); s.Set("user", 1) })
		renewed, code := request(cookie, func(slow *session.Session) {
			request(cookie, func(s *session.Session) { s.Flush() })
			slow.Renew()
		})
		if code == 200 || code >= 500 {
			t.Errorf("the renewal was answered with %d", code)
		}
		for _, c := range []string{cookie, renewed} {
			request(c, func(s *session.Session) {
				if s.Has("user") {
					t.Error("the session lives")
				}
			})
		}
	})
}

func TestRenewalStaysInTheSlot(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{})
		rec := record("", `{"n":1}`)
		token := begin(t, store, rec)
		tag := func(token string) string {
			_, rest, _ := strings.Cut(store.Key(token), "{")
			tag, _, _ := strings.Cut(rest, "}")
			return tag
		}
		for range 20 {
			renewed, err := store.Renew(t.Context(), token, rec)
			if err != nil {
				t.Fatal(err)
			}
			if renewed == token || tag(renewed) != tag(token) || tag(token) == "" {
				t.Fatalf("a session moved to another slot")
			}
			token = renewed
		}
	})
}

func TestARenewedSessionLeavesNoOldNameInTheIndex(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		rec := record("ann", `{"n":1}`)
		token := begin(t, store, rec)
		for range 20 {
			var err error
			if token, err = store.Renew(t.Context(), token, rec); err != nil {
				t.Fatal(err)
			}
		}
		if n := store.Indexed(t, "ann"); n != 1 {
			t.Errorf("the index of a single session has %d members", n)
		}
		if err := store.Delete(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if n := store.Indexed(t, "ann"); n != 0 {
			t.Errorf("the index has %d members after the logout", n)
		}
	})
}

// No event tells of these sessions' end, and the index gets rid of them all the same.
func TestTheIndexNeedsNoEvents(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		for range 5 {
			short := record("ann", `{"n":1}`)
			short.Expires = time.Now().Add(300 * time.Millisecond)
			begin(t, store, short)
		}
		begin(t, store, record("ann", `{"n":2}`))
		time.Sleep(400 * time.Millisecond)
		page, _, err := store.Sessions(t.Context(), "ann", "", "", 0)
		if err != nil || len(page) != 1 {
			t.Errorf("%d sessions are listed, %v", len(page), err)
		}
		if n := store.Indexed(t, "ann"); n != 1 {
			t.Errorf("the index has %d members", n)
		}
	})
}

// Nobody lists the sessions of this owner ever again.
func TestTheIndexExpires(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		long, short := record("ann", `{"n":1}`), record("ann", `{"n":2}`)
		short.Expires = long.Expires.Add(-50 * time.Minute)
		begin(t, store, long)
		begin(t, store, short)
		life := store.IndexLife(t, "ann")
		if want := time.Until(long.Expires); life < want || life > want+2*time.Minute {
			t.Errorf("the index lives for %v, and the session for %v", life, want)
		}
	})
}

func TestNoKeyIsWithoutATTLUnderLoad(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{Owners: true})
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				owner := fmt.Sprint("owner", w%3)
				for range 40 {
					rec := record(owner, `{"n":1}`)
					token := begin(t, store, rec)
					store.Touch(t.Context(), token, rec)
					store.Save(t.Context(), token, rec)
					token, _ = store.Renew(t.Context(), token, rec)
					if w%2 == 0 {
						store.Delete(t.Context(), token)
					}
					if w == 7 {
						store.EndSessions(t.Context(), owner)
					}
				}
			})
		}
		wg.Wait()
		if n := store.WithoutTTL(t); n != 0 {
			t.Errorf("%d keys have no expiry", n)
		}
	})
}
