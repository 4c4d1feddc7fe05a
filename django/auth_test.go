package django_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func newAuth(t testing.TB, opts django.Options) *django.Auth {
	t.Helper()
	auth, err := django.NewAuth(secretKey, opts)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

const (
	adasHash = "pbkdf2_sha256$260000$c2FsdA$Nq1bqk0a6Ob8Jx5nQzY8vY3yQd6xv1Jt7uHk2mQ0m3E="
	bobsHash = "!unusable"
)

var ada, bob = django.User{ID: "1"}, django.User{ID: "5e3f2a10-0000-4000-8000-000000000002",
	Backend: "site.backends.LDAP"}

func TestLogin(t *testing.T) {
	auth := newAuth(t, django.Options{})
	for _, tc := range []struct {
		name   string
		before func(*session.Session) // the session that the visitor has
		user   django.User
		hash   string
		keeps  bool // what the session held
	}{
		{"a visitor without a session", nil, ada, adasHash, false},
		{"an anonymous visitor", func(s *session.Session) {}, ada, adasHash, true},
		{"the same user again", func(s *session.Session) { auth.Login(s, ada, adasHash) }, ada, adasHash, true},
		{"another user", func(s *session.Session) { auth.Login(s, bob, bobsHash) }, ada, adasHash, false},
		{"the same user whose password has changed", func(s *session.Session) { auth.Login(s, ada, "old") }, ada,
			adasHash, false},
		{"another user whose id is a number",
			func(s *session.Session) { auth.Login(s, bob, bobsHash); s.Set("_auth_user_id", 7) }, ada, adasHash, false},
		{"an id that is null", func(s *session.Session) { s.Set("_auth_user_id", nil) }, ada, adasHash, false},
		{"a user of another backend", func(s *session.Session) {}, bob, bobsHash, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, sessiontest.NewMemory(), session.Options{})
			token := ""
			if tc.before != nil {
				token = s.visit("", func(s *session.Session) {
					tc.before(s)
					s.Set("basket", []int{1})
					s.Set("_csrftoken", "made before the login")
				})
			}
			after := s.visit(token, func(s *session.Session) { auth.Login(s, tc.user, tc.hash) })
			if after == "" || after == token {
				t.Error("the login did not give the session a fresh token")
			}
			if token != "" && len(s.entries(token)) != 0 {
				t.Error("the old token is alive")
			}
			want := []string{"_auth_user_backend", "_auth_user_hash", "_auth_user_id"}
			if tc.keeps {
				want = append(want, "basket")
			}
			if got := slices.Sorted(maps.Keys(s.entries(after))); !slices.Equal(got, want) {
				t.Errorf("the session holds %v, want %v", got, want)
			}
			s.visit(after, func(s *session.Session) {
				u, ok := django.SessionUser(s)
				backend := tc.user.Backend
				if backend == "" {
					backend = django.ModelBackend
				}
				if !ok || u.ID != tc.user.ID || u.Backend != backend {
					t.Errorf("the user is %+v, %v", u, ok)
				}
				if !auth.Verify(s, tc.hash) {
					t.Error("the login does not hold")
				}
			})
		})
	}
}

func TestVerifyRefusesWhatItShould(t *testing.T) {
	auth := newAuth(t, django.Options{})
	other, err := django.NewAuth(oldKey, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, sessiontest.NewMemory(), session.Options{})
	for name, before := range map[string]func(*session.Session){
		"a session without a login":    func(s *session.Session) {},
		"another password":             func(s *session.Session) { auth.Login(s, ada, bobsHash) },
		"another secret key":           func(s *session.Session) { other.Login(s, ada, adasHash) },
		"a hash that is empty":         func(s *session.Session) { s.Set("_auth_user_hash", "") },
		"a hash that is no text":       func(s *session.Session) { s.Set("_auth_user_hash", []any{}) },
		"a hash in upper case letters": func(s *session.Session) { auth.Login(s, ada, adasHash); upper(s) },
	} {
		token := s.visit("", func(s *session.Session) { s.Set("basket", 1); before(s) })
		entries := encode(t, s.entries(token))
		after := s.visit(token, func(s *session.Session) {
			if auth.Verify(s, adasHash) {
				t.Errorf("%s: the login holds", name)
			}
			if s.Modified() {
				t.Errorf("%s: the session was changed", name)
			}
		})
		if after != token || encode(t, s.entries(after)) != entries {
			t.Errorf("%s: the session is another one", name)
		}
	}
}

