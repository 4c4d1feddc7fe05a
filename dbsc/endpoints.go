package dbsc

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"sessionengine/session"
)

// endpointKey marks the requests that are for the endpoints of a Binder.
type endpointKey struct{}

// Handler returns a handler that gives next's requests their session, as
// m.Handler(next) does, and answers those for the two endpoints itself. m is a
// Manager that has b as its Guard. Without the Guard, or with m.Handler in the place of
// this, no session is bound, and no error says so: the response of a login has to have
// the field Secure-Session-Registration, and a POST to "/dbsc/register" not to be a 404.
func (b *Binder) Handler(m *session.Manager, next http.Handler) http.Handler {
	app := m.Handler(next)
	endpoints := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(m, w, r) }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != b.register && r.URL.Path != b.refresh {
			app.ServeHTTP(w, r)
			return
		}
		endpoints.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), endpointKey{}, b)))
	})
}

// serve answers a request for one of the endpoints.
func (b *Binder) serve(m *session.Manager, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "This address is for browsers that bind sessions.", http.StatusMethodNotAllowed)
		return
	}
	s, err := m.Load(r)
	switch {
	case err != nil: // the Manager answers with a 503, and the browser tries again
	case r.URL.Path == b.register:
		b.serveRegister(w, r, s)
	default:
		b.serveRefresh(w, r, s)
	}
}

// Reasons of the Refused, besides those of proofs.
const (
	reasonNobody    = "nobody is logged in"
	reasonBound     = "the session is bound already"
	reasonOffer     = "there was no offer for this browser and session"
	reasonChallenge = "the challenge is stale, or somebody else's"
)

// serveRegister binds a session to the key that a browser has made for it. A
// session that is bound stays so: whoever has copied it would otherwise exchange
// the key.
func (b *Binder) serveRegister(w http.ResponseWriter, r *http.Request, s *session.Session) {
	refuse := func(reason string) {
		b.tell(r.Context(), Refused, reason)
		http.Error(w, "The session was not bound.", http.StatusForbidden)
	}
	user := b.opts.User(s)
	switch {
	case user == "":
		refuse(reasonNobody)
		return
	case s.Binding() != "":
		refuse(reasonBound)
		return
	}
	p, err := verify(text(r.Header, headerResponse), nil, r.Host, r.URL.Path)
	if err != nil {
		refuse(err.Error())
		return
	}
	at, n, ok := b.macs.open(offerChallenge, p.challenge, user)
	if !ok || !isFresh(at, offerLife) {
		refuse(reasonChallenge)
		return
	}
	id := ""
	cookies(r.Header, b.opts.CookieName, func(value string) bool {
		if of, m, ok := b.macs.open(offerCookie, value, user); ok && m == n && of.Equal(at) {
			id = idOf(value)
		}
		return true
	})
	if id == "" {
		refuse(reasonOffer)
		return
	}
	s.SetBinding(binding{id, tagOf(user), p.key}.String())
	if s.Save(r.Context()) != nil {
		return // the Manager answers, and the session stays unbound
	}
	b.tell(r.Context(), Registered, "")
	b.instruct(w, id, time.Now().Add(b.opts.Life))
}

// serveRefresh challenges a browser, and gives it a fresh cookie for its proof.
func (b *Binder) serveRefresh(w http.ResponseWriter, r *http.Request, s *session.Session) {
	id := text(r.Header, headerID)
	have, ok := parseBinding(s.Binding())
	if !ok || have.id != id || have.user != tagOf(b.opts.User(s)) {
		b.tell(r.Context(), Ended, "")
		http.Error(w, "The session has ended.", http.StatusUnauthorized) // which makes the browser forget it
		return
	}
	proof := text(r.Header, headerResponse)
	if proof == "" {
		b.tell(r.Context(), Challenged, "")
		b.challenge(w, id)
		return
	}
	p, err := verify(proof, have.key, r.Host, r.URL.Path)
	if err != nil {
		b.tell(r.Context(), Refused, err.Error())
		b.challenge(w, id)
		return
	}
	at, _, ok := b.macs.open(refreshChallenge, p.challenge, id)
	expires := at.Add(b.opts.Life)
	if !ok || !isFresh(at, challengeLife) || !time.Now().Before(expires) {
		b.tell(r.Context(), Refused, reasonChallenge)
		b.challenge(w, id)
		return
	}
	b.tell(r.Context(), Refreshed, "")
	// The cookie follows from the challenge alone. A proof that is sent again
	// gives the same cookie, which expires when it would have.
	b.instruct(w, id, expires)
}

// challenge asks for a proof. The browser comes back with it at once.
func (b *Binder) challenge(w http.ResponseWriter, id string) {
	w.Header().Set(headerChallenge, `"`+b.macs.seal(refreshChallenge, time.Now(), nonce{}, id)+`";id="`+id+`"`)
	http.Error(w, "Please sign the challenge.", http.StatusForbidden)
}

// instructions are what a browser learns of a session ("JSON Session Instruction
// Format" in the draft).
type instructions struct {
	ID         string       `json:"session_identifier"`
	RefreshURL string       `json:"refresh_url"`
	Scope      scope        `json:"scope"`
	Cookies    []credential `json:"credentials"`
}

type scope struct {
	IncludeSite bool   `json:"include_site"`
	Rules       []rule `json:"scope_specification"`
}

type rule struct {
	Type   string `json:"type"`
	Domain string `json:"domain"`
	Path   string `json:"path"`
}

type credential struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
}

// instruct gives the browser a bound cookie, and says what to do with it.
func (b *Binder) instruct(w http.ResponseWriter, id string, expires time.Time) {
	rules := []rule{{"exclude", "*", b.opts.Path}}
	for _, path := range b.opts.Exclude {
		rules = append(rules, rule{"exclude", "*", path})
	}
	body, err := json.Marshal(instructions{id, b.refresh, scope{false, rules},
		[]credential{{"cookie", b.opts.CookieName, b.attributes}}})
	if err != nil {
		panic("dbsc: " + err.Error()) // strings and lists only
	}
	h := w.Header()
	h.Add("Set-Cookie", b.cookie(b.macs.seal(boundCookie, expires, nonce{}, id),
		int(max(1, time.Until(expires).Round(time.Second)/time.Second))))
	h.Set("Content-Type", "application/json")
	w.Write(body)
}
