package session_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

func sealedStore(t *testing.T) session.SessionStore {
	t.Helper()
	s, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="),
		signedcookie.Options{Scheme: signedcookie.Sealed})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// engines are those that an application may choose.
var engines = map[string]func(*testing.T) session.SessionStore{"signed": cookieStore, "sealed": sealedStore,
	"row": rowStore}

// loginAs sets the team to the one that is asked for.
func loginAs(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := mustLoad(t, r)
		s.Renew()
		s.Set("team", r.FormValue("team"))
	}
}

func sites(t *testing.T) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/app/login", loginAs(t))
	mux.HandleFunc("/login", loginAs(t))
	mux.HandleFunc("/app/logout", logoutHandler(t))
	mux.HandleFunc("/app/team", teamHandler(t))
	return mux
}

// jarClient is a browser without a server: it calls a handler with the cookies
// of a jar.
type jarClient struct {
	t   *testing.T
	jar *cookiejar.Jar
}

func (c jarClient) get(m *session.Manager, path string) string {
	c.t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "https://www.example.com"+path, nil)
	for _, cookie := range c.jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	m.Handler(sites(c.t)).ServeHTTP(w, r)
	c.jar.SetCookies(r.URL, w.Result().Cookies())
	return w.Body.String()
}

func (c jarClient) count(path string) int {
	u, _ := url.Parse("https://www.example.com" + path)
	return len(c.jar.Cookies(u))
}

// The cookie's path or domain was changed, and browsers have cookies of both.
func TestALoginWinsOverCookiesOfFormerScopes(t *testing.T) {
	for name, open := range engines {
		for _, former := range []session.CookieScope{{Path: "/app"}, {Domain: "example.com"}} {
			for _, page := range []string{"/app/login", "/login"} {
				t.Run(name+" "+former.Path+former.Domain+" "+page, func(t *testing.T) {
					store := open(t)
					manager := func(c session.CookieOptions) *session.Manager {
						m, err := session.NewManager(store, session.Options{Cookie: c})
						if err != nil {
							t.Fatal(err)
						}
						return m
					}
					before := manager(session.CookieOptions{Path: former.Path, Domain: former.Domain})
					now := manager(session.CookieOptions{})
					jar, _ := cookiejar.New(nil)
					browser := jarClient{t, jar}
					browser.get(before, "/app/login?team=old")
					browser.get(now, page+"?team=new")
					if got := browser.get(now, "/app/team"); browser.count("/app") != 2 || got != "new" {
						t.Errorf("%d cookies, team %q", browser.count("/app"), got)
					}
					browser.get(now, "/app/logout")
					mended := manager(session.CookieOptions{FormerScopes: []session.CookieScope{former}})
					browser.get(mended, page+"?team=newer")
					if got := browser.get(mended, "/app/team"); browser.count("/app") != 1 || got != "newer" {
						t.Errorf("with FormerScopes %d cookies, team %q", browser.count("/app"), got)
					}
					browser.get(mended, "/app/logout")
					if got := browser.get(mended, "/app/team"); browser.count("/app") != 0 || got != "none" {
						t.Errorf("after the logout %d cookies, team %q", browser.count("/app"), got)
					}
				})
			}
		}
	}
}

// Whatever the order in which they are sent, the session that was saved last
// counts.
func TestTheNewestSessionCounts(t *testing.T) {
	for name, open := range map[string]func(*testing.T) session.SessionStore{"signed": cookieStore,
		"sealed": sealedStore,
		"memory": func(*testing.T) session.SessionStore { return newProbe() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := session.NewManager(open(t), session.Options{})
				if err != nil {
					t.Fatal(err)
				}
				begin := func(team string, expiry time.Duration) string {
					w := httptest.NewRecorder()
					m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s := mustLoad(t, r)
						s.Set("team", team)
						if expiry > 0 {
							s.SetExpiry(expiry)
						}
					})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
					pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
					return pair
				}
				team := func(cookies ...string) string {
					r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
					r.Header.Set("Cookie", strings.Join(cookies, "; "))
					m.Handler(teamHandler(t)).ServeHTTP(w, r)
					return w.Body.String()
				}
				month := begin("month", 30*24*time.Hour)
				time.Sleep(time.Hour)
				day := begin("day", 24*time.Hour)
				time.Sleep(time.Hour)
				fortnight := begin("fortnight", 0)
				for _, cookies := range [][]string{{month, day}, {day, month}, {"sessionid=x", day, month}} {
					if got := team(cookies...); got != "day" {
						t.Errorf("%q", got)
					}
				}
				for _, cookies := range [][]string{{month, day, fortnight}, {fortnight, month, day},
					{day, fortnight, month}} {
					if got := team(cookies...); got != "fortnight" {
						t.Errorf("%q", got)
					}
				}
			})
		})
	}
}

