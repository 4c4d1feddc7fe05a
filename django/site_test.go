package django_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// A migration is a Django site and a Go server side by side, as in the middle of
// a move from one to the other: with one SECRET_KEY, one database and, since
// cookies do not know of ports, one cookie.
type migration struct {
	t       *testing.T
	python  *process
	version string // of Django
	django  string // address
	golang  string // address
	store   session.SessionStore
}

func newMigration(t *testing.T, d testserver.Django, engine string) *migration {
	t.Helper()
	return newMigrationWith(t, d, engine, ask{}, django.Options{},
		session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
}

// newMigrationWith is newMigration with other settings at Django and the options
// in Go that stand for them.
func newMigrationWith(t *testing.T, d testserver.Django, engine string, settings ask, djangoOpts django.Options,
	opts session.Options) *migration {
	t.Helper()
	file := databaseFile(t, d)
	m := &migration{t: t, python: startPython(t, d, "testdata/site/site.py", engine, file, secretKey,
		encode(t, settings))}
	port, version, _ := strings.Cut(m.line(), " ")
	m.django, m.version = "http://127.0.0.1:"+port, version

	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	m.store = open(t, engine, secretKey, file, djangoOpts)
	manager, err := session.NewManager(m.store, opts)
	if err != nil {
		t.Fatal(err)
	}
	mux := goPages(newAuth(t, djangoOpts), db)
	// What has not moved yet is Django's.
	site, err := url.Parse(m.django)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", notMoved(site))
	server := httptest.NewServer(manager.Handler(mux))
	t.Cleanup(server.Close)
	m.golang = server.URL
	return m
}

// line returns the next line that the Django site prints.
func (m *migration) line() string {
	m.t.Helper()
	line, err := m.python.out.ReadString('\n')
	if err != nil {
		m.t.Fatalf("the Django site: %v", err)
	}
	return strings.TrimSpace(line)
}

// slow starts a request that changes the session at Django, and returns when it
// is about to be saved. done lets it go on and returns the status of the answer.
func (m *migration) slow(b *browser) (done func() int) {
	m.t.Helper()
	type answer struct {
		status int
		err    error
	}
	answers := make(chan answer, 1)
	other := m.with(b.token()).client
	go func() {
		res, err := other.Get(m.django + "/slow")
		if err != nil {
			answers <- answer{err: err}
			return
		}
		res.Body.Close()
		answers <- answer{status: res.StatusCode}
	}()
	if line := m.line(); line != "waiting" {
		m.t.Fatalf("the Django site prints %q", line)
	}
	return func() int {
		m.t.Helper()
		fmt.Fprintln(m.python.in)
		a := <-answers
		if a.err != nil {
			m.t.Fatal(a.err)
		}
		return a.status
	}
}

// account is a row of auth_user.
type account struct {
	id, name, password string
	active             bool
}

func findAccount(db *sql.DB, column, value string) (a account, err error) {
	err = db.QueryRow("SELECT id, username, password, is_active FROM auth_user WHERE "+column+" = ?", value).
		Scan(&a.id, &a.name, &a.password, &a.active)
	return a, err
}

// goPages is what testdata/site/site.py is, in Go.
func goPages(auth *django.Auth, db *sql.DB) *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(path string, page func(w http.ResponseWriter, r *http.Request, s *session.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				return
			}
			page(w, r, s)
		})
	}
	// user is django.contrib.auth.get_user.
	user := func(s *session.Session) (account, bool) {
		u, ok := django.SessionUser(s)
		if !ok || u.Backend != django.ModelBackend {
			return account{}, false
		}
		a, err := findAccount(db, "id", u.ID)
		if err != nil || !a.active {
			return account{}, false
		}
		if !auth.Verify(s, a.password) {
			s.Flush()
			return account{}, false
		}
		return a, true
	}
	handle("/show", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		var state struct {
			User    *string                    `json:"user"`
			Session map[string]json.RawMessage `json:"session"`
		}
		if a, ok := user(s); ok {
			state.User = &a.name
		}
		state.Session = maps.Collect(s.All())
		json.NewEncoder(w).Encode(state)
	})
	handle("/login", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		a, err := findAccount(db, "username", r.FormValue("user"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		auth.Login(s, django.User{ID: a.id}, a.password)
	})
	handle("/logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.Flush() })
	handle("/set", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		s.Set(r.FormValue("key"), json.RawMessage(r.FormValue("value")))
	})
	handle("/delete", func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.Delete(r.FormValue("key")) })
	handle("/expire-tomorrow", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		s.Set("n", 1)
		s.SetExpiryTime(time.Now().Add(24 * time.Hour))
	})
	handle("/set-test-cookie", func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.SetTestCookie() })
	handle("/test-cookie", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		worked := s.TestCookieWorked()
		s.DeleteTestCookie()
		json.NewEncoder(w).Encode(map[string]bool{"worked": worked})
	})
	return mux
}

