package session_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
)

// A session that this response began is in the browser once the header is out.
func TestRule7_ALateFlushOfANewSessionIsReported(t *testing.T) {
	for name, open := range engines {
		for _, how := range []string{"Flush", "Clear", "End"} {
			t.Run(name+" "+how, func(t *testing.T) {
				s := newSite(t, open(t), session.Options{}, map[string]http.HandlerFunc{
					"/": func(w http.ResponseWriter, r *http.Request) {
						sess := mustLoad(t, r)
						sess.Set("team", "red")
						w.WriteHeader(200)
						switch how {
						case "Flush":
							sess.Flush()
						case "Clear":
							sess.Clear()
						case "End":
							if err := session.End(r); !errors.Is(err, session.ErrHeadersSent) {
								t.Errorf("End: %v", err)
							}
						}
						if err := sess.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
							t.Errorf("Save: %v", err)
						}
					},
				})
				if s.get("/"); strings.Count(s.logs.String(), "level=ERROR") != 1 {
					t.Errorf("logged: %s", s.logs)
				}
			})
		}
	}
}

// What changes no data is a change as well.
func TestRule7_EachKindOfLateChangeIsSavedOrReported(t *testing.T) {
	changes := map[string]func(*session.Session){
		"Touch":                func(s *session.Session) { s.Touch() },
		"Renew":                func(s *session.Session) { s.Renew() },
		"SetExpiry":            func(s *session.Session) { s.SetExpiry(time.Hour) },
		"SetExpiryTime":        func(s *session.Session) { s.SetExpiryTime(time.Now().Add(time.Hour)) },
		"ExpireAtBrowserClose": func(s *session.Session) { s.ExpireAtBrowserClose() },
		"SetOwner":             func(s *session.Session) { s.SetOwner("alice") },
		"SetLabel":             func(s *session.Session) { s.SetLabel("phone") },
		"AddFlash":             func(s *session.Session) { s.AddFlash("hi") },
		"SetTestCookie":        func(s *session.Session) { s.SetTestCookie() },
		"Delete":               func(s *session.Session) { s.Delete("team") },
		"Flush":                func(s *session.Session) { s.Flush() },
	}
	// What an engine that keeps rows saves without telling the browser.
	saved := map[string]bool{"Touch": true, "SetLabel": true, "AddFlash": true,
		"SetTestCookie": true, "Delete": true}
	for name, change := range changes {
		for engine, open := range map[string]func(*testing.T) session.SessionStore{"cookie": cookieStore,
			"memory": func(*testing.T) session.SessionStore { return newProbe() }} {
			for _, when := range []string{"after the header", "after the handler"} {
				t.Run(name+" "+engine+" "+when, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						logs := &syncBuffer{}
						store := open(t)
						m, err := session.NewManager(store,
							session.Options{Logger: slog.New(slog.NewTextHandler(logs, nil))})
						if err != nil {
							t.Fatal(err)
						}
						serve := func(cookie string, h http.HandlerFunc) string {
							r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
							r.Header.Set("Cookie", cookie)
							m.Handler(h).ServeHTTP(w, r)
							pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
							return pair
						}
						cookie := serve("", func(w http.ResponseWriter, r *http.Request) {
							mustLoad(t, r).Set("team", "red")
							mustLoad(t, r).Set("n", 1)
						})
						time.Sleep(time.Hour)
						var left *session.Session
						serve(cookie, func(w http.ResponseWriter, r *http.Request) {
							left = mustLoad(t, r)
							w.WriteHeader(200)
							if when == "after the header" {
								change(left)
							}
						})
						if when == "after the handler" {
							change(left)
						}
						reported := errors.Is(left.Err(), session.ErrHeadersSent) &&
							strings.Contains(logs.String(), "level=ERROR")
						want := !(when == "after the header" && engine == "memory" && saved[name])
						if reported != want || !want && logs.String() != "" {
							t.Errorf("Err: %v, logged: %s", left.Err(), logs)
						}
						if name == "Touch" && !want {
							rec, err := store.Load(t.Context(), strings.TrimPrefix(cookie, "sessionid="))
							if err != nil || time.Until(rec.Expires) < 14*24*time.Hour {
								t.Errorf("not extended: %v", err)
							}
						}
					})
				})
			}
		}
	}
}

