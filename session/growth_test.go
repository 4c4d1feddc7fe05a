package session_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sessionengine/internal/ratiotest"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// Nothing that a visitor can make grow takes more time for each of its parts than
// for one.
func TestTimeGrowsAsTheSession(t *testing.T) {
	if testing.Short() {
		t.Skip("under the race detector times grow otherwise")
	}
	const n = 500
	data := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"_session_flashes":[0`)
		for i := range n {
			fmt.Fprintf(&b, ",%d", i%7)
		}
		b.WriteString("]")
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return b.String() + "}"
	}
	each := func(f func(s *session.Session, key string)) func(*session.Session, []string) {
		return func(s *session.Session, keys []string) {
			for _, key := range keys {
				f(s, key)
			}
		}
	}
	for name, op := range map[string]func(s *session.Session, keys []string){
		"load": func(*session.Session, []string) {},
		"Get":  each(func(s *session.Session, key string) { session.Get[int](s, key) }),
		"Has":  each(func(s *session.Session, key string) { s.Has(key) }),
		"Set":  each(func(s *session.Session, key string) { s.Set(key, "x") }),
		"Set of what is there": each(func(s *session.Session, key string) {
			n, _ := session.Get[int](s, key)
			s.Set(key, n)
		}),
		"Set of new keys": each(func(s *session.Session, key string) { s.Set(key+"x", "x") }),
		"SetDefault":      each(func(s *session.Session, key string) { s.SetDefault(key+"x", "x") }),
		"Delete":          each(func(s *session.Session, key string) { s.Delete(key) }),
		"Delete and Set":  each(func(s *session.Session, key string) { s.Delete(key); s.Set(key, 1) }),
		"Pop":             each(func(s *session.Session, key string) { session.Pop[int](s, key) }),
		"Pop and IsEmpty": each(func(s *session.Session, key string) {
			session.Pop[int](s, key)
			s.IsEmpty()
			s.Len()
		}),
		"Change": each(func(s *session.Session, key string) {
			session.Change(s, key, func(n int) int { return n + 1 })
		}),
		"AddFlash": each(func(s *session.Session, key string) { s.AddFlash(key) }),
		"Flashes":  func(s *session.Session, _ []string) { session.Flashes[int](s) },
		"Flashes, none fits": each(func(s *session.Session, key string) {
			s.AddFlash(key)
			if len(key)%5 == 0 {
				session.Flashes[string](s)
			}
		}),
		"Clear": func(s *session.Session, _ []string) { s.Clear(); s.Set("a", 1) },
		"Keys":  func(s *session.Session, _ []string) { s.Keys() },
		"All": func(s *session.Session, _ []string) {
			for range s.All() {
			}
		},
		"Update": func(s *session.Session, keys []string) {
			values := map[string]any{}
			for _, key := range keys {
				values[key] = 1
			}
			s.Update(values)
		},
	} {
		for _, conflict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,conflict=%v", name, conflict), func(t *testing.T) {
				ratiotest.Linear(t, n, func(n int) func() {
					store := newProbe()
					m := manager(t, store, session.Options{})
					token := stored(t, store, data(n))
					if conflict {
						failed := false
						store.fail = func(op string) error {
							if op == "save" && !failed {
								failed = true
								return session.ErrConflict
							}
							return nil
						}
					}
					keys := make([]string, n)
					for i := range keys {
						keys[i] = fmt.Sprint("k", i)
					}
					return func() {
						if w := inRequest(t, m, token, func(s *session.Session) { op(s, keys) }); w.Code != 200 {
							t.Errorf("%d", w.Code)
						}
					}
				})
			})
		}
	}
	t.Run("cookies", func(t *testing.T) {
		m := manager(t, sessiontest.NewMemory(), session.Options{})
		ratiotest.Linear(t, 1000, func(n int) func() {
			r := httptest.NewRequest("GET", "/", nil)
			for i := range n {
				r.Header.Add("Cookie", fmt.Sprintf("sessionid=x%d; other=1", i))
			}
			h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Load(r)
				if err != nil {
					t.Error(err)
					return
				}
				s.Flush()
				io.WriteString(w, "ok")
			}))
			return func() { h.ServeHTTP(httptest.NewRecorder(), r) }
		})
	})
}
