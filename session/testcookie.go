package session

// Django's names for the test cookie
// (django/contrib/sessions/backends/base.py).
const (
	testCookieName  = "testcookie"
	testCookieValue = "worked"
)

// SetTestCookie puts a mark into the session, to find out at the visitor's next
// request, with [Session.TestCookieWorked], whether the browser takes cookies.
func (s *Session) SetTestCookie() { s.Set(testCookieName, testCookieValue) }

// TestCookieWorked reports whether the mark of [Session.SetTestCookie] is in
// the session. Only in a later request does that tell something about the
// browser.
func (s *Session) TestCookieWorked() bool {
	v, ok := Get[string](s, testCookieName)
	return ok && v == testCookieValue
}

// DeleteTestCookie takes the mark out of the session.
func (s *Session) DeleteTestCookie() { s.Delete(testCookieName) }
