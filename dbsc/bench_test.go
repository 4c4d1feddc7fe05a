package dbsc

import (
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// What a request with a fresh bound cookie costs, beside its floor, the one code
// that has to be checked.
func BenchmarkAdmit(b *testing.B) {
	binder := testBinder(b, "")
	p, err := verify(chromiumRegistration, nil, "", "")
	if err != nil {
		b.Fatal(err)
	}
	have := binding{idOf("x"), tagOf("ada"), p.key}
	text := have.String()
	r := httptest.NewRequest("GET", "https://site.test/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-session", Value: "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"})
	r.AddCookie(&http.Cookie{Name: DefaultCookieName,
		Value: binder.macs.seal(boundCookie, time.Now().Add(time.Hour), nonce{}, have.id)})
	b.Run("floor=hmac", func(b *testing.B) {
		h := hmac.New(sha256.New, testSecret)
		input, sum := make([]byte, 1+timeBytes+idLength), make([]byte, 0, sha256.Size)
		b.ReportAllocs()
		for b.Loop() {
			h.Reset()
			h.Write(input)
			sum = h.Sum(sum[:0])
		}
	})
	b.Run("dbsc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := binder.Admit(r, text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What a request that reads its session costs: without a Guard, with one for a
// session that is not bound, and bound.
func BenchmarkRequest(b *testing.B) {
	binder := testBinder(b, "")
	p, err := verify(chromiumRegistration, nil, "", "")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		guard session.Guard
		bound bool
	}{{"guard=no", nil, false}, {"guard=yes/bound=no", binder, false}, {"guard=yes/bound=yes", binder, true}} {
		b.Run(c.name, func(b *testing.B) {
			m, err := session.NewManager(sessiontest.NewMemory(), session.Options{Guard: c.guard,
				Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			have := binding{idOf("x"), tagOf("ada"), p.key}
			write := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, _ := session.Load(r)
				s.Set("user", "ada")
				if c.bound {
					s.SetOwner("ada")
					s.SetBinding(have.String())
				}
			}))
			w := httptest.NewRecorder()
			write.ServeHTTP(w, httptest.NewRequest("GET", "https://site.test/", nil))
			r := httptest.NewRequest("GET", "https://site.test/", nil)
			for _, cookie := range w.Result().Cookies() {
				r.AddCookie(cookie)
			}
			if c.bound {
				r.AddCookie(&http.Cookie{Name: DefaultCookieName,
					Value: binder.macs.seal(boundCookie, time.Now().Add(time.Hour), nonce{}, have.id)})
			}
			read := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Load(r)
				if user, _ := session.Get[string](s, "user"); err != nil || user != "ada" {
					b.Fatal(err, user)
				}
				io.WriteString(w, "x")
			}))
			b.ReportAllocs()
			for b.Loop() {
				read.ServeHTTP(&discard{http.Header{}}, r)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