// A browser has one jar for both sides.
type browser struct {
	m      *migration
	client *http.Client
}

func (m *migration) newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	m.t.Cleanup(client.CloseIdleConnections)
	return &browser{m, client}
}

// get asks for a page and returns the status and the body.
func (b *browser) get(side, path string, args ...string) (status int, body string) {
	b.m.t.Helper()
	query := url.Values{}
	for i := 0; i < len(args); i += 2 {
		query.Set(args[i], args[i+1])
	}
	res, err := b.client.Get(side + path + "?" + query.Encode())
	if err != nil {
		b.m.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.m.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// do asks for a page that has to work.
func (b *browser) do(side, path string, args ...string) (body string) {
	b.m.t.Helper()
	status, body := b.get(side, path, args...)
	if status != http.StatusOK {
		b.m.t.Fatalf("%s%s answers %d: %.2000s", side, path, status, body)
	}
	return body
}

// want fails the test unless both sides agree on who is logged in, "" for
// nobody, and on the entries of the session that are the application's.
func (b *browser) want(when, user, entries string) {
	b.m.t.Helper()
	for name, side := range map[string]string{"Django": b.m.django, "Go": b.m.golang} {
		var state struct {
			User    string
			Session map[string]any
		}
		if err := json.Unmarshal([]byte(b.do(side, "/show")), &state); err != nil {
			b.m.t.Fatal(err)
		}
		if state.User != user {
			b.m.t.Errorf("%s: at %s the user is %q, want %q", when, name, state.User, user)
		}
		for key := range state.Session {
			if strings.HasPrefix(key, "_auth_user_") || strings.HasPrefix(key, "_session_") {
				delete(state.Session, key)
			}
		}
		if got := strings.TrimSpace(encode(b.m.t, state.Session)); got != entries {
			b.m.t.Errorf("%s: at %s the session holds %s, want %s", when, name, got, entries)
		}
	}
}

// token returns the session's cookie.
func (b *browser) token() string {
	u, err := url.Parse(b.m.django)
	if err != nil {
		b.m.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	return ""
}

// with returns another browser that holds a copy of the session's cookie.
func (m *migration) with(token string) *browser {
	m.t.Helper()
	b := m.newBrowser()
	u, err := url.Parse(m.django)
	if err != nil {
		m.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "sessionid", Value: token}})
	return b
}

// eachEngine runs a test with each version of Django and each of its engines.
func eachEngine(t *testing.T, test func(t *testing.T, d testserver.Django, engine string)) {
	t.Helper()
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		for _, engine := range []string{cookies, rows} {
			t.Run("engine="+engine, func(t *testing.T) { test(t, d, engine) })
		}
	})
}

func TestADjangoSiteAndAGoServerShareTheirSessions(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		for _, tc := range []struct{ name, one, other string }{
			{"login at Django, logout in Go", m.django, m.golang},
			{"login in Go, logout at Django", m.golang, m.django},
		} {
			t.Run(tc.name, func(t *testing.T) {
				b := m.newBrowser()
				b.want("at first", "", `{}`)
				b.do(tc.one, "/set", "key", "basket", "value", `["chè", 18446744073709551616]`)
				b.want("with a basket", "", `{"basket":["chè",18446744073709552000]}`)
				b.do(tc.one, "/login", "user", "ada", "password", "secret of ada")
				b.want("after the login", "ada", `{"basket":["chè",18446744073709552000]}`)
				b.do(tc.other, "/set", "key", "theme", "value", `"dark 🌒"`)
				b.want("after the other side has set a value", "ada",
					`{"basket":["chè",18446744073709552000],"theme":"dark 🌒"}`)
				b.do(tc.one, "/delete", "key", "theme")
				b.do(tc.other, "/delete", "key", "basket")
				b.do(tc.one, "/set", "key", "n", "value", "1")
				b.want("after deletions", "ada", `{"n":1}`)

				before := b.token()
				b.do(tc.other, "/logout")
				if b.token() != "" {
					t.Error("the browser has a cookie after the logout")
				}
				b.want("after the logout", "", `{}`)

				// A row is gone; a cookie that somebody kept is not.
				thief := m.with(before)
				if engine == cookies {
					thief.want("with the old cookie", "ada", `{"n":1}`)
				} else {
					thief.want("with the old cookie", "", `{}`)
				}
			})
		}
	})
}