func upper(s *session.Session) {
	hash, _ := session.Get[string](s, "_auth_user_hash")
	s.Set("_auth_user_hash", strings.ToUpper(hash))
}

func TestALoginOfAnOldKeyIsRenewed(t *testing.T) {
	old, err := django.NewAuth(oldKey, django.Options{})
	if err != nil {
		t.Fatal(err)
	}
	auth := newAuth(t, django.Options{Fallbacks: []string{"unrelated", oldKey}})
	s := newSite(t, sessiontest.NewMemory(), session.Options{})
	token := s.visit("", func(s *session.Session) { s.Set("basket", 1); old.Login(s, ada, adasHash) })
	after := s.visit(token, func(s *session.Session) {
		if !auth.Verify(s, adasHash) {
			t.Error("the login does not hold")
		}
	})
	if after == token {
		t.Error("the session has no fresh token")
	}
	s.visit(after, func(s *session.Session) {
		if !newAuth(t, django.Options{}).Verify(s, adasHash) {
			t.Error("the login does not hold with the new key alone")
		}
		if !s.Has("basket") {
			t.Error("the session lost what it held")
		}
	})
}

func TestAChangedPasswordEndsTheOtherSessions(t *testing.T) {
	auth := newAuth(t, django.Options{})
	s := newSite(t, sessiontest.NewMemory(), session.Options{})
	here := s.visit("", func(s *session.Session) { auth.Login(s, ada, adasHash) })
	there := s.visit("", func(s *session.Session) { auth.Login(s, ada, adasHash) })
	const changed = "md5$salt$changed"
	now := s.visit(here, func(s *session.Session) { auth.UpdateHash(s, changed) })
	if now == here {
		t.Error("the session has no fresh token")
	}
	s.visit(now, func(s *session.Session) {
		if !auth.Verify(s, changed) {
			t.Error("the session in which the password was changed has ended")
		}
	})
	s.visit(there, func(s *session.Session) {
		if auth.Verify(s, changed) {
			t.Error("another session goes on")
		}
	})
}

func TestSessionUserNeedsAllOfIt(t *testing.T) {
	s := newSite(t, sessiontest.NewMemory(), session.Options{})
	for name, values := range map[string]map[string]any{
		"nothing":      {"a": 1},
		"no backend":   {"_auth_user_id": "1"},
		"no id":        {"_auth_user_backend": django.ModelBackend},
		"an odd id":    {"_auth_user_id": 1, "_auth_user_backend": django.ModelBackend},
		"odd backends": {"_auth_user_id": "1", "_auth_user_backend": []int{}},
	} {
		token := s.visit("", func(s *session.Session) { s.Update(values) })
		s.visit(token, func(s *session.Session) {
			if u, ok := django.SessionUser(s); ok || u != (django.User{}) {
				t.Errorf("%s: %+v, %v", name, u, ok)
			}
		})
	}
}

func TestTheHashIsDjangos(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		auth := newAuth(t, django.Options{})
		s := newSite(t, sessiontest.NewMemory(), session.Options{})
		for _, password := range []string{adasHash, bobsHash, "", "mật khẩu 🔑", strings.Repeat("long", 100)} {
			var answer struct{ Hash string }
			p.do("user_hash", ask{"password": password}, &answer)
			token := s.visit("", func(s *session.Session) { s.Set("_auth_user_hash", answer.Hash) })
			s.visit(token, func(s *session.Session) {
				if !auth.Verify(s, password) {
					t.Errorf("Django's hash of %q is refused", password)
				}
				auth.Login(s, ada, password)
				if hash, _ := session.Get[string](s, "_auth_user_hash"); hash != answer.Hash {
					t.Errorf("the hash of %q is %s, want %s", password, hash, answer.Hash)
				}
			})
		}
	})
}
