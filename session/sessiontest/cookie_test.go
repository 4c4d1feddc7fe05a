package sessiontest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

func TestCookie(t *testing.T) {
	signed, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]session.SessionStore{"memory": sessiontest.NewMemory(),
		"signedcookie": signed} {
		m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{Name: "sid"}})
		if err != nil {
			t.Fatal(err)
		}
		site := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				return
			}
			user, _ := session.Get[string](s, "user")
			fmt.Fprint(w, user, " ", s.Owner())
		}))
		cookie := sessiontest.Cookie(t, m, func(s *session.Session) {
			s.Set("user", "linh")
			s.SetOwner("7")
		})
		r := httptest.NewRequest("GET", "/account", nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Body.String() != "linh 7" || cookie.Name != "sid" || !cookie.Secure {
			t.Errorf("%s: the page says %q to %s", name, w.Body, cookie.Name)
		}
	}
}