func TestPagesMoveOneAtATime(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		b := m.newBrowser()
		// Of all these, only what is not under /old/ has moved.
		b.do(m.golang, "/old/login", "user", "ada", "password", "secret of ada")
		b.do(m.golang, "/set", "key", "moved", "value", "true")
		b.do(m.golang, "/old/set", "key", "n", "value", "1")
		for _, page := range []string{"/old/show", "/show"} {
			if body := b.do(m.golang, page); !strings.Contains(body, "ada") || !strings.Contains(body, "moved") ||
				!strings.Contains(body, `"n"`) {
				t.Errorf("%s: %s", page, body)
			}
		}
		b.do(m.golang, "/logout")
		if body := b.do(m.golang, "/old/show"); strings.Contains(body, "ada") {
			t.Errorf("after the logout: %s", body)
		}
	})
}

func TestTheSettingsOfTheGuide(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		for _, tc := range []struct {
			name   string
			django ask
			opts   session.Options
			own    django.Options
			both   bool // engines; cookies otherwise, where what is tested does not depend on the engine
		}{
			{
				name:   "Django's defaults, of which Go needs to be told that cookies go over HTTP",
				django: ask{},
				opts:   session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}},
			},
			{
				name:   "Go's defaults, of which Django needs to be told that cookies do not go over HTTP",
				django: ask{"SESSION_COOKIE_SECURE": true},
			},
			{
				name: "the cookie's attributes",
				django: ask{
					"SESSION_COOKIE_NAME": "sid", "SESSION_COOKIE_PATH": "/app/",
					"SESSION_COOKIE_DOMAIN": "example.com",
					"SESSION_COOKIE_SECURE": true, "SESSION_COOKIE_SAMESITE": "Strict",
				},
				opts: session.Options{Cookie: session.CookieOptions{Name: "sid", Path: "/app/", Domain: "example.com",
					SameSite: http.SameSiteStrictMode}},
			},
			{
				name: "a cookie for other sites, and for scripts",
				django: ask{"SESSION_COOKIE_SECURE": true, "SESSION_COOKIE_SAMESITE": "None",
					"SESSION_COOKIE_HTTPONLY": false},
				opts: session.Options{Cookie: session.CookieOptions{SameSite: http.SameSiteNoneMode,
					InsecureAllowScript: true}},
			},
			{
				name:   "a shorter life",
				django: ask{"SESSION_COOKIE_SECURE": true, "SESSION_COOKIE_AGE": 3600},
				opts:   session.Options{Lifetime: time.Hour},
				own:    django.Options{CookieAge: time.Hour},
				both:   true,
			},
			{
				name:   "a life until the browser is closed",
				django: ask{"SESSION_COOKIE_SECURE": true, "SESSION_EXPIRE_AT_BROWSER_CLOSE": true},
				opts:   session.Options{ExpireAtBrowserClose: true},
			},
			{
				name:   "saving with every request",
				django: ask{"SESSION_COOKIE_SECURE": true, "SESSION_SAVE_EVERY_REQUEST": true},
				opts:   session.Options{SaveEveryRequest: true, RenewAfter: time.Second},
				both:   true,
			},
		} {
			t.Run(tc.name, func(t *testing.T) {
				engines := []string{cookies}
				if tc.both {
					engines = append(engines, rows)
				}
				for _, engine := range engines {
					m := newMigrationWith(t, d, engine, tc.django, tc.own, tc.opts)
					name := "sessionid"
					if tc.opts.Cookie.Name != "" {
						name = tc.opts.Cookie.Name
					}
					// The cookie that a side sends for a request with a token.
					get := func(side, path, token string) *http.Cookie {
						t.Helper()
						r, err := http.NewRequest("GET", side+path, nil)
						if err != nil {
							t.Fatal(err)
						}
						if token != "" {
							r.Header.Set("Cookie", name+"="+token)
						}
						res, err := http.DefaultClient.Do(r)
						if err != nil {
							t.Fatal(err)
						}
						defer res.Body.Close()
						for _, c := range res.Cookies() {
							if c.Name == name {
								return c
							}
						}
						return nil
					}
					for one, other := range map[string]string{m.django: m.golang, m.golang: m.django} {
						theirs := get(one, "/set?key=a&value=1", "")
						ours := get(other, "/set?key=b&value=2", theirs.Value)
						if ours == nil {
							t.Fatal("no cookie")
						}
						if theirs.Path != ours.Path || theirs.Domain != ours.Domain || theirs.Secure != ours.Secure ||
							theirs.HttpOnly != ours.HttpOnly || theirs.SameSite != ours.SameSite ||
							(theirs.MaxAge == 0) != (ours.MaxAge == 0) ||
							max(theirs.MaxAge-ours.MaxAge, ours.MaxAge-theirs.MaxAge) > 5 {
							t.Errorf("%s: the cookies differ:\n%v\n%v", engine, theirs.Raw, ours.Raw)
						}
						saved := tc.opts.SaveEveryRequest
						if saved {
							time.Sleep(1100 * time.Millisecond) // Go extends a life by whole seconds
						}
						for _, side := range []string{one, other} {
							if c := get(side, "/show", ours.Value); (c != nil) != saved {
								t.Errorf("%s: a request that reads the session gets the cookie %v", engine, c)
							}
						}
					}
				}
			})
		}
	})
}

