package session_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestAuthenticated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{})
		v.visit(func(s *session.Session) {
			s.Set("user", 1)
			if _, ok := s.Authenticated(); ok || s.AuthenticatedWithin(time.Hour) {
				t.Error("authenticated without having been")
			}
		})
		before := v.token
		v.visit(func(s *session.Session) { s.SetAuthenticated("pwd") })
		if v.token == before {
			t.Error("SetAuthenticated does not renew")
		}
		at := time.Now()
		time.Sleep(10 * time.Minute)
		v.visit(func(s *session.Session) {
			a, ok := s.Authenticated()
			if !ok || !a.Time.Equal(at.Truncate(time.Second)) || a.Method != "pwd" {
				t.Errorf("%v %v", a, ok)
			}
			if !s.AuthenticatedWithin(10*time.Minute) || s.AuthenticatedWithin(9*time.Minute) ||
				!s.AuthenticatedWithin(time.Hour, "otp", "pwd") || s.AuthenticatedWithin(time.Hour, "otp") {
				t.Error("AuthenticatedWithin is wrong")
			}
		})
		v.visit(func(s *session.Session) { s.SetOwner("bob") })
		v.visit(func(s *session.Session) {
			if _, ok := s.Authenticated(); ok {
				t.Error("what one owner has shown counts for another")
			}
			s.SetOwner("eve")
			s.SetAuthenticated("otp")
		})
		v.visit(func(s *session.Session) {
			if !s.AuthenticatedWithin(time.Minute, "otp") {
				t.Error("what was noted with the owner is gone")
			}
			s.Clear()
			if s.AuthenticatedWithin(time.Minute) {
				t.Error("Clear leaves it")
			}
		})
	})
}

func TestAnAuthenticationThatCannotBeRead(t *testing.T) {
	store := sessiontest.NewMemory()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			if _, ok := mustLoad(t, r).Authenticated(); ok {
				io.WriteString(w, "authenticated")
			}
		}})
	for _, auth := range []string{"1", `[]`, `[-1,"pwd"]`, `[99999999999,"pwd"]`, `["1","pwd"]`, `[1,2]`,
		`[1,"pwd",3]`, "null"} {
		token, err := store.Save(t.Context(), "", &session.Record{Expires: time.Now().Add(time.Hour),
			Data: []byte(`{"user":1,"_session_auth":` + auth + `}`)})
		if err != nil {
			t.Fatal(err)
		}
		s.setToken(token)
		if got := s.get("/").body; got != "" {
			t.Errorf("%s: %s", auth, got)
		}
	}
}

func TestRequireRecent(t *testing.T) {
	step := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "again") })
	guarded := session.RequireRecent(time.Hour, step, "otp")(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }))
	s := newSite(t, sessiontest.NewMemory(), session.Options{}, map[string]http.HandlerFunc{
		"/delete": guarded.ServeHTTP,
		"/login": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Set("user", 1)
			sess.SetAuthenticated(r.FormValue("by"))
		},
	})
	for _, tc := range [][2]string{{"", "again"}, {"pwd", "again"}, {"otp", "done"}} {
		if tc[0] != "" {
			s.get("/login?by=" + tc[0])
		}
		if got := s.get("/delete").body; got != tc[1] {
			t.Errorf("%q: %q", tc[0], got)
		}
	}
}

func TestAnOwnerChangeRenews(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/own": func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).SetOwner(r.FormValue("who")) },
		"/renew": func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			s.SetOwner("ada")
			s.Renew()
		},
		"/late": func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			w.WriteHeader(200)
			s.SetOwner("eve")
			if err := s.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("late: %v", err)
			}
		},
		"/team": teamHandler(t),
	}
	s := newSite(t, rowStore(t), session.Options{}, handlers)
	s.get("/set")
	for _, tc := range []struct {
		path string
		new  bool
	}{{"/own?who=ada", true}, {"/own?who=ada", false}, {"/own?who=bob", true}, {"/late", false}, {"/own?who=", false}} {
		before := s.token()
		s.get(tc.path)
		if (s.token() != before) != tc.new {
			t.Errorf("%s: a new token: %v", tc.path, s.token() != before)
		}
		if got := s.get("/team").body; got != "red" {
			t.Fatalf("%s: the session is gone: %q", tc.path, got)
		}
		if after := s.token(); tc.new {
			s.setToken(before)
			if got := s.get("/team").body; got != "none" {
				t.Errorf("%s: the old token works", tc.path)
			}
			s.setToken(after)
		}
	}

	s = newSite(t, rowStore(t), session.Options{OwnerChange: session.RefuseOwnerChange}, handlers)
	s.get("/set")
	if got := s.get("/own?who=ada").StatusCode; got != 500 {
		t.Errorf("not refused: %d", got)
	}
	if got := s.get("/renew").StatusCode; got != 200 {
		t.Errorf("renewed: %d", got)
	}
}

