package sessiontest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"sessionengine/session"
)

// Cookie returns the cookie of a new session, for tests of handlers that need a
// visitor who has one, such as one who is logged in:
//
//	r := httptest.NewRequest("GET", "/account", nil)
//	r.AddCookie(sessiontest.Cookie(t, sessions, func(s *session.Session) { s.Set("user", "linh") }))
//
// The session is made as in a request: begin is called in a handler behind m, and
// what it does is saved. It has to leave something in the session. The cookie has
// all its attributes, and belongs to the caller.
func Cookie(t testing.TB, m *session.Manager, begin func(s *session.Session)) *http.Cookie {
	t.Helper()
	var failure error
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "https://example.com/", nil)
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s *session.Session
		if s, failure = m.Load(r); failure == nil {
			begin(s)
			failure = s.Save(r.Context())
		}
	})).ServeHTTP(w, r)
	if failure != nil {
		t.Fatalf("sessiontest: Cookie: %v", failure)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Value == "" {
		t.Fatalf("sessiontest: Cookie: the response has the status %d and %d cookies; "+
			"is there anything in the session?", w.Code, len(cookies))
	}
	return cookies[0]
}