func TestASessionThatBecomesEmptyEndsInGoOnly(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		m := newMigration(t, d, rows)
		for name, tc := range map[string]struct {
			side string
			ends bool
		}{"Django": {m.django, false}, "Go": {m.golang, true}} {
			b := m.newBrowser()
			b.do(m.django, "/set", "key", "n", "value", "1")
			token := b.token()
			b.do(tc.side, "/delete", "key", "n")
			_, err := m.store.Load(t.Context(), token)
			if ended := errors.Is(err, session.ErrNotFound); ended != tc.ends || (b.token() == "") != tc.ends {
				t.Errorf("%s: the row is gone: %v, the cookie: %v", name, ended, b.token() == "")
			}
		}
	})
}

func TestASessionThatIsTooLargeForACookie(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		m := newMigration(t, d, cookies)
		b := m.newBrowser()
		large := `"` + base64.StdEncoding.EncodeToString(randomBytes(4000)) + `"`
		res, err := b.client.Get(m.django + "/set?key=large&value=" + url.QueryEscape(large))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if c := res.Cookies(); len(c) != 1 || len(c[0].Name)+len(c[0].Value) <= 4096 {
			t.Error("Django sends no cookie that browsers drop")
		}
		if status, _ := m.newBrowser().get(m.golang, "/set", "key", "large", "value",
			large); status != http.StatusInternalServerError {
			t.Errorf("Go answers %d, want 500", status)
		}
		// A client that keeps the cookie can still use it in Go.
		if n := len(newSite(t, m.store, session.Options{}).entries(res.Cookies()[0].Value)); n != 1 {
			t.Error("Go does not read the cookie")
		}
	})
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	random := rand.New(rand.NewPCG(seed, 2))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestTheCachedEngineDoesNotSeeWhatGoSaves(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		s := newSite(t, openRows(t, file, django.Options{}), session.Options{})
		const cached = "cached_db"
		key := p.write(cached, `{"n":1}`, nil)
		s.visit(key, func(s *session.Session) {
			if n, _ := session.Get[int](s, "n"); n != 1 {
				t.Errorf("Go reads %d, want 1", n)
			}
			s.Set("n", 2)
		})
		if got := p.read(cached, key, `{"n":1}`); !got.Equal {
			t.Errorf("Django reads %s; it has seen what Go saved", got.Session)
		}
		if got := p.read(rows, key, `{"n":2}`); !got.Equal {
			t.Errorf("without its cache Django reads %s", got.Session)
		}
	})
}

