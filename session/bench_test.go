package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// discardResponse is a response that costs nothing but its header map.
type discardResponse struct{ h http.Header }

func (w *discardResponse) Header() http.Header         { return w.h }
func (w *discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardResponse) WriteHeader(int)             {}

// BenchmarkManager measures what the middleware costs over a store that costs
// next to nothing. Package bench measures whole engines.
func BenchmarkManager(b *testing.B) {
	const data = `{"_auth_user_id":"1024","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"5b2b7bbd0d1d2f4f7b9d7a7d7e6b5a40f3b6f2c9e1a8d7c6b5a4938271605f4e","_csrftoken":"q8Zx0nM4v7B2c9K1j6H5g3F8d0S2a4P7"}`
	ok := []byte("ok")
	for _, bm := range []struct {
		kind    string
		handler func(w http.ResponseWriter, r *http.Request)
	}{
		{"floor", nil},
		{"untouched", func(w http.ResponseWriter, r *http.Request) { w.Write(ok) }},
		{"read", func(w http.ResponseWriter, r *http.Request) {
			s, _ := session.Load(r)
			if id, _ := session.Get[string](s, "_auth_user_id"); id != "1024" {
				b.Fatal(id)
			}
			w.Write(ok)
		}},
		{"write", func(w http.ResponseWriter, r *http.Request) {
			s, _ := session.Load(r)
			n, _ := session.Get[int](s, "n")
			s.Set("n", n+1)
			w.Write(ok)
		}},
	} {
		b.Run("kind="+bm.kind, func(b *testing.B) {
			store := sessiontest.NewMemory()
			token, err := store.Save(b.Context(), "",
				&session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				b.Fatal(err)
			}
			m, err := session.NewManager(store, session.Options{})
			if err != nil {
				b.Fatal(err)
			}
			h := m.Handler(http.HandlerFunc(bm.handler))
			if bm.handler == nil {
				h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(ok) })
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
			w := &discardResponse{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}
