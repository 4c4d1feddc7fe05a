package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"sessionengine/session"
)

// A guard refuses what is bound to "no", answers for "answer", and fails for
// "fail".
type guard struct {
	t        *testing.T
	admitted []string
	before   func(header func() http.Header, r *http.Request, s *session.Session)
}

type guardsAnswer struct{}

func (guardsAnswer) Error() string { return "the guard answers" }

func (guardsAnswer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprint(w, "the guard's")
}

func (g *guard) Admit(r *http.Request, binding string) error {
	if _, err := session.Load(r); !errors.Is(err, session.ErrNoMiddleware) {
		g.t.Errorf("the session can be found while it is loaded: %v", err)
	}
	g.admitted = append(g.admitted, binding)
	switch binding {
	case "no":
		return fmt.Errorf("not yours: %w", session.ErrNotFound)
	case "answer":
		return guardsAnswer{}
	case "fail":
		return errors.New("the guard failed")
	}
	return nil
}

func (g *guard) BeforeHeader(header func() http.Header, r *http.Request, s *session.Session) {
	if g.before != nil {
		g.before(header, r, s)
	}
}

func TestAGuardAdmitsSessions(t *testing.T) {
	for name, store := range map[string]func(t *testing.T) session.SessionStore{"cookie": cookieStore, "row": rowStore} {
		t.Run(name, func(t *testing.T) {
			g := &guard{t: t}
			s := newSite(t, store(t), session.Options{Guard: g}, map[string]http.HandlerFunc{
				"/set": setHandler(t),
				"/bind": func(w http.ResponseWriter, r *http.Request) {
					sess := mustLoad(t, r)
					sess.SetBinding(r.FormValue("to"))
					if sess.Binding() != r.FormValue("to") {
						t.Errorf("Binding is %q", sess.Binding())
					}
				},
				"/team": teamHandler(t),
				"/own": func(w http.ResponseWriter, r *http.Request) {
					if _, err := session.Load(r); err != nil {
						http.Error(w, "the handler's", http.StatusBadRequest)
					}
				},
				"/return": func(w http.ResponseWriter, r *http.Request) {
					if _, err := session.Load(r); err != nil {
						return
					}
				},
				"/nothing": func(w http.ResponseWriter, r *http.Request) {},
			})
			s.get("/set")
			s.get("/team")
			if len(g.admitted) > 0 {
				t.Errorf("Admit was called for a session without a binding: %q", g.admitted)
			}
			s.get("/bind?to=yes")
			if got := s.get("/team").body; got != "red" {
				t.Errorf("admitted: %q", got)
			}
			if s.get("/nothing"); len(g.admitted) != 1 || g.admitted[0] != "yes" {
				t.Errorf("Admit was called with %q", g.admitted)
			}

			s.get("/bind?to=no")
			resp := s.get("/team")
			if resp.body == "red" || len(resp.Header["Set-Cookie"]) > 0 {
				t.Errorf("refused: %q %v", resp.body, resp.Header)
			}
		})
	}
}

func TestAGuardAnswers(t *testing.T) {
	g := &guard{t: t}
	s := newSite(t, rowStore(t), session.Options{Guard: g}, map[string]http.HandlerFunc{
		"/bind": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Set("team", "red")
			sess.SetBinding(r.FormValue("to"))
		},
		"/own": func(w http.ResponseWriter, r *http.Request) {
			if _, err := session.Load(r); err != nil {
				w.Header().Set("X-Handler", "1")
				http.Error(w, "the handler's", http.StatusBadRequest)
			}
		},
		"/return": func(w http.ResponseWriter, r *http.Request) { session.Load(r) },
	})
	s.get("/bind?to=answer")
	for _, path := range []string{"/own", "/return"} {
		resp := s.get(path)
		if resp.StatusCode != http.StatusTeapot || resp.body != "the guard's" || resp.Header.Get("X-Handler") != "" {
			t.Errorf("%s: %d %q %v", path, resp.StatusCode, resp.body, resp.Header)
		}
	}
	if got := s.logs.String(); got != "" {
		t.Errorf("a guard's answer is logged: %s", s.logs)
	}
}

func TestAGuardFails(t *testing.T) {
	s := newSite(t, rowStore(t), session.Options{Guard: &guard{t: t}}, map[string]http.HandlerFunc{
		"/bind": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Set("team", "red")
			sess.SetBinding("fail")
		},
		"/return": func(w http.ResponseWriter, r *http.Request) { session.Load(r) },
	})
	s.get("/bind")
	if resp := s.get("/return"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d %q", resp.StatusCode, resp.body)
	}
}

// What a guard does before the header is saved and sent, and is gone with the
// response when that fails.
func TestAGuardComesBeforeTheHeader(t *testing.T) {
	g := &guard{t: t}
	g.before = func(header func() http.Header, r *http.Request, s *session.Session) {
		if s.Owner() != "" && s.Binding() == "" {
			s.SetBinding("yes")
			header().Set("X-Guard", "1")
		}
	}
	s := newSite(t, rowStore(t), session.Options{Guard: g}, map[string]http.HandlerFunc{
		"/login": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Set("team", "red")
			sess.SetOwner("ada")
			if r.FormValue("wrongly") != "" {
				sess.Set("_session_owner", 1)
			}
			if r.FormValue("fails") != "" {
				w.WriteHeader(http.StatusInternalServerError)
			}
		},
		"/bound": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, mustLoad(t, r).Binding()) },
	})
	for _, path := range []string{"/login?fails=1", "/login?wrongly=1"} {
		if resp := s.get(path); resp.StatusCode != 500 || resp.Header.Get("X-Guard") != "" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	if resp := s.get("/login"); resp.Header.Get("X-Guard") != "1" {
		t.Errorf("%v", resp.Header)
	}
	if got := s.get("/bound").body; got != "yes" {
		t.Errorf("the binding was saved as %q", got)
	}
}

// A binding that cannot be read does not make a session one that is not bound.
func TestABindingThatCannotBeRead(t *testing.T) {
	store := rowStore(t)
	s := newSite(t, store, session.Options{Guard: &guard{t: t}}, map[string]http.HandlerFunc{
		"/set": setHandler(t), "/team": teamHandler(t),
	})
	for _, binding := range []string{"1", "null", "{}", `["yes"]`} {
		s.get("/set")
		token := s.token()
		bound, err := session.ForCookie(store, session.DefaultCookieName)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := bound.Load(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		rec.Data = []byte(`{"team":"red","_session_binding":` + binding + `}`)
		if _, err := bound.Save(t.Context(), token, rec); err != nil {
			t.Fatal(err)
		}
		if got := s.get("/team").body; got == "red" {
			t.Errorf("%s: the session is given out", binding)
		}
	}
}