func TestAPasswordThatIsChangedAtDjangoEndsTheLoginInGo(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		here, there, last := m.newBrowser(), m.newBrowser(), m.newBrowser()
		here.do(m.django, "/login", "user", "ada", "password", "secret of ada")
		there.do(m.golang, "/login", "user", "ada")
		last.do(m.golang, "/login", "user", "ada")
		there.do(m.golang, "/set", "key", "n", "value", "1")
		here.do(m.django, "/change-password", "password", "new", "stay", "yes")
		here.want("where the password was changed", "ada", `{}`)
		for name, side := range map[string]string{"Go": m.golang, "Django": m.django} {
			b := map[string]*browser{"Go": there, "Django": last}[name]
			if state := b.do(side, "/show"); !strings.Contains(state, `"user": null`) &&
				!strings.Contains(state, `"user":null`) {
				t.Errorf("another login holds, and %s says: %s", name, state)
			}
			b.want("after "+name+" has seen it", "", `{}`)
		}
	})
}

func TestAUserWhoIsDeactivatedIsLoggedOutOfBothSides(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		b := m.newBrowser()
		b.do(m.golang, "/login", "user", "bob")
		b.want("after the login", "bob", `{}`)
		b.do(m.django, "/deactivate")
		b.want("after the deactivation", "", `{}`)
	})
}

func TestALoginInGoChangesTheCSRFTokenOfTheSession(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigrationWith(t, d, engine, ask{"CSRF_USE_SESSIONS": true}, django.Options{},
			session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
		b := m.newBrowser()
		csrfToken := func() string {
			t.Helper()
			b.do(m.django, "/csrf-token")
			var state struct {
				Session struct {
					Token string `json:"_csrftoken"`
				}
			}
			if err := json.Unmarshal([]byte(b.do(m.golang, "/show")), &state); err != nil {
				t.Fatal(err)
			}
			return state.Session.Token
		}
		before := csrfToken()
		if again := csrfToken(); again != before || before == "" {
			t.Fatalf("the token is %q and %q", before, again)
		}
		b.do(m.golang, "/login", "user", "ada")
		if after := csrfToken(); after == before || after == "" {
			t.Errorf("the token is %q, and was %q before the login", after, before)
		}
	})
}

// TestAFormBehindTheProxy: Django compares the origin of a form with its own,
// and has to be told that it is reached over HTTPS.
func TestAFormBehindTheProxy(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		for _, told := range []bool{false, true} {
			settings := ask{}
			if told {
				settings["SECURE_PROXY_SSL_HEADER"] = []string{"HTTP_X_FORWARDED_PROTO", "https"}
			}
			m := newMigrationWith(t, d, cookies, settings, django.Options{}, session.Options{})
			site, err := url.Parse(m.django)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewTLSServer(notMoved(site))
			defer server.Close()
			b := &browser{m, server.Client()}
			if b.client.Jar, err = cookiejar.New(nil); err != nil {
				t.Fatal(err)
			}
			form := url.Values{"csrfmiddlewaretoken": {b.do(server.URL, "/old/csrf-token")}}
			r, err := http.NewRequest("POST", server.URL+"/old/post", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", server.URL)
			r.Header.Set("Referer", server.URL+"/old/form")
			res, err := b.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			want := http.StatusOK
			if !told && !strings.HasPrefix(m.version, "3.") { // which does not look at the origin
				want = http.StatusForbidden
			}
			if res.StatusCode != want {
				t.Errorf("SECURE_PROXY_SSL_HEADER %v: Django answers %d, want %d", told, res.StatusCode, want)
			}
		}
	})
}

func TestOfSeveralCookiesBothSidesTakeTheLast(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		opts := session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true, Choice: session.LastCookie}}
		m := newMigrationWith(t, d, cookies, ask{}, django.Options{}, opts)
		token := func(user string) string {
			b := m.newBrowser()
			b.do(m.golang, "/login", "user", user)
			return b.token()
		}
		ada, bob := token("ada"), token("bob")
		for _, tc := range []struct{ cookies, user string }{
			{"sessionid=" + ada + "; sessionid=" + bob, `"bob"`},
			{"sessionid=" + bob + "; sessionid=" + ada, `"ada"`},
			{"sessionid=" + ada + "; sessionid=forged", "null"},
			{"sessionid=" + ada + "; sessionid=", "null"},
		} {
			for name, side := range map[string]string{"Django": m.django, "Go": m.golang} {
				r, err := http.NewRequest("GET", side+"/show", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Cookie", tc.cookies)
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				var state struct{ User json.RawMessage }
				if err := json.NewDecoder(res.Body).Decode(&state); err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if string(state.User) != tc.user {
					t.Errorf("%s: at %s the user is %s, want %s", tc.cookies, name, state.User, tc.user)
				}
			}
		}
	})
}