func TestRule7_OneLogLineForLateChanges(t *testing.T) {
	var left *session.Session
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) { left = mustLoad(t, r) },
	})
	s.get("/")
	for n := range 10 {
		left.Set("n", n)
	}
	if n := strings.Count(s.logs.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, s.logs)
	}
}

// Frameworks begin the response themselves when a handler has returned without
// one, with 200 and no body.
func TestRule4_AFailedLoadIsAnsweredWhereTheFrameworkSends200(t *testing.T) {
	for _, tc := range []struct {
		name   string
		do     func(w http.ResponseWriter)
		status int
		body   string // "" for the error handler's
	}{
		{"the header", func(w http.ResponseWriter) { w.WriteHeader(200) }, 503, ""},
		{"the header twice", func(w http.ResponseWriter) { w.WriteHeader(200); w.WriteHeader(200) }, 503, ""},
		{"an empty body", func(w http.ResponseWriter) { w.WriteHeader(200); w.Write(nil) }, 503, ""},
		{"an empty string", func(w http.ResponseWriter) { io.WriteString(w, "") }, 503, ""},
		{"an empty file", func(w http.ResponseWriter) { w.(io.ReaderFrom).ReadFrom(strings.NewReader("")) }, 503, ""},
		{"a page", func(w http.ResponseWriter) { w.WriteHeader(200); io.WriteString(w, "my page") }, 200, "my page"},
		{"a file", func(w http.ResponseWriter) {
			w.WriteHeader(200)
			w.(io.ReaderFrom).ReadFrom(strings.NewReader("my page"))
		}, 200, "my page"},
		{"a stream", func(w http.ResponseWriter) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			io.WriteString(w, "my page")
		}, 200, "my page"},
		{"another status", func(w http.ResponseWriter) { w.WriteHeader(418) }, 418, ""},
		{"no content", func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			store.failOn(errors.New("down"), "load")
			loads := true
			s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
				"/": func(w http.ResponseWriter, r *http.Request) {
					if loads {
						session.Load(r)
					}
					tc.do(w)
				},
			})
			s.setToken("x")
			res := s.get("/")
			if res.StatusCode != tc.status || tc.body != "" && res.body != tc.body {
				t.Errorf("%d %q, want %d %q", res.StatusCode, res.body, tc.status, tc.body)
			}
			if (res.StatusCode == 503) != strings.Contains(res.body, "try again") ||
				res.Header.Get("Vary") != "Cookie" {
				t.Errorf("%q, %v", res.body, res.Header)
			}
			if n := strings.Count(s.logs.String(), "\n"); n != 1 {
				t.Errorf("%d lines: %s", n, s.logs)
			}
			loads = false
			if res := s.get("/"); res.StatusCode == 503 {
				t.Error("503 although nothing was loaded")
			}
		})
	}
}

func TestWithoutALoggerFailuresGoToTheDefault(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var logs syncBuffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&logs, nil)))
	store := newProbe()
	store.failOn(errors.New("connection refused"), "create")
	for n, opts := range []session.Options{{Logger: slog.New(slog.DiscardHandler)}, {}} {
		m, err := session.NewManager(store, opts)
		if err != nil {
			t.Fatal(err)
		}
		m.Handler(setHandler(t)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if got := strings.Count(logs.String(), "connection refused"); got != n {
			t.Errorf("%+v: %d lines: %s", opts, got, &logs)
		}
	}
}

