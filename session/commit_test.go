package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
)

func TestTwoRequestsThatChangeDifferentKeysKeepBoth(t *testing.T) {
	type step = func(*session.Session)
	set := func(k string, val any) step { return func(s *session.Session) { s.Set(k, val) } }
	del := func(k string) step { return func(s *session.Session) { s.Delete(k) } }
	for _, tc := range []struct {
		name          string
		policy        session.ConflictPolicy
		first, second step // both load the session {"a":1,"b":2,flash "x"}; then first is saved, then second
		status        int  // of the second
		want          string
	}{
		{"set and set", session.MergeChanges, set("c", 3), set("d", 4), 200,
			`{"a":1,"b":2,"_session_flashes":["x"],"c":3,"d":4}`},
		{"set and delete", session.MergeChanges, set("a", 9), del("b"), 200, `{"a":9,"_session_flashes":["x"]}`},
		{"delete and set", session.MergeChanges, del("a"), set("b", 9), 200, `{"b":9,"_session_flashes":["x"]}`},
		{"of one key the later save counts", session.MergeChanges, set("a", 8), set("a", 9), 200,
			`{"a":9,"b":2,"_session_flashes":["x"]}`},
		{"clear and set", session.MergeChanges, func(s *session.Session) { s.Clear(); s.Set("n", 1) }, set("b", 9), 200,
			`{"n":1,"b":9}`},
		{"set and clear", session.MergeChanges, set("c", 3), func(s *session.Session) { s.Clear(); s.Set("n", 1) },
			200, `{"n":1}`},
		{"set and empty", session.MergeChanges, set("c", 3), func(s *session.Session) {
			s.Delete("a")
			s.Delete("b")
			session.Flashes[string](s)
		}, 200, `{"c":3}`},
		{"empty and set", session.MergeChanges, func(s *session.Session) { s.Clear() }, set("b", 9), 400, ``},
		{"flash and flash", session.MergeChanges, func(s *session.Session) { s.AddFlash("y") },
			func(s *session.Session) { s.AddFlash("z") }, 200, `{"a":1,"b":2,"_session_flashes":["x","y","z"]}`},
		{"flash and taking", session.MergeChanges, func(s *session.Session) { s.AddFlash("y") },
			func(s *session.Session) { session.Flashes[string](s) }, 200, `{"a":1,"b":2,"_session_flashes":["y"]}`},
		{"taking and taking", session.MergeChanges, func(s *session.Session) { session.Flashes[string](s) },
			func(s *session.Session) { session.Flashes[string](s); s.Set("n", 1) }, 200, `{"a":1,"b":2,"n":1}`},
		{"an expiry and set", session.MergeChanges, func(s *session.Session) { s.SetExpiry(time.Hour) }, set("c", 3),
			200, `{"a":1,"b":2,"_session_flashes":["x"],"_session_expiry":3600,"c":3}`},
		{"set and renew", session.MergeChanges, set("c", 3), func(s *session.Session) { s.Renew(); s.Set("d", 4) }, 200,
			`{"a":1,"b":2,"_session_flashes":["x"],"c":3,"d":4}`},
		{"renew and set", session.MergeChanges, func(s *session.Session) { s.Renew() }, set("d", 4), 400, ``},
		{"logout and set", session.MergeChanges, func(s *session.Session) { s.Flush() }, set("d", 4), 400, ``},
		{"set and logout", session.MergeChanges, set("d", 4), func(s *session.Session) { s.Flush() }, 200, ``},
		{"set and extension", session.MergeChanges, set("d", 4), func(s *session.Session) { s.Touch() }, 200,
			`{"a":1,"b":2,"_session_flashes":["x"],"d":4}`},
		{"the last write wins, if asked for", session.LastWriteWins, set("c", 3), set("d", 4), 200,
			`{"a":1,"b":2,"_session_flashes":["x"],"d":4}`},
		{"the last write does not undo a logout", session.LastWriteWins, func(s *session.Session) { s.Flush() },
			set("d", 4), 400, ``},
		{"a conflict fails, if asked for", session.FailOnConflict, set("c", 3), set("d", 4), 409,
			`{"a":1,"b":2,"_session_flashes":["x"],"c":3}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			m, err := session.NewManager(store, session.Options{Conflict: tc.policy})
			if err != nil {
				t.Fatal(err)
			}
			token, err := store.Memory.Save(t.Context(), "",
				&session.Record{Data: []byte(`{"a":1,"b":2,"_session_flashes":["x"]}`),
					Expires: time.Now().Add(time.Hour).Truncate(time.Second)})
			if err != nil {
				t.Fatal(err)
			}
			serve := func(do step) *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", "/", nil)
				r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
				w := httptest.NewRecorder()
				m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					do(mustLoad(t, r))
					io.WriteString(w, "the handler's body")
				})).ServeHTTP(w, r)
				return w
			}
			first := 0
			w := serve(func(s *session.Session) {
				tc.second(s)
				first = serve(tc.first).Code
			})
			if first != 200 || w.Code != tc.status {
				t.Errorf("status %d and %d, want 200 and %d", first, w.Code, tc.status)
			}
			if tc.status != 200 && strings.Contains(w.Body.String(), "handler") {
				t.Errorf("the body of a failed request: %q", w.Body)
			}
			for _, c := range w.Result().Cookies() {
				token = c.Value
			}
			got := ""
			if rec, err := store.Memory.Load(t.Context(), token); err == nil {
				got = string(rec.Data)
			}
			if got != tc.want {
				t.Errorf("stored: %s\n  want: %s", got, tc.want)
			}
		})
	}
}

func TestFiftyParallelWritersKeepTheirKeys(t *testing.T) {
	store := newProbe()
	var ready sync.WaitGroup
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/key": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			ready.Done()
			ready.Wait() // all have loaded the same state
			sess.Set(r.FormValue("k"), true)
		},
		"/keys": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, mustLoad(t, r).Len()) },
	})
	s.get("/set")
	const n = 50
	ready.Add(n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if res := s.get("/key?k=" + strconv.Itoa(i)); res.StatusCode != 200 {
				t.Errorf("writer %d: %d %s", i, res.StatusCode, res.body)
			}
		})
	}
	all.Wait()
	if got := s.get("/keys").body; got != "51" {
		t.Errorf("%s keys, want 51", got)
	}
}

// A session that changes and is deleted between a request's save and its next
// try is not begun anew.
func TestLogoutBetweenTwoTriesIsNotUndone(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/b":   func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).Set("b", 1) },
	})
	s.get("/set")
	token := s.token()
	store.mu.Lock()
	store.fail = func(op string) error {
		if op != "save" {
			return nil
		}
		store.Memory.Delete(context.Background(), token)
		return session.ErrConflict
	}
	store.mu.Unlock()
	store.took()
	if res := s.get("/b"); res.StatusCode != 400 || res.sessionCookies() != nil {
		t.Errorf("%d %q %q", res.StatusCode, res.body, res.sessionCookies())
	}
	if calls := store.took(); calls != "load save load" {
		t.Errorf("the store was asked: %s", calls)
	}
}

func TestLogoutDuringASlowRequestIsNotUndone(t *testing.T) {
	store := newProbe()
	loaded, loggedOut := make(chan struct{}), make(chan struct{})
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set":    setHandler(t),
		"/logout": logoutHandler(t),
		"/team":   teamHandler(t),
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			close(loaded)
			<-loggedOut
			sess.Set("cart", []int{1, 2, 3})
			io.WriteString(w, "the cart of the visitor")
		},
	})
	s.get("/set")
	token := s.token()
	slow := make(chan answer)
	go func() { slow <- s.get("/slow") }()
	<-loaded
	s.get("/logout")
	close(loggedOut)
	if res := <-slow; res.StatusCode != 400 || strings.Contains(res.body, "cart") || res.sessionCookies() != nil {
		t.Errorf("the slow request got %d %q %q", res.StatusCode, res.body, res.sessionCookies())
	}
	s.setToken(token)
	if got := s.get("/team").body; got != "none" {
		t.Errorf("the session is alive again: %q", got)
	}
}

func TestTooLargeNamesTheLargestEntriesButDoesNotPrintThem(t *testing.T) {
	store := newProbe()
	store.failOn(fmt.Errorf("engine: %w", &session.TooLargeError{Size: 5000, Limit: 4096}), "create")
	var tooLarge *session.TooLargeError
	s := newSite(t, store, session.Options{ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
		if !errors.As(err, &tooLarge) || session.ErrorStatus(err) != 500 {
			t.Errorf("error %v", err)
		}
	}}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			for i := range 9 {
				sess.Set(fmt.Sprint("key", i), strings.Repeat("x", 10*i))
			}
		},
	})
	s.get("/")
	if tooLarge == nil {
		t.Fatal("no error")
	}
	if got := fmt.Sprint(tooLarge.Largest); got != "[{key8 82} {key7 72} {key6 62} {key5 52} {key4 42}]" {
		t.Errorf("largest: %s", got)
	}
	if text := tooLarge.Error(); strings.Contains(text, "key8") || !strings.Contains(text, "5000") ||
		!strings.Contains(text, "4096") {
		t.Errorf("text: %s", text)
	}
}

func TestAnEngineThatCanTouchAndDeleteOnlySome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		v.store.failOn(errors.ErrUnsupported, "touch", "delete-unchanged")
		time.Sleep(10 * time.Minute)
		if calls := v.visit(look); calls != "load touch save" {
			t.Errorf("the store was asked: %s", calls)
		}
		if calls := v.visit(func(s *session.Session) { s.Clear() }); calls != "load delete-unchanged delete" {
			t.Errorf("the store was asked: %s", calls)
		}
	})
}