func TestTheTestCookieWorksAcrossBothSides(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		for one, other := range map[string]string{m.django: m.golang, m.golang: m.django} {
			b := m.newBrowser()
			if body := b.do(other, "/test-cookie"); !strings.Contains(body, "false") {
				t.Errorf("a test cookie worked before it was set: %s", body)
			}
			b.do(one, "/set-test-cookie")
			if body := b.do(other, "/test-cookie"); !strings.Contains(body, "true") {
				t.Errorf("the test cookie did not work: %s", body)
			}
			b.want("after the test", "", `{}`)
		}
	})
}

func TestDjangosCookieAgeReachesTheBrowserFromBothSides(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		for name, side := range map[string]string{"Django": m.django, "Go": m.golang} {
			b := m.newBrowser()
			b.do(m.django, "/expiry", "seconds", "90")
			res, err := b.client.Get(side + "/set?key=n&value=1")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if c := res.Cookies(); len(c) != 1 || c[0].MaxAge < 88 || c[0].MaxAge > 90 || !c[0].HttpOnly ||
				c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" {
				t.Errorf("%s sends %v", name, res.Header["Set-Cookie"])
			}
		}
	})
}

func TestASessionThatEndsAtAFixedTimeNeedsDjango41(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		m := newMigration(t, d, engine)
		b := m.newBrowser()
		b.do(m.golang, "/expire-tomorrow")
		b.want("before Django saves it", "", `{"n":1}`)
		want := http.StatusOK
		if strings.HasPrefix(m.version, "3.") || strings.HasPrefix(m.version, "4.0") {
			want = http.StatusInternalServerError
		}
		if status, _ := b.get(m.django, "/set", "key", "n", "value", "2"); status != want {
			t.Errorf("Django %s answers %d, want %d", m.version, status, want)
		}
	})
}

func TestAtTheSameTime(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		t.Run("a change that Django makes meanwhile is kept by Go", func(t *testing.T) {
			m := newMigration(t, d, rows)
			b := m.newBrowser()
			b.do(m.golang, "/set", "key", "a", "value", "1")
			s := newSite(t, m.store, session.Options{})
			s.visit(b.token(), func(s *session.Session) {
				s.Set("go", true)
				b.do(m.django, "/set", "key", "django", "value", "true")
			})
			b.want("after both", "", `{"a":1,"django":true,"go":true}`)
		})
		t.Run("a change that Go makes meanwhile is overwritten by Django", func(t *testing.T) {
			m := newMigration(t, d, rows)
			b := m.newBrowser()
			b.do(m.golang, "/set", "key", "a", "value", "1")
			done := m.slow(b)
			b.do(m.golang, "/set", "key", "go", "value", "true")
			if status := done(); status != http.StatusOK {
				t.Errorf("Django answers %d", status)
			}
			b.want("after both", "", `{"a":1,"slow":true}`)
		})
		t.Run("a logout in Go is not undone by Django", func(t *testing.T) {
			m := newMigration(t, d, rows)
			b := m.newBrowser()
			b.do(m.golang, "/login", "user", "ada")
			token := b.token()
			done := m.slow(b)
			b.do(m.golang, "/logout")
			if status := done(); status != http.StatusBadRequest {
				t.Errorf("Django answers %d, want 400", status)
			}
			m.with(token).want("after the logout", "", `{}`)
		})
		t.Run("a logout at Django is not undone by Go", func(t *testing.T) {
			m := newMigration(t, d, rows)
			b := m.newBrowser()
			b.do(m.django, "/login", "user", "ada", "password", "secret of ada")
			token := b.token()
			manager, err := session.NewManager(m.store, session.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
			w := httptest.NewRecorder()
			manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Load(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Set("go", true)
				b.do(m.django, "/logout")
				if err := s.Save(r.Context()); !errors.Is(err, session.ErrGone) {
					t.Errorf("%v, want session.ErrGone", err)
				}
			})).ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest {
				t.Errorf("Go answers %d, want 400", w.Code)
			}
			m.with(token).want("after the logout", "", `{}`)
		})
	})
}
