package session_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

// revocable returns cookies that can be ended.
func revocable(t *testing.T) *revocation.Store {
	t.Helper()
	secret := sha256.Sum256([]byte("a secret for tests only"))
	cookies, err := signedcookie.New(secret[:], signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := revocation.New(cookies, revocation.NewMemoryList(), revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestOwnerOf(t *testing.T) {
	for data, want := range map[string]string{
		`{}`:                              "",
		`{"_session_owner":"alice"}`:      "alice",
		`{"_session_owner":"al\u0069ce"}`: "alice",
		`{"_session_owner":"alice","_SESSION_OWNER":"x"}`: "alice",
		`{"_SESSION_OWNER":"x"}`:                          "",
		`{"_session_owner":"x","_session_owner":"alice"}`: "alice",
		`{"_session_owner":7}`:                            "",
		`{"_session_\u006fwner":"alice"}`:                 "alice",
	} {
		if got, ok := session.OwnerOf([]byte(data)); got != want || !ok {
			t.Errorf("%s: %q, %v, want %q", data, got, ok, want)
		}
	}
	for _, data := range []string{``, `[]`, `{`, `{"_session_owner":"alice"`} {
		if got, ok := session.OwnerOf([]byte(data)); got != "" || ok {
			t.Errorf("%s: %q, %v", data, got, ok)
		}
	}
}

func TestWithoutAnOwnerThereIsNothingToEnd(t *testing.T) {
	ctx := t.Context()
	for name, store := range map[string]session.SessionStore{"can": revocable(t), "cannot": sessiontest.NewMemory()} {
		_, errAll := session.EndSessions(ctx, store, "")
		_, errOthers := session.EndOtherSessions(ctx, store, "", "token")
		_, _, errList := session.Sessions(ctx, store, "", "", "", 0)
		for call, err := range map[string]error{"EndSessions": errAll, "EndOtherSessions": errOthers,
			"Sessions": errList, "EndSession": session.EndSession(ctx, store, "", "id")} {
			if !errors.Is(err, session.ErrNoOwner) || session.ErrorStatus(err) != 500 {
				t.Errorf("%s of an engine that %s: %v", call, name, err)
			}
		}
	}
	_, errAll := session.EndSessions(ctx, incapable{}, "alice")
	_, errOthers := session.EndOtherSessions(ctx, incapable{}, "alice", "token")
	_, _, errList := session.Sessions(ctx, incapable{}, "alice", "", "", 0)
	for call, err := range map[string]error{"EndSessions": errAll, "EndOtherSessions": errOthers, "Sessions": errList,
		"EndSession": session.EndSession(ctx, incapable{}, "alice", "id")} {
		if !errors.Is(err, errors.ErrUnsupported) || session.ErrorStatus(err) != 500 {
			t.Errorf("%s of an engine that cannot: %v", call, err)
		}
	}
}

// incapable is an engine with the four methods only.
type incapable struct{ session.SessionStore }

// owned is a site whose users can log out everywhere, in one line each.
func ownedSite(t *testing.T, store session.SessionStore) string {
	t.Helper()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	return serveOwned(t, m, func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/login":
			s.SetOwner("alice")
			s.Set("user", "alice")
			s.Renew()
		case "/only":
			s.SetOwner("alice")
			s.Set("user", "alice")
			s.EndOthers()
		case "/password":
			s.Set("changed", r.URL.RawQuery)
			s.EndOthers()
		case "/others-and-out":
			s.EndOthers()
			s.Flush()
		case "/everywhere":
			s.FlushAll()
		case "/fails":
			s.EndOthers()
			w.WriteHeader(http.StatusInternalServerError)
		case "/everywhere-fails":
			s.FlushAll()
			w.WriteHeader(http.StatusInternalServerError)
		case "/late":
			w.Write([]byte("late"))
			s.EndOthers()
			if err := s.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("a late EndOthers: %v", err)
			}
			return
		}
		user, _ := session.Get[string](s, "user")
		w.Write([]byte(user))
	})
}

func serveOwned(t *testing.T, m *session.Manager, h http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(m.Handler(h))
	t.Cleanup(server.Close)
	return server.URL
}

// ask asks a site with a cookie or without, and returns the cookie that it sets.
func ask(t *testing.T, url string, cookie *http.Cookie) (status int, body string, set *http.Cookie) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cookie != nil {
		r.AddCookie(cookie)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := res.Cookies(); len(cookies) > 0 {
		set = cookies[0]
	}
	return res.StatusCode, string(text), set
}