func TestALoginDeletesTheOtherSessionsOfTheRequest(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for range 2 {
		token, err := store.Memory.Save(t.Context(), "",
			&session.Record{Data: []byte(`{"team":"old"}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	r, w := httptest.NewRequest("GET", "/login?team=new", nil), httptest.NewRecorder()
	r.Header.Set("Cookie", "sessionid="+tokens[0]+"; sessionid=x; sessionid="+tokens[1])
	m.Handler(sites(t)).ServeHTTP(w, r)
	if calls := store.took(); calls != "load load load renew delete" || w.Code != 200 {
		t.Errorf("%d, the store was asked: %s", w.Code, calls)
	}
	for _, token := range tokens {
		if _, err := store.Memory.Load(t.Context(), token); err == nil {
			t.Error("a session from before the login lives")
		}
	}
}

// Django's parse_cookie keeps the last of several cookies of one name.
func TestTheLastCookieCountsAsInDjango(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{Choice: session.LastCookie}})
	if err != nil {
		t.Fatal(err)
	}
	var old, fresh string
	for team, token := range map[string]*string{"old": &old, "new": &fresh} {
		if *token, err = store.Memory.Save(t.Context(), "", &session.Record{
			Data: []byte(`{"team":"` + team + `"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	for cookies, want := range map[string]string{
		"sessionid=" + fresh + "; sessionid=" + old:                                "old",
		"sessionid=x; sessionid=y; sessionid=z; a=b; sessionid=" + fresh + "; c=d": "new",
		"sessionid=" + fresh + "; sessionid=x":                                     "none",
		"sessionid=" + fresh + `; sessionid=""`:                                    "none",
	} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Cookie", cookies)
		store.took()
		m.Handler(teamHandler(t)).ServeHTTP(w, r)
		if calls := store.took(); w.Body.String() != want || calls != "load" && calls != "" {
			t.Errorf("%s: team %s, want %s; the store was asked: %s", cookies, w.Body, want, calls)
		}
	}
}

func TestFormerScopesAreCheckedWhenTheManagerIsBuilt(t *testing.T) {
	for want, opts := range map[string]session.CookieOptions{
		"present scope": {FormerScopes: []session.CookieScope{{Path: "/"}}},
		"path":          {FormerScopes: []session.CookieScope{{Path: "app"}}},
		"__Host-":       {Name: "__Host-id", FormerScopes: []session.CookieScope{{Path: "/app"}}},
		"Choice":        {Choice: 7},
	} {
		if _, err := session.NewManager(newProbe(), session.Options{Cookie: opts}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error about %q", err, want)
		}
	}
}

// Former scopes are deleted with each cookie of ours, before it, and with no
// other response.
func TestFormerScopesAreDeletedWithOurCookie(t *testing.T) {
	s := newSite(t, newProbe(), session.Options{Cookie: session.CookieOptions{
		FormerScopes: []session.CookieScope{{Path: "/app"}, {Domain: "127.0.0.1"}},
	}}, map[string]http.HandlerFunc{"/set": setHandler(t), "/team": teamHandler(t), "/logout": logoutHandler(t)})
	for _, step := range []struct {
		path    string
		cookies int
	}{{"/team", 0}, {"/set", 3}, {"/team", 0}, {"/logout", 3}} {
		lines := s.get(step.path).sessionCookies()
		if len(lines) != step.cookies {
			t.Errorf("%s: %q", step.path, lines)
		}
		for i, line := range lines {
			if former := i < len(lines)-1; former != (strings.Contains(line, "Path=/app") || strings.Contains(line, "Domain=")) ||
				former && !strings.Contains(line, "Max-Age=0") {
				t.Errorf("%s: %q", step.path, lines)
			}
		}
	}
}

// One line for a request, whatever the number of its cookies.
func TestRule10_OneLogLineForSeveralCookies(t *testing.T) {
	s := newSite(t, cookieStore(t), session.Options{}, map[string]http.HandlerFunc{
		"/team": teamHandler(t), "/set": setHandler(t),
	})
	s.get("/set")
	for _, cookies := range []string{"sessionid=x; sessionid=y; sessionid=z",
		"sessionid=x; sessionid=y; sessionid=" + s.token()} {
		before := strings.Count(s.logs.String(), "\n")
		r, _ := http.NewRequest("GET", s.url+"/team", nil)
		r.Header.Set("Cookie", cookies)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n := strings.Count(s.logs.String(), "\n") - before; n != 1 {
			t.Errorf("%d lines: %s", n, s.logs)
		}
	}
}
