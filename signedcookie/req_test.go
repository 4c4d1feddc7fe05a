package signedcookie_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

func BenchmarkRequest(b *testing.B) {
	for _, scheme := range schemes {
		for _, kind := range []string{"login", "cart"} {
			for _, cache := range []int{-1, 0} {
				b.Run(scheme.String()+"/"+kind+map[int]string{-1: "/cold", 0: "/cached"}[cache], func(b *testing.B) {
					store := newStore(b, signedcookie.Options{Scheme: scheme, CacheBytes: cache})
					m, err := session.NewManager(store, session.Options{})
					if err != nil {
						b.Fatal(err)
					}
					rec := &session.Record{Data: corpus(b, kind)[0], Expires: time.Now().Add(1209600 * time.Second)}
					token, err := store.Save(b.Context(), "", rec)
					if err != nil {
						b.Fatal(err)
					}
					h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s, err := session.Load(r)
						if err != nil {
							b.Fatal(err)
						}
						if s.IsEmpty() {
							b.Fatal("empty")
						}
					}))
					r := httptest.NewRequest("GET", "/", nil)
					r.Header.Set("Cookie", "sessionid="+token)
					w := nullWriter{http.Header{}}
					b.ReportAllocs()
					for b.Loop() {
						h.ServeHTTP(w, r)
					}
				})
			}
		}
	}
}

type nullWriter struct{ h http.Header }

func (w nullWriter) Header() http.Header         { return w.h }
func (w nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w nullWriter) WriteHeader(int)             {}
