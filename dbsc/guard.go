package dbsc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"sessionengine/session"
)

// errUnproven says that a bound session came without what proves that it is its
// browser's. The visitor has no session then, and may log in.
var errUnproven = fmt.Errorf("dbsc: no fresh bound cookie: %w", session.ErrNotFound)

// proven reports whether a request has a bound cookie of that id that is fresh.
func (b *Binder) proven(r *http.Request, id string) bool {
	found := false
	cookies(r.Header, b.opts.CookieName, func(value string) bool {
		expires, _, ok := b.macs.open(boundCookie, value, id)
		found = ok && time.Now().Before(expires)
		return !found
	})
	return found
}

// overtaken reports whether a request was sent before its browser had the answer of
// the registration: it has the cookie of the offer that the session of that id was
// bound by, which is good for a minute. Whoever has a copy of it could use the
// session until it was bound.
func (b *Binder) overtaken(r *http.Request, id string) bool {
	found := false
	cookies(r.Header, b.opts.CookieName, func(value string) bool {
		// The id stands for all of an offer that was checked at the registration.
		found = len(value) == encoding.EncodedLen(longToken) && idOf(value) == id &&
			isFresh(timeOf(value), min(overtakenLife, b.opts.Life))
		return !found
	})
	return found
}

// Admit implements [session.Guard]: a bound session is given out with a fresh
// bound cookie only, or for a moment with the one of the offer that it was bound by.
func (b *Binder) Admit(r *http.Request, text string) error {
	id, _, _, ok := split(text)
	switch {
	case ok && (b.proven(r, id) || b.overtaken(r, id)):
		return nil
	case r.Context().Value(endpointKey{}) == b: // which asks for a proof itself
		return nil
	case !ok:
		b.tell(r.Context(), Unproven, "")
		return errUnproven
	}
	if reason := skipped(r.Header, id); reason != "" {
		b.tell(r.Context(), Skipped, reason)
		return errSkipped
	}
	if fetchedFrom(r) == "cross-site" && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		r.Header.Get("Sec-Fetch-Dest") == "document" {
		b.tell(r.Context(), Returned, "")
		return errReturn
	}
	b.tell(r.Context(), Unproven, "")
	return errUnproven
}

// fetchedFrom returns the relation of whoever caused a request to this site (W3C
// Fetch Metadata), which every browser that can bind sessions tells.
func fetchedFrom(r *http.Request) string { return r.Header.Get("Sec-Fetch-Site") }

// answer is an error that answers a request.
type answer struct {
	what       string
	status     int
	retryAfter string
	body       string
}

var (
	// errSkipped is for a browser that has the key and could not refresh, since
	// the server failed or it did so too often. To take its visitor for logged out
	// could cost them their session, when a page writes an anonymous one.
	errSkipped error = &answer{"the browser could not refresh the session", http.StatusServiceUnavailable, "30",
		"Your browser could not confirm your session. Please try again in a minute."}

	// errReturn is for a link from another site: browsers refresh only for
	// requests that come from this one, so this page asks for itself again.
	errReturn error = &answer{"a link from another site without a fresh bound cookie", http.StatusForbidden, "",
		"<!DOCTYPE html><meta http-equiv=refresh content=0><title>…</title>"}
)

func (a *answer) Error() string { return "dbsc: " + a.what }

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

// BeforeHeader implements [session.Guard]: it asks the browser to register the
// session of a user that is not bound.
func (b *Binder) BeforeHeader(header func() http.Header, r *http.Request, s *session.Session) {
	user := b.opts.User(s)
	if text := s.Binding(); text != "" {
		if _, tag, _, ok := split(text); ok && user != "" && tag == tagOf(user) {
			return
		}
		s.SetBinding("") // it was another user's
	}
	if r.Context().Value(endpointKey{}) == b {
		return
	}
	offered, presented := false, false
	cookies(r.Header, b.opts.CookieName, func(value string) bool {
		at, _, ok := b.macs.open(offerCookie, value, user)
		offered = offered || ok && isFresh(at, offerLife)
		presented = true
		return true
	})
	switch {
	case user == "" && presented:
		header().Add("Set-Cookie", b.cookie("", 0)) // so that the browser asks, and is told that it is over
	case user == "" || offered || fetchedFrom(r) == "cross-site": // a browser would register without its cookies
	default:
		b.offer(header(), r, user)
	}
}

// offer asks a browser to register. It keeps the nonce in the cookie that the
// registration comes with, so that neither the session nor the server has to.
func (b *Binder) offer(h http.Header, r *http.Request, user string) {
	now, n := time.Now(), newNonce()
	h.Add("Set-Cookie", b.cookie(b.macs.seal(offerCookie, now, n, user), int(offerLife/time.Second)))
	h.Set(headerRegistration, `(ES256 RS256);path="`+b.register+`";challenge="`+
		b.macs.seal(offerChallenge, now, n, user)+`"`)
	b.tell(r.Context(), Offered, "")
}

// isFresh reports whether what was made at a moment is of use for its life, by
// clocks that may differ a little.
func isFresh(at time.Time, life time.Duration) bool {
	age := time.Since(at)
	return age <= life && age >= -clockSlack
}

// cookie returns the Set-Cookie line of the bound cookie; with 0 seconds the
// browser forgets it.
func (b *Binder) cookie(value string, seconds int) string {
	return b.opts.CookieName + "=" + value + "; Max-Age=" + strconv.Itoa(seconds) + "; " + b.attributes
}

// Bound reports whether the session of a request is bound to the device that the
// request comes from, as far as that has been proved within the bound cookie's
// life. s is the session that was loaded for r.
func (b *Binder) Bound(r *http.Request, s *session.Session) bool {
	id, tag, _, ok := split(s.Binding())
	return ok && tag == tagOf(b.opts.User(s)) && b.proven(r, id)
}

// RequireBound returns a handler that lets requests through to next only if their
// session is bound. Options.Refuse answers the others: those of visitors who are
// not logged in, of browsers that cannot bind a session, and those of the moment
// after a login, until the browser has registered. So a login had better lead to
// a page that is not among these.
func (b *Binder) RequireBound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		switch {
		case errors.Is(err, session.ErrNoMiddleware):
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		case err != nil: // the Manager answers
		case !b.Bound(r, s):
			b.opts.Refuse.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "This page needs a session that is bound to your device.", http.StatusForbidden)
}
