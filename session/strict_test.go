package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/metrics"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

func strictOptions() session.Options {
	return session.Options{Strict: true, IdleTimeout: time.Hour, AbsoluteTimeout: 12 * time.Hour,
		Logger: slog.New(slog.DiscardHandler)}
}

func strictCookies(t *testing.T) session.SessionStore {
	t.Helper()
	s, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="),
		signedcookie.Options{Scheme: signedcookie.Sealed})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func endableStore(t *testing.T, store session.SessionStore) session.SessionStore {
	t.Helper()
	s, err := revocation.New(store, revocation.NewMemoryList(), revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStrictRefusesWeakOptions(t *testing.T) {
	for name, weaken := range map[string]func(*session.Options){
		"AllowHTTP":       func(o *session.Options) { o.Cookie.InsecureAllowHTTP = true },
		"AllowScript":     func(o *session.Options) { o.Cookie.InsecureAllowScript = true },
		"__Host-":         func(o *session.Options) { o.Cookie.Name = "sessionid" },
		"Domain":          func(o *session.Options) { o.Cookie.Domain = "example.com" },
		"Path":            func(o *session.Options) { o.Cookie.Path = "/app" },
		"SameSite":        func(o *session.Options) { o.Cookie.SameSite = http.SameSiteNoneMode },
		"AbsoluteTimeout": func(o *session.Options) { o.AbsoluteTimeout = 0 },
		"at most 720h":    func(o *session.Options) { o.AbsoluteTimeout = 31 * 24 * time.Hour },
		"IdleTimeout":     func(o *session.Options) { o.IdleTimeout = 0 },
		"below":           func(o *session.Options) { o.IdleTimeout = 12 * time.Hour },
	} {
		opts := strictOptions()
		weaken(&opts)
		if _, err := session.NewManager(sessiontest.NewMemory(), opts); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := session.NewManager(sessiontest.NewMemory(), strictOptions()); err != nil {
		t.Error(err)
	}
}

func TestStrictRefusesEngines(t *testing.T) {
	djangos, err := django.NewCookieStore("secret", django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var silent struct{ session.SessionStore }
	silent.SessionStore = sessiontest.NewMemory()
	for name, tc := range map[string]struct {
		store            session.SessionStore
		refused, endless bool // endless: refused, but with InsecureAllowEndless
	}{
		"signed":                         {cookieStore(t), true, false},
		"signed, can be ended":           {endableStore(t, cookieStore(t)), true, false},
		"django":                         {djangos, true, false},
		"sealed":                         {strictCookies(t), true, true},
		"sealed, watched":                {metrics.Instrument(strictCookies(t)), true, true},
		"sealed, can be ended":           {endableStore(t, strictCookies(t)), false, false},
		"sealed, can be ended, watched":  {metrics.Instrument(endableStore(t, strictCookies(t))), false, false},
		"rows":                           {rowStore(t), false, false},
		"one that says nothing":          {silent, true, false},
		"watched, and says nothing":      {metrics.Instrument(silent), true, false},
		"can be ended, and says nothing": {endableStore(t, silent), true, false},
		"signed, watched, can be ended ": {endableStore(t, metrics.Instrument(cookieStore(t))), true, false},
	} {
		opts := strictOptions()
		if _, err := session.NewManager(tc.store, opts); (err != nil) != tc.refused {
			t.Errorf("%s: %v", name, err)
		}
		opts.InsecureAllowEndless = true
		if _, err := session.NewManager(tc.store, opts); (err == nil) != (!tc.refused || tc.endless) {
			t.Errorf("%s, with InsecureAllowEndless: %v", name, err)
		}
	}
}

// strictEngines are those that Strict takes as they are.
func strictEngines(t *testing.T) map[string]session.SessionStore {
	return map[string]session.SessionStore{
		"sealed cookies with revocation": endableStore(t, strictCookies(t)),
		"rows":                           ownedRowStore(t),
		"memory":                         sessiontest.NewMemory(),
	}
}

func ownedRowStore(t *testing.T) *dbstore.Store {
	t.Helper()
	opts := sqlite.Options{}
	opts.Owners = true
	s, err := sqlite.Open(t.Context(), t.TempDir()+"/sessions.db", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// strictVisit makes a request and returns the response.
func strictVisit(t *testing.T, m *session.Manager, method string, cookies []*http.Cookie, h http.HandlerFunc,
	edit func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "https://example.com/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	m.Handler(h).ServeHTTP(w, r)
	return w.Result()
}

func signIn(w http.ResponseWriter, r *http.Request) {
	if s, err := session.Load(r); err == nil {
		s.Set("user", 1)
		s.SetOwner("ada")
		s.SetAuthenticated("pwd")
		w.Header().Set("Cache-Control", "public, max-age=600")
		io.WriteString(w, "in")
	}
}

func who(w http.ResponseWriter, r *http.Request) {
	if s, err := session.Load(r); err == nil {
		fmt.Fprint(w, s.Owner())
	}
}

func TestStrictCookieAndCaches(t *testing.T) {
	for name, store := range strictEngines(t) {
		t.Run(name, func(t *testing.T) {
			opts := strictOptions()
			opts.ClearSiteData = []string{"cache", "storage"}
			m, err := session.NewManager(store, opts)
			if err != nil {
				t.Fatal(err)
			}
			in := strictVisit(t, m, "POST", nil, signIn, nil)
			c := in.Cookies()
			if len(c) != 1 || c[0].Name != "__Host-sessionid" || !c[0].Secure || !c[0].HttpOnly || c[0].Path != "/" ||
				c[0].Domain != "" || c[0].SameSite != http.SameSiteLaxMode {
				t.Fatalf("the cookie is %v", in.Header["Set-Cookie"])
			}
			if got := in.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "no-store" {
				t.Errorf("login: Cache-Control is %q", got)
			}
			page := strictVisit(t, m, "GET", c, who, nil)
			if got := page.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("a page: Cache-Control is %q", got)
			}
			out := strictVisit(t, m, "POST", c, func(w http.ResponseWriter, r *http.Request) { session.End(r) }, nil)
			if out.Header.Get("Cache-Control") != "no-store" || out.Header.Get("Clear-Site-Data") != `"cache", "storage"` {
				t.Errorf("logout: %v", out.Header)
			}
			after := strictVisit(t, m, "GET", c, who, nil)
			if body, _ := io.ReadAll(after.Body); len(body) > 0 {
				t.Errorf("a copy of the cookie works after the logout: %q", body)
			}
			if got := after.Header.Get("Cache-Control"); got != "" {
				t.Errorf("a page of nobody: Cache-Control is %q", got)
			}
		})
	}
}

func TestClearSiteDataIsChecked(t *testing.T) {
	if _, err := session.NewManager(sessiontest.NewMemory(), session.Options{ClearSiteData: []string{`"x"`}}); err == nil {
		t.Error("an unknown directive is taken")
	}
}

func TestStrictRefusesOtherSites(t *testing.T) {
	m, err := session.NewManager(sessiontest.NewMemory(), strictOptions())
	if err != nil {
		t.Fatal(err)
	}
	called := false
	h := func(http.ResponseWriter, *http.Request) { called = true }
	for _, tc := range []struct {
		method, site, origin string
		refused              bool
	}{
		{"POST", "same-origin", "", false},
		{"POST", "cross-site", "", true},
		{"POST", "same-site", "", true},
		{"GET", "cross-site", "", false},
		{"DELETE", "", "https://evil.example", true},
		{"POST", "", "https://example.com", false},
		{"POST", "", "", false},
	} {
		called = false
		res := strictVisit(t, m, tc.method, nil, h, func(r *http.Request) {
			if tc.site != "" {
				r.Header.Set("Sec-Fetch-Site", tc.site)
			}
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
		})
		if called == tc.refused || tc.refused != (res.StatusCode == http.StatusForbidden) {
			t.Errorf("%+v: %d, the handler was called: %v", tc, res.StatusCode, called)
		}
	}
}

func TestStrictTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, store := range map[string]session.SessionStore{
			"sealed": endableStore(t, strictCookies(t)), "memory": sessiontest.NewMemory()} {
			m, err := session.NewManager(store, strictOptions())
			if err != nil {
				t.Fatal(err)
			}
			alive := func(c *[]*http.Cookie) bool {
				res := strictVisit(t, m, "GET", *c, who, nil)
				if len(res.Cookies()) > 0 {
					*c = res.Cookies()
				}
				body, _ := io.ReadAll(res.Body)
				return string(body) == "ada"
			}
			idle := strictVisit(t, m, "POST", nil, signIn, nil).Cookies()
			busy := append([]*http.Cookie(nil), idle...)
			time.Sleep(time.Hour + time.Second)
			if alive(&idle) {
				t.Errorf("%s: alive after the idle timeout", name)
			}
			busy = strictVisit(t, m, "POST", nil, signIn, nil).Cookies()
			for range 23 {
				time.Sleep(30 * time.Minute)
				if !alive(&busy) {
					t.Fatalf("%s: a session in use has ended", name)
				}
			}
			time.Sleep(30*time.Minute + time.Second)
			if alive(&busy) {
				t.Errorf("%s: alive after the absolute timeout", name)
			}
		}
	})
}

func TestLivesThatBrowsersCut(t *testing.T) {
	var logs syncBuffer
	log := slog.New(slog.NewTextHandler(&logs, nil))
	if _, err := session.NewManager(sessiontest.NewMemory(), session.Options{Lifetime: 400 * 24 * time.Hour,
		Logger: log}); err != nil || logs.String() != "" {
		t.Error(err, logs.String())
	}
	if _, err := session.NewManager(sessiontest.NewMemory(), session.Options{Lifetime: 401 * 24 * time.Hour,
		Logger: log}); err != nil || !strings.Contains(logs.String(), "400 days") {
		t.Error(err, logs.String())
	}
}

func TestEndAllSessionsOfAManager(t *testing.T) {
	m, err := session.NewManager(ownedRowStore(t), strictOptions())
	if err != nil {
		t.Fatal(err)
	}
	c := strictVisit(t, m, "POST", nil, signIn, nil).Cookies()
	if n, err := m.EndAllSessions(context.Background()); n != 1 || err != nil {
		t.Error(n, err)
	}
	if body, _ := io.ReadAll(strictVisit(t, m, "GET", c, who, nil).Body); len(body) > 0 {
		t.Errorf("alive: %q", body)
	}
	m, err = session.NewManager(cookieStore(t), session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.EndAllSessions(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
