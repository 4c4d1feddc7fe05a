package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sessionengine/session"
)

func TestErrorStatus(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{session.ErrGone, 400},
		{session.ErrConflict, 409},
		{&session.TooLargeError{}, 500},
		{&session.ValueError{}, 500},
		{session.ErrReservedKey, 500},
		{session.ErrHeadersSent, 500},
		{session.ErrNoMiddleware, 500},
		{session.ErrMisuse, 500},
		{session.ErrClosed, 503},
		{context.DeadlineExceeded, 503},
		{errors.New("connection refused"), 503},
	} {
		if got := session.ErrorStatus(fmt.Errorf("engine: %w", tc.err)); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
	}
}

// What trying again cannot mend must not ask the visitor to try again.
func TestAMistakeOfTheApplicationIs500AndLogged(t *testing.T) {
	store := newProbe()
	store.failOn(fmt.Errorf("engine: %w: the session would outlive MaxAge; raise it", session.ErrMisuse), "create")
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{"/set": setHandler(t)})
	res := s.get("/set")
	if res.StatusCode != 500 || strings.Contains(res.body, "again") || strings.Contains(res.body, "MaxAge") {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
	if l := s.logs.String(); !strings.Contains(l, "level=ERROR") || !strings.Contains(l, "raise it") {
		t.Errorf("logged: %s", l)
	}
}

// The operator has to find the handler and the mistake, and nothing of the
// visitor's.
func TestTheLogSaysWhereAndWhyARequestFailed(t *testing.T) {
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/names/{id}": func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).Set("name", "J\xfcrgen") },
	})
	if res := s.get("/names/4711"); res.StatusCode != 500 {
		t.Error(res.StatusCode)
	}
	l := s.logs.String()
	if !strings.Contains(l, "pattern=/names/{id}") || !strings.Contains(l, "not valid UTF-8") ||
		strings.Contains(l, "4711") || strings.Contains(l, "rgen") {
		t.Errorf("logged: %s", l)
	}
}
