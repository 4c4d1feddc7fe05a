package django_test

import (
	"testing"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/revocation"
	"sessionengine/session"
)

func TestALogoutInGoEndsDjangosCookiesInGo(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		store, err := revocation.New(newCookieStore(t, django.Options{}), revocation.NewMemoryList(),
			revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, store, session.Options{})
		token := s.visit("", func(s *session.Session) { s.Set("n", 1) })
		if got := p.read(cookies, token, ""); got.Empty {
			t.Error("Django does not read a cookie that can be revoked")
		}
		later := s.visit(token, func(s *session.Session) { s.Set("n", 2) })
		byDjango := p.write(cookies, `{"n":3}`, nil)
		for _, token := range []string{later, byDjango} {
			if s.visit(token, func(s *session.Session) { s.Flush() }) != "" {
				t.Error("there is a cookie after the logout")
			}
		}
		for name, token := range map[string]string{"the first cookie": token, "the last cookie": later,
			"Django's cookie": byDjango} {
			if n := len(s.entries(token)); n != 0 {
				t.Errorf("%s is good for %d entries in Go after the logout", name, n)
			}
			if got := p.read(cookies, token, ""); got.Empty {
				t.Errorf("%s is no good at Django", name)
			}
		}
	})
}