func TestEndOthersAndFlushAll(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) session.SessionStore{
		"memory":     func(*testing.T) session.SessionStore { return sessiontest.NewMemory() },
		"revocation": func(t *testing.T) session.SessionStore { return revocable(t) },
	} {
		t.Run(name, func(t *testing.T) {
			h := ownedSite(t, store(t))
			is := func(c *http.Cookie, want string) {
				t.Helper()
				if _, body, _ := ask(t, h+"/", c); body != want {
					t.Errorf("taken for %q, want %q", body, want)
				}
			}
			get := func(url string, c *http.Cookie) *http.Cookie {
				t.Helper()
				code, _, set := ask(t, url, c)
				if code != 200 || set == nil {
					t.Fatalf("%s: %d, cookie %v", url, code, set != nil)
				}
				return set
			}
			login := func() *http.Cookie { t.Helper(); return get(h+"/login", nil) }
			phone, laptop := login(), login()
			kept := get(h+"/password", laptop)
			is(phone, "")
			is(laptop, "") // and so are its copies
			is(kept, "alice")

			phone = login()
			ask(t, h+"/fails", kept)
			is(phone, "alice")
			ask(t, h+"/late", kept)
			is(phone, "alice")

			only := get(h+"/only", nil) // a login that ends the sessions before
			is(phone, "")
			is(kept, "")
			is(only, "alice")

			phone = login()
			ask(t, h+"/others-and-out", only)
			is(only, "")
			is(phone, "")

			for _, path := range []string{"/everywhere", "/everywhere-fails"} {
				phone, laptop = login(), login()
				ask(t, h+path, phone)
				is(phone, "")
				is(laptop, "")
			}
			for _, path := range []string{"/password", "/everywhere"} {
				if code, _, _ := ask(t, h+path, nil); code != 500 {
					t.Errorf("%s without an owner: %d", path, code)
				}
			}
		})
	}
	h := ownedSite(t, incapable{sessiontest.NewMemory()})
	_, _, c := ask(t, h+"/login", nil)
	for _, path := range []string{"/password", "/everywhere"} {
		if code, _, _ := ask(t, h+path, c); code != 500 {
			t.Errorf("%s with an engine that cannot: %d", path, code)
		}
	}
	if _, body, _ := ask(t, h+"/", c); body != "" {
		t.Error("a session lives on after FlushAll with an engine that cannot")
	}
}

// What another request has changed meanwhile is kept, and what this one changes.
func TestEndOthersKeepsParallelChanges(t *testing.T) {
	store := sessiontest.NewMemory()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := store.Save(t.Context(), "",
		&session.Record{Data: []byte(`{"_session_owner":"alice"}`), Owner: "alice", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	url := serveOwned(t, m, func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			t.Error(err)
			return
		}
		other, err := store.Load(context.Background(), token)
		if err != nil {
			t.Error(err)
			return
		}
		other.Data, other.Owner = []byte(`{"_session_owner":"alice","theirs":1}`), "alice"
		if _, err := store.Save(context.Background(), token, other); err != nil {
			t.Error(err)
		}
		s.Set("ours", 1)
		s.EndOthers()
	})
	_, _, kept := ask(t, url, &http.Cookie{Name: "sessionid", Value: token})
	rec, err := store.Load(t.Context(), kept.Value)
	if err != nil || string(rec.Data) != `{"_session_owner":"alice","theirs":1,"ours":1}` {
		t.Errorf("%s, %v", rec.Data, err)
	}
}

func TestOwnerAndLabel(t *testing.T) {
	store := &ownerStore{probe: newProbe()}
	m, err := session.NewManager(store, session.Options{IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, m: m, store: store.probe}
	v.visit(func(s *session.Session) { s.SetOwner("user 7"); s.SetLabel("Firefox \U0001F98A") })
	if v.token != "" {
		t.Error("an owner alone makes no session")
	}
	v.visit(func(s *session.Session) { login(s); s.SetOwner("user 7"); s.SetLabel("Firefox \U0001F98A") })
	v.visit(func(s *session.Session) {
		if s.Owner() != "user 7" || s.Label() != "Firefox \U0001F98A" || s.Len() != 1 {
			t.Errorf("%q %q", s.Owner(), s.Label())
		}
		s.Set("n", 1)
	})
	v.visit(func(s *session.Session) { s.SetOwner("") })
	if got := strings.Join(store.owners, ", "); got != "user 7/Firefox \U0001F98A, user 7/Firefox \U0001F98A, /Firefox \U0001F98A" {
		t.Errorf("the engine was told: %s", got)
	}
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).SetOwner("\xff") },
	})
	if res := s.get("/"); res.StatusCode != 500 {
		t.Errorf("an owner that is not UTF-8: %d", res.StatusCode)
	}
	v.visit(func(s *session.Session) {
		if s.SetLabel("UA \xff!"); s.Label() != "UA !" || s.Err() != nil {
			t.Errorf("a label that is not UTF-8: %q, %v", s.Label(), s.Err())
		}
	})
}

// ownerStore notes the owners that it is told.
type ownerStore struct {
	*probe
	owners []string
}

func (o *ownerStore) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	o.owners = append(o.owners, rec.Owner+"/"+rec.Label)
	return o.probe.Save(ctx, token, rec)
}