func TestSessionsPerOwner(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/login": func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			s.Set("user", 1)
			s.SetOwner("ada")
		},
		"/user": func(w http.ResponseWriter, r *http.Request) {
			if mustLoad(t, r).Has("user") {
				io.WriteString(w, "in")
			}
		},
		"/team": teamHandler(t),
	}
	for name, store := range map[string]func() session.SessionStore{
		"rows":   func() session.SessionStore { return ownedRowStore(t) },
		"memory": func() session.SessionStore { return sessiontest.NewMemory() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, store(), session.Options{SessionsPerOwner: 2}, handlers)
			var browsers []*http.Client
			for range 3 {
				b := s.browser()
				browsers = append(browsers, b)
				s.getWith(b, "/set")
				if got := s.getWith(b, "/login").StatusCode; got != 200 {
					t.Fatal(got)
				}
				time.Sleep(2 * time.Millisecond)
				s.getWith(b, "/login") // again, with the same session
			}
			for i, want := range []string{"", "in", "in"} {
				if got := s.getWith(browsers[i], "/user").body; got != want {
					t.Errorf("browser %d: %q", i, got)
				}
			}

			s = newSite(t, store(), session.Options{SessionsPerOwner: 2, BeyondLimit: session.RefuseNewSession}, handlers)
			for i, want := range []int{200, 200, 403} {
				b := s.browser()
				s.getWith(b, "/set")
				for range 2 {
					if got := s.getWith(b, "/login").StatusCode; got != want {
						t.Errorf("login %d: %d", i, got)
					}
				}
				if got := s.getWith(b, "/team").body; got != "red" {
					t.Errorf("login %d: what was there before is lost", i)
				}
			}
		})
	}
}

// However many sign in at once, no more sessions than allowed are left.
func TestSessionsPerOwnerAtOnce(t *testing.T) {
	for _, policy := range []session.BeyondLimit{session.EndOldestSession, session.RefuseNewSession} {
		store := sessiontest.NewMemory()
		s := newSite(t, store, session.Options{SessionsPerOwner: 2, BeyondLimit: policy}, map[string]http.HandlerFunc{
			"/login": func(w http.ResponseWriter, r *http.Request) {
				s := mustLoad(t, r)
				s.Set("user", 1)
				s.SetOwner("ada")
			},
		})
		var wg sync.WaitGroup
		for range 10 {
			b := s.browser()
			wg.Go(func() { s.getWith(b, "/login") })
		}
		wg.Wait()
		page, _, err := store.Sessions(t.Context(), "ada", "", "", 0)
		if err != nil || len(page) > 2 {
			t.Errorf("policy %d: %d sessions, %v", policy, len(page), err)
		}
	}
}

func TestSessionsPerOwnerNeedsAList(t *testing.T) {
	for name, store := range map[string]session.SessionStore{"cookies": cookieStore(t), "rows without owners": rowStore(t),
		"revocation": endableStore(t, strictCookies(t))} {
		if _, err := session.NewManager(store, session.Options{SessionsPerOwner: 1}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{-1, 1000} {
		if _, err := session.NewManager(sessiontest.NewMemory(), session.Options{SessionsPerOwner: n}); err == nil {
			t.Errorf("%d sessions are taken", n)
		}
	}
}

func TestAuthenticationMethodsAreBounded(t *testing.T) {
	s := newSite(t, sessiontest.NewMemory(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			s.Set("user", 1)
			s.SetAuthenticated(r.FormValue("by"))
		},
	})
	for method, want := range map[string]int{strings.Repeat("x", session.MaxMethodBytes): 200,
		strings.Repeat("x", session.MaxMethodBytes+1): 500, "%ff": 500} {
		if got := s.get("/?by=" + method).StatusCode; got != want {
			t.Errorf("%d bytes: %d", len(method), got)
		}
	}
}
