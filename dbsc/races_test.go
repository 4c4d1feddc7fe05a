package dbsc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sessionengine/dbsc"
	"sessionengine/session"
)

// What a page asks for while its browser registers comes with the cookies of
// before, and may be served after the session was bound. That is no logout.
func TestRequestsBesideTheRegistration(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		login := b.send("GET", "/login?user=ada", nil)
		underWay := b.copy()
		if resp := b.registerFor(login.header.Get("Secure-Session-Registration")); resp.status != 200 {
			t.Fatal(resp)
		}
		// An engine in cookies gave the binding to the browser only.
		underWay.cookies["__Host-session"] = b.cookies["__Host-session"]
		offer := underWay.cookies[dbsc.DefaultCookieName]
		underWay.want("/page", `hello "ada"`)
		underWay.wantStatus("/secure", 403)
		if got := underWay.cookies[dbsc.DefaultCookieName]; got != offer {
			t.Error("the browser's bound cookie was replaced")
		}
		b.want("/secure", "for your device only")

		// A minute after the offer it is over, whatever the thief's clock says.
		time.Sleep(61 * time.Second)
		underWay.want("/page", `hello ""`)
		b.want("/page", `hello "ada"`)
	})
}

// The cookie of one offer is worth nothing for a session that was bound by another.
func TestTheCookieOfAnotherOffer(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		victim := s.browser(true)
		victim.want("/login?user=ada", "welcome")
		other := s.browser(false)
		other.want("/login?user=ada", "welcome")
		thief := victim.copy()
		thief.cookies[dbsc.DefaultCookieName] = other.cookies[dbsc.DefaultCookieName]
		thief.want("/page", `hello ""`)
	})
}

// A node that has not yet learned that a session is bound, behind a near cache for
// example, may replace the browser's bound cookie with an offer. The browser gets
// another one.
func TestAnOfferInThePlaceOfTheBoundCookie(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		other := s.browser(false)
		other.want("/login?user=ada", "welcome")
		b.cookies[dbsc.DefaultCookieName] = other.cookies[dbsc.DefaultCookieName]
		b.get("/page")
		b.want("/page", `hello "ada"`)
		b.want("/secure", "for your device only")
	})
}

// Without a Manager around it RequireBound answers with an error, not with nothing.
func TestRequireBoundWithoutAManager(t *testing.T) {
	s := newSite(t, engines["memory"](t), dbsc.Options{})
	w := httptest.NewRecorder()
	s.binder.RequireBound(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
}
