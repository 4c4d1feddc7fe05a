package session_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sessionengine/session"
)

// A cookie is its name, its domain and its path: the application may expire the
// ones that the session's cookie was in former times.
func TestRule6_CookiesOfAnotherScopeAreTheApplications(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts session.CookieOptions
		url  string
		line string
		kept bool
	}{
		{"the same", session.CookieOptions{}, "/", "sessionid=x; Path=/", false},
		{"in other letters", session.CookieOptions{}, "/", " sessionid =x;path = / ; HttpOnly", false},
		{"another name", session.CookieOptions{}, "/", "Sessionid=x; Path=/", true},
		{"another path", session.CookieOptions{}, "/", "sessionid=; Path=/app; Max-Age=0", true},
		{"another domain", session.CookieOptions{}, "/", "sessionid=; Path=/; Domain=example.com; Max-Age=0", true},
		{"the same domain", session.CookieOptions{Domain: "example.com"}, "/",
			"sessionid=x; Path=/; Domain=.EXAMPLE.com", false},
		{"no domain", session.CookieOptions{Domain: "example.com"}, "/", "sessionid=x; Path=/; Domain=", true},
		{"the last path counts", session.CookieOptions{}, "/", "sessionid=x; Path=/app; Path=/", false},
		{"the path of a page", session.CookieOptions{}, "/page?a=/b", "sessionid=x", false},
		{"the path of a folder", session.CookieOptions{}, "/app/page", "sessionid=x", true},
		{"the path of a folder that is ours", session.CookieOptions{Path: "/app"}, "/app/page",
			"sessionid=x; Path=relative", false},
		{"partitioned", session.CookieOptions{}, "/", "sessionid=x; Path=/; Partitioned", true},
	} {
		m, err := session.NewManager(newProbe(), session.Options{Cookie: tc.opts})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", tc.line)
			w.Header()["set-cookie"] = []string{tc.line + "; Secure"}
			mustLoad(t, r).Set("a", 1)
		})).ServeHTTP(w, httptest.NewRequest("GET", tc.url, nil))
		lines := w.Header()["Set-Cookie"]
		want := []string{tc.line, tc.line + "; Secure"}
		if !tc.kept {
			want = nil
		}
		if n := len(lines); n == 0 || !slices.Equal(lines[:n-1], want) ||
			len(w.Header()[strings.ToLower("Set-Cookie")]) > 0 ||
			!strings.Contains(lines[n-1], "Max-Age=1209600") {
			t.Errorf("%s: %q", tc.name, lines)
		}
	}
}

// Of a response that is dropped nothing is left in the header, and what was
// there before the Manager is.
func TestRule4_NoFieldOfTheHandlersIsLeft(t *testing.T) {
	down := errors.New("down")
	for _, tc := range []struct {
		name   string
		failOn string
		handle func(w http.ResponseWriter, r *http.Request)
	}{
		{"saving fails", "create", func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("a", 1)
			w.WriteHeader(201)
		}},
		{"saving fails when the handler has returned", "create", func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("a", 1)
		}},
		{"loading fails", "load", func(w http.ResponseWriter, r *http.Request) { session.Load(r) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			store.failOn(down, tc.failOn)
			m, err := session.NewManager(store, session.Options{})
			if err != nil {
				t.Fatal(err)
			}
			inner := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				http.SetCookie(w, &http.Cookie{Name: "remember_me", Value: "credential"})
				h.Set("X-User", "alice")
				h.Set("X-Frame-Options", "SAMEORIGIN")
				h["Vary"][0] = "Origin"
				h.Del("Content-Encoding")
				h.Set("Trailer", "X-Sum")
				tc.handle(w, r)
				h.Set("X-Sum", "alice")
				h.Set(http.TrailerPrefix+"X-User", "alice")
				h.Set("X-Late", "alice")
			}))
			// TimeoutHandler sends the header as it is when the handler returns.
			for name, outside := range map[string]func(http.Handler) http.Handler{
				"at once":  func(h http.Handler) http.Handler { return h },
				"buffered": func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
			} {
				srv := httptest.NewServer(outside(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("X-Frame-Options", "DENY")
					w.Header().Set("Content-Encoding", "identity")
					w.Header()["Vary"] = []string{"Accept"}
					w.Header().Set("Cache-Control", "public")
					w.Header().Set("CDN-Cache-Control", "max-age=60")
					http.SetCookie(w, &http.Cookie{Name: "lb", Value: "7"})
					inner.ServeHTTP(w, r)
				})))
				defer srv.Close()
				req, _ := http.NewRequest("GET", srv.URL, nil)
				req.Header.Set("Cookie", "sessionid=x")
				res, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				for field, want := range map[string]string{
					"X-Frame-Options": "DENY", "Content-Encoding": "identity", "Vary": "Accept|Cookie",
					"Set-Cookie":    "lb=7",
					"Cache-Control": "no-store", "CDN-Cache-Control": "", "X-User": "", "X-Late": "", "X-Sum": "",
					"Trailer:X-User": "",
				} {
					if got := strings.Join(res.Header.Values(field), "|"); got != want {
						t.Errorf("%s: %s: %q, want %q", name, field, got, want)
					}
				}
				if res.StatusCode != 503 || len(res.Trailer) > 0 {
					t.Errorf("%s: %d, trailer %v", name, res.StatusCode, res.Trailer)
				}
			}
		})
	}
}