// A request with a mistake in it fails, and logs the visitor out all the same.
func TestALogoutHoldsWhereTheRequestFails(t *testing.T) {
	for name, logout := range map[string]func(s *session.Session){
		"FlushAll without an owner": func(s *session.Session) { s.FlushAll() },
		"a bad value, then Flush":   func(s *session.Session) { s.Set("x", make(chan int)); s.Flush() },
		"Flush, then a bad value":   func(s *session.Session) { s.Flush(); s.Set("x", make(chan int)) },
		"Flush, then a bad expiry":  func(s *session.Session) { s.Flush(); s.SetExpiry(-1) },
		"Flush, then a bad owner":   func(s *session.Session) { s.Flush(); s.SetOwner(strings.Repeat("x", 256)) },
		"a bad value, Save, Flush": func(s *session.Session) {
			s.Set("x", make(chan int))
			s.Save(t.Context())
			s.Flush()
		},
	} {
		for engine, open := range engines {
			t.Run(name+" "+engine, func(t *testing.T) {
				store := open(t)
				m := manager(t, store, session.Options{Logger: slog.New(slog.DiscardHandler)})
				w := inRequest(t, m, "", func(s *session.Session) { s.Set("user", 1) })
				token := w.Result().Cookies()[0].Value
				w = inRequest(t, m, token, logout)
				if set := w.Result().Cookies(); w.Code != 500 || len(set) != 1 || set[0].MaxAge >= 0 {
					t.Errorf("status %d, cookies %v; want 500 and the cookie deleted", w.Code, set)
				}
				if _, err := store.Load(t.Context(), token); engine == "row" && !errors.Is(err, session.ErrNotFound) {
					t.Errorf("the row is still there: %v", err)
				}
			})
		}
	}
}

// What a renewal ends, EndOthers ends, too.
func TestEndOthersEndsTheRequestsOtherSessions(t *testing.T) {
	store := revocable(t)
	m := manager(t, store, session.Options{})
	cart := inRequest(t, m, "", func(s *session.Session) { s.Set("cart", 1) }).Result().Cookies()[0].Value
	own := inRequest(t, m, "", func(s *session.Session) {
		s.Set("user", 1)
		s.SetOwner("alice")
	}).Result().Cookies()[0].Value
	if w := inRequest(t, m, cart+"; sessionid="+own, func(s *session.Session) { s.EndOthers() }); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if _, err := store.Load(t.Context(), cart); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the other session of the request: %v", err)
	}
}

// A page that lists a user's devices marks the one that asks.
func TestSessionsMarksTheRequestsOwn(t *testing.T) {
	store := sessiontest.NewMemory()
	m := manager(t, store, session.Options{})
	other := manager(t, sessiontest.NewMemory(), session.Options{Cookie: session.CookieOptions{Name: "other"}})
	var token string
	for _, device := range []string{"phone", "laptop"} {
		token = sessiontest.Cookie(t, m, func(s *session.Session) {
			s.Set("user", 1)
			s.SetOwner("alice")
			s.SetLabel(device)
		}).Value
	}
	current := func(ctx context.Context) (labels string) {
		page, _, err := m.Sessions(ctx, "alice", "", 0)
		if err != nil || len(page) != 2 {
			t.Errorf("the list has %d sessions, %v", len(page), err)
		}
		for _, info := range page {
			if info.Current {
				labels += info.Label
			}
		}
		return labels
	}
	for name, tc := range map[string]struct {
		handler func(r *http.Request) (labels string)
		want    string
	}{
		"loaded": {func(r *http.Request) string {
			m.Load(r)
			return current(r.Context())
		}, "laptop"},
		"renewed, and so saved, in this request": {func(r *http.Request) string {
			s, err := m.Load(r)
			if err != nil {
				t.Error(err)
				return ""
			}
			s.Renew()
			before := current(r.Context())
			if err := s.Save(r.Context()); err != nil {
				t.Error(err)
			}
			token = s.Token()
			return before + current(r.Context())
		}, "laptoplaptop"},
		"with another Manager's in between": {func(r *http.Request) (labels string) {
			m.Load(r)
			other.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				other.Load(r)
				labels = current(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			return labels
		}, "laptop"},
		"not loaded":           {func(r *http.Request) string { return current(r.Context()) }, ""},
		"outside of a request": {func(*http.Request) string { return current(t.Context()) }, ""},
		"in a derived context": {func(r *http.Request) string {
			m.Load(r)
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			return current(ctx)
		}, "laptop"},
	} {
		r := httptest.NewRequest("GET", "/devices", nil)
		r.AddCookie(&http.Cookie{Name: session.DefaultCookieName, Value: token})
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := tc.handler(r); got != tc.want {
				t.Errorf("%s: %q is the current session, want %q", name, got, tc.want)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}
