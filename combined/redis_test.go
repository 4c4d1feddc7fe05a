package combined_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"sessionengine/combined"
	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
)

var redisServer = testserver.Redis()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, redisServer)) }

// inRedis is an engine on a server.
func inRedis(t *testing.T, prefix string) session.SessionStore {
	t.Helper()
	store, err := redisstore.Open(t.Context(), redisServer.Start(t).URL, redisstore.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// node is a server of a site, which counts a visitor's visits.
func node(t *testing.T, store session.SessionStore) http.Handler {
	t.Helper()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		visits, _ := session.Get[int](s, "visits")
		if r.URL.Path == "/logout" {
			s.Flush()
		} else if r.URL.Path == "/visit" {
			visits++
			s.Set("visits", visits)
		}
		fmt.Fprint(w, visits)
	}))
}

// client is a browser with one cookie.
type client struct{ cookie *http.Cookie }

func (c *client) get(t *testing.T, site http.Handler, path string) string {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	site.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
	}
	for _, cookie := range w.Result().Cookies() {
		if c.cookie = cookie; cookie.MaxAge < 0 {
			c.cookie = nil
		}
	}
	return w.Body.String()
}

// A site moves to Redis, or away from it, by a rolling deploy in two steps: first all
// nodes learn to read both engines and go on to write the old one, then they write
// the new one. Old and new nodes take turns in each step, and nobody is logged out.
func TestNobodyIsLoggedOutByAMoveToRedisOrFromIt(t *testing.T) {
	for name, engines := range map[string]func(t *testing.T) (from, to session.SessionStore){
		"rows to Redis": func(t *testing.T) (from, to session.SessionStore) { return rows(t), inRedis(t, "a") },
		"Redis to rows": func(t *testing.T) (from, to session.SessionStore) { return inRedis(t, "b"), rows(t) },
		"cookies to Redis": func(t *testing.T) (from, to session.SessionStore) {
			return cookies(t), inRedis(t, "c")
		},
		"Redis to Redis": func(t *testing.T) (from, to session.SessionStore) {
			return inRedis(t, "d"), inRedis(t, "e")
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := engines(t)
			steps := []http.Handler{node(t, from), node(t, switching(t, to, from)), node(t, switching(t, from, to)),
				node(t, to)}
			var c client
			visits := 0
			for i := range steps[:3] {
				for turn := range 6 {
					visits++
					if got := c.get(t, steps[i+turn%2*min(1, 2-i)], "/visit"); got != fmt.Sprint(visits) {
						t.Fatalf("step %d: visit %d is counted as %s", i, visits, got)
					}
					if got := c.get(t, steps[i+(turn+1)%2*min(1, 2-i)], "/"); got != fmt.Sprint(visits) {
						t.Fatalf("step %d: after visit %d another node knows of %s", i, visits, got)
					}
				}
			}
			if got := c.get(t, steps[3], "/"); got != fmt.Sprint(visits) {
				t.Errorf("the new engine alone knows of %s visits, want %d", got, visits)
			}
			old := c
			c.get(t, steps[2], "/logout")
			if got := old.get(t, steps[3], "/"); got != "0" || c.cookie != nil {
				t.Errorf("after the logout the old cookie gives %s", got)
			}
		})
	}
}

// Sessions that a cookie cannot hold are in Redis.
func TestOverflowToRedis(t *testing.T) {
	store := overflow(t, cookies(t), inRedis(t, "f"), combined.Options{})
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	site := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		if n := len(r.FormValue("size")); r.Method == "GET" && r.URL.Path == "/set" {
			s.Set("text", r.FormValue("size"))
			fmt.Fprint(w, n)
			return
		}
		text, _ := session.Get[string](s, "text")
		fmt.Fprint(w, len(text))
	}))
	var c client
	for _, n := range []int{10, 20000, 20, 30000} {
		text := make([]byte, n)
		for i := range text {
			text[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[(i*i*7+i*n+i/36)%36]
		}
		c.get(t, site, "/set?size="+string(text))
		if got := c.get(t, site, "/"); got != fmt.Sprint(n) {
			t.Errorf("of %d bytes %s are there", n, got)
		}
		if len(c.cookie.Value) > 4096 {
			t.Errorf("a cookie of %d bytes", len(c.cookie.Value))
		}
	}
}
