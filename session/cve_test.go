package session_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sessionengine/session"
)

// Faults that other session libraries have had, each with what would show it here.

// accesses are all ways to look at a session.
var accesses = map[string]func(s *session.Session){
	"nothing": func(*session.Session) {},
	"Get":     func(s *session.Session) { session.Get[string](s, "team") },
	"Has":     func(s *session.Session) { s.Has("team") },
	"Keys":    func(s *session.Session) { s.Keys() },
	"All": func(s *session.Session) {
		for range s.All() {
		}
	},
	"Len":           func(s *session.Session) { s.Len() },
	"IsEmpty":       func(s *session.Session) { s.IsEmpty() },
	"Owner":         func(s *session.Session) { s.Owner() },
	"Authenticated": func(s *session.Session) { s.Authenticated() },
	"ExpiryAge":     func(s *session.Session) { s.ExpiryAge() },
}

// CVE-2026-35192 and CVE-2026-6907: a response that depended on the session lacked
// Vary: Cookie, or lost it to the handler's own, so that a cache gave one visitor's
// page to another.
func TestCVE_2026_35192_And_2026_6907_VaryIsOnWhateverDependsOnTheSession(t *testing.T) {
	for name, access := range accesses {
		for _, own := range []string{"", "Accept-Encoding", "accept, X-Cookie"} {
			s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
				"/set": setHandler(t),
				"/": func(w http.ResponseWriter, r *http.Request) {
					access(mustLoad(t, r))
					if own != "" {
						w.Header().Set("Vary", own)
					}
				},
			})
			s.get("/") // of a visitor without a session, too
			s.get("/set")
			vary := strings.Join(s.get("/").Header.Values("Vary"), ", ")
			if !strings.HasSuffix(vary, "Cookie") || own != "" && !strings.HasPrefix(vary, own) {
				t.Errorf("%s: Vary is %q", name, vary)
			}
		}
	}
}

// CVE-2026-27205: a look whether a key is there did not count as access.
func TestCVE_2026_27205_EachWayToLookIsAnAccess(t *testing.T) {
	for name, access := range accesses {
		s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) {
				s := mustLoad(t, r)
				if access(s); s.Accessed() != (name != "nothing") {
					t.Errorf("%s: Accessed is %v", name, s.Accessed())
				}
			},
		})
		s.get("/")
	}
}

// CVE-2024-38513: a session was made under whatever id the client sent.
func TestCVE_2024_38513_AChosenTokenIsNotTaken(t *testing.T) {
	for name, open := range engines {
		s := newSite(t, open(t), session.Options{}, map[string]http.HandlerFunc{"/set": setHandler(t),
			"/team": teamHandler(t)})
		const chosen = "attackersattackersattackers12345"
		s.setToken(chosen)
		s.get("/set")
		if got := s.token(); got == chosen || got == "" {
			t.Errorf("%s: the token is %q", name, got)
		}
		s.setToken(chosen)
		if got := s.get("/team").body; got != "none" {
			t.Errorf("%s: the chosen token has a session", name)
		}
	}
}

// CVE-2025-46336: a session that was deleted came back, empty or not, by a request
// that had loaded it before.
func TestCVE_2025_46336_ADeletedSessionIsNotWrittenAgain(t *testing.T) {
	store, err := session.ForCookie(rowStore(t), session.DefaultCookieName)
	if err != nil {
		t.Fatal(err)
	}
	token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := store.Load(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(t.Context(), token, rec); err != session.ErrGone {
		t.Errorf("Save: %v", err)
	}
	if _, err := store.Renew(t.Context(), token, rec); err != session.ErrGone {
		t.Errorf("Renew: %v", err)
	}
	if _, err := store.Load(t.Context(), token); err == nil {
		t.Error("it is there again")
	}
}

// CVE-2025-66630: where the random numbers failed, ids were all zero, and alike.
func TestCVE_2025_66630_TokensAreNeverAlike(t *testing.T) {
	store := rowStore(t)
	seen := make(map[string]bool)
	for range 100 {
		token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{"a":1}`),
			Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if seen[token] || strings.Trim(token, token[:1]) == "" {
			t.Fatalf("a token of one character, or one for the second time")
		}
		seen[token] = true
	}
}