// An engine in cookies extends a session by sending back what the request
// loaded, and so undoes what another request has changed meanwhile. That must
// not be possible with each request.
func TestCookiesAreExtendedOnlyWhenThatIsDueForLong(t *testing.T) {
	for name, tc := range map[string]struct {
		open  func(*testing.T) session.SessionStore
		opts  session.Options
		after time.Duration
	}{
		"a cookie": {cookieStore,
			session.Options{SaveEveryRequest: true, Lifetime: 10 * time.Hour}, time.Hour},
		"a cookie with RenewAfter": {cookieStore,
			session.Options{SaveEveryRequest: true, Lifetime: 10 * time.Hour,
				RenewAfter: 2 * time.Hour}, 2 * time.Hour},
		"memory": {func(*testing.T) session.SessionStore { return newProbe() },
			session.Options{SaveEveryRequest: true, Lifetime: 10 * time.Hour}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := session.NewManager(tc.open(t), tc.opts)
				if err != nil {
					t.Fatal(err)
				}
				get := func(cookie string, h http.HandlerFunc) string {
					w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
					r.Header.Set("Cookie", cookie)
					m.Handler(h).ServeHTTP(w, r)
					if w.Code != 200 {
						t.Errorf("%d %s", w.Code, w.Body)
					}
					pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
					return pair
				}
				cookie := get("", setHandler(t))
				time.Sleep(tc.after - time.Second)
				if got := get(cookie, teamHandler(t)); got != "" && tc.after > time.Second {
					t.Error("extended before it was due")
				}
				touch := func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).Touch() }
				if got := get(cookie, touch); got == "" && tc.after > time.Second {
					t.Error("Touch was not obeyed")
				}
				time.Sleep(time.Second)
				if got := get(cookie, teamHandler(t)); got == "" {
					t.Error("not extended")
				}
			})
		})
	}
}

// A handler that panicked has no say any more, nor have its goroutines.
func TestRule5_NothingIsSavedAfterAPanic(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var sess *session.Session
	func() {
		defer func() { recover() }()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sess = mustLoad(t, r)
			sess.Set("team", "red")
			panic("out of order")
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if err := sess.Save(t.Context()); !errors.Is(err, session.ErrHeadersSent) {
		t.Errorf("Save: %v", err)
	}
	if calls := store.took(); calls != "" {
		t.Errorf("the store was called: %s", calls)
	}
}

// A late extension must not give a token that the client does not learn.
func TestALateExtensionKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &moving{probe: newProbe(), cannot: true}
		m, err := session.NewManager(store, session.Options{Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		v := &visitor{t: t, m: m, store: store.probe}
		v.visit(login)
		time.Sleep(30 * time.Minute)
		store.failOn(errors.ErrUnsupported, "touch")
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: v.token})
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			w.WriteHeader(200)
			s.Touch()
			if err := s.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("Save: %v", err)
			}
		})).ServeHTTP(w, r)
		if !v.alive() {
			t.Error("the session has moved without the client")
		}
	})
}

// slowStore takes its time to save.
type slowStore struct {
	*probe
	saving, done chan struct{}
}

func (s slowStore) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if token != "" {
		close(s.saving)
		<-s.done
	}
	return s.probe.Save(ctx, token, rec)
}

// The rest of a body is not held up while a goroutine saves a late change.
func TestABodyGoesOnWhileALateChangeIsSaved(t *testing.T) {
	store := slowStore{newProbe(), make(chan struct{}), make(chan struct{})}
	token := stored(t, store, `{"team":"red"}`)
	w := inRequestOf(t, manager(t, store, session.Options{}), token, func(w http.ResponseWriter, s *session.Session) {
		io.WriteString(w, "first, ")
		saved := make(chan error)
		go func() {
			s.Set("team", "blue")
			saved <- s.Save(context.Background())
		}()
		<-store.saving
		written := make(chan struct{})
		go func() {
			io.WriteString(w, "second")
			close(written)
		}()
		select {
		case <-written:
		case <-time.After(10 * time.Second):
			t.Error("the body waits for the store")
		}
		close(store.done)
		<-written
		if err := <-saved; err != nil {
			t.Error(err)
		}
	})
	if w.Body.String() != "first, second" {
		t.Errorf("%q", w.Body)
	}
}
