package sessiontest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"sessionengine/session"
)

// managed returns a Manager of the store, or nil if the store does not notice
// conflicts, on which the cases below depend.
func (c *check) managed() *session.Manager {
	c.Helper()
	if !c.f.DetectsConflicts || !c.f.StableToken {
		return nil
	}
	m, err := session.NewManager(c.store, session.Options{CommitTimeout: time.Minute,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.Fatalf("NewManager: %v", err)
	}
	return m
}

// request calls f with the session of a request that brings cookie, if there is
// one. It returns the status of the response and the cookie to go on with.
func (c *check) request(m *session.Manager, cookie *http.Cookie, f func(s *session.Session)) (int, *http.Cookie) {
	c.Helper()
	r := httptest.NewRequestWithContext(c.ctx, "GET", "https://example.com/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Load(r)
		if err != nil {
			c.Errorf("Load in a request: %v", err)
			return
		}
		f(s)
	})).ServeHTTP(w, r)
	if cookies := w.Result().Cookies(); len(cookies) > 0 {
		cookie = cookies[0]
	}
	return w.Code, cookie
}

var managerCases = []testCase{
	{
		name: "what a request set holds after a conflict",
		rule: "A request sets a tenant that is there already, and a role. One that chose another tenant meanwhile " +
			"was faster: in the end the first tenant is there beside the role, and all else that the other " +
			"request set.",
		run: func(c *check) {
			m := c.managed()
			if m == nil {
				return
			}
			_, cookie := c.request(m, nil, func(s *session.Session) { s.Set("tenant", 1) })
			status, _ := c.request(m, cookie, func(s *session.Session) {
				s.Set("tenant", 1)
				s.Set("role", "admin")
				c.request(m, cookie, func(s *session.Session) {
					s.Set("tenant", 2)
					s.Set("seen", true)
				})
			})
			c.request(m, cookie, func(s *session.Session) {
				tenant, _ := session.Get[int](s, "tenant")
				role, _ := session.Get[string](s, "role")
				if status != http.StatusOK || tenant != 1 || role != "admin" || !s.Has("seen") {
					c.Errorf("the status is %d, the tenant %d, the role %q, and what the other request set is there: "+
						"%v; want 200, 1, \"admin\", true", status, tenant, role, s.Has("seen"))
				}
			})
		},
	},
	{
		name: "of two requests that take a value one is saved",
		rule: "Of two requests that Pop one value, or that SetDefault one, the slower one is answered with 409 and " +
			"not saved.",
		run: func(c *check) {
			m := c.managed()
			if m == nil {
				return
			}
			for name, take := range map[string]func(s *session.Session) bool{
				"Pop":        func(s *session.Session) bool { _, ok := session.Pop[int](s, "coupon"); return ok },
				"SetDefault": func(s *session.Session) bool { return s.SetDefault("winner", 1) },
			} {
				_, cookie := c.request(m, nil, func(s *session.Session) {
					s.Set("coupon", 1)
					s.Set("other", 1)
				})
				faster := 0
				slower, _ := c.request(m, cookie, func(s *session.Session) {
					if !take(s) {
						c.Errorf("%s found nothing to take", name)
					}
					faster, _ = c.request(m, cookie, func(s *session.Session) { take(s) })
				})
				if faster != http.StatusOK || slower != http.StatusConflict {
					c.Errorf("two requests that take a value with %s have the status %d and %d, want 200 and 409", name,
						faster, slower)
				}
			}
		},
	},
	{
		name: "of twenty requests that Change a value all count",
		rule: "Twenty requests load a session before one of them is saved, and add to a list with session.Change: " +
			"all have added.",
		run: func(c *check) {
			m := c.managed()
			if m == nil {
				return
			}
			const n = 20
			_, cookie := c.request(m, nil, func(s *session.Session) { s.Set("a", 1) })
			var add func(i int)
			add = func(i int) {
				status, _ := c.request(m, cookie, func(s *session.Session) {
					session.Change(s, "cart", func(cart []string) []string { return append(cart, fmt.Sprint(i)) })
					if i > 1 {
						add(i - 1)
					}
				})
				if status != http.StatusOK {
					c.Errorf("a request that called Change has the status %d", status)
				}
			}
			add(n)
			c.request(m, cookie, func(s *session.Session) {
				if cart, _ := session.Get[[]string](s, "cart"); len(cart) != n {
					c.Errorf("%d additions are there, want %d", len(cart), n)
				}
			})
		},
	},
}
