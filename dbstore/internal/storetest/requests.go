package storetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// site is a web application on a store.
type site struct{ handler http.Handler }

func newSite(t *testing.T, store session.SessionStore, opts session.Options) site {
	t.Helper()
	opts.Cookie.InsecureAllowHTTP = true
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	with := func(f func(s *session.Session, r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				return // the middleware answers
			}
			f(s, r)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/untouched", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/read", with(func(s *session.Session, _ *http.Request) { s.Has("user") }))
	mux.Handle("/write", with(func(s *session.Session, r *http.Request) { s.Set(r.FormValue("key"), 1) }))
	mux.Handle("/login", with(func(s *session.Session, _ *http.Request) { s.Set("user", 20); s.Renew() }))
	mux.Handle("/flush", with(func(s *session.Session, _ *http.Request) { s.Flush() }))
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) { session.End(r) })
	mux.Handle("/keys", with(func(s *session.Session, r *http.Request) {
		r.Header.Set("keys", strings.Join(s.Keys(), " "))
	}))
	return site{m.Handler(mux)}
}

// get asks for a page with a cookie, which is none if it is empty, and returns
// the cookie afterwards.
func (s site) get(t *testing.T, cookie, page string) (newCookie string, keys []string) {
	t.Helper()
	r := httptest.NewRequest("GET", page, nil).WithContext(t.Context())
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: cookie})
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("%s: status %d", page, w.Code)
	}
	for _, c := range w.Result().Cookies() {
		cookie = c.Value
	}
	return cookie, strings.Fields(r.Header.Get("keys"))
}

// testRequests counts the statements of whole requests.
func testRequests(t *testing.T, b Backend) {
	var calls Calls
	store := b.wrapped(t, b.Place(t), dbstore.Options{Table: newTable()}, calls.Wrap)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := newSite(t, store, session.Options{})
	idle := newSite(t, store, session.Options{IdleTimeout: time.Hour})
	cookie, _ := web.get(t, "", "/write?key=first")
	for _, step := range []struct {
		name, page string
		site       site
		visitor    string
		want       int64
	}{
		{"untouched", "/untouched", web, cookie, 0},
		{"anonymous", "/read", web, "", 0},
		{"anonymous with a foreign cookie", "/read", web, "something else", 0},
		{"first visit", "/write?key=a", web, "", 1},
		{"read", "/read", web, cookie, 1},
		{"read again, with an idle timeout that need not be renewed yet", "/read", idle, cookie, 1},
		{"write", "/write?key=b", web, cookie, 2},
		{"login", "/login", web, cookie, 2},
	} {
		calls.Statements.Store(0)
		newCookie, _ := step.site.get(t, step.visitor, step.page)
		if got := calls.Statements.Load(); got != step.want {
			t.Errorf("%s: %d statements, want %d", step.name, got, step.want)
		}
		if step.visitor == cookie {
			cookie = newCookie
		}
	}
	for page, want := range map[string]int64{"/logout": 1, "/flush": 2} {
		cookie, _ := web.get(t, "", "/write?key=a")
		calls.Statements.Store(0)
		web.get(t, cookie, page)
		if got := calls.Statements.Load(); got != want {
			t.Errorf("%s: %d statements, want %d", page, got, want)
		}
		if _, keys := web.get(t, cookie, "/keys"); len(keys) > 0 {
			t.Errorf("%s: the session still holds %v", page, keys)
		}
	}
}

// testParallelRequests lets requests set a key each of the same session.
func testParallelRequests(t *testing.T, b Backend) {
	const requests = 50
	store := b.store(t, dbstore.Options{})
	web := newSite(t, store, session.Options{})
	cookie, _ := web.get(t, "", "/write?key=first")
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() { web.get(t, cookie, fmt.Sprintf("/write?key=k%d", i)) })
	}
	wg.Wait()
	if _, keys := web.get(t, cookie, "/keys"); len(keys) != requests+1 {
		t.Errorf("%d keys are there, want %d: %v", len(keys), requests+1, keys)
	}
}
