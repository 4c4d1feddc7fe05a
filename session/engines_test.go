package session_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// The middleware with the real engines.

func cookieStore(t *testing.T) session.SessionStore {
	t.Helper()
	s, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rowStore(t *testing.T) session.SessionStore {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestLateChangeInACookieIsReported(t *testing.T) {
	s := newSite(t, cookieStore(t), session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/late": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			w.WriteHeader(200)
			sess.Set("team", "blue")
		},
		"/save": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			w.WriteHeader(200)
			sess.Set("team", "blue")
			if err := sess.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("Save: %v", err)
			}
		},
		"/team": teamHandler(t),
	})
	s.get("/set")
	for i, path := range []string{"/late", "/save"} {
		s.get(path)
		if n := strings.Count(s.logs.String(), "level=ERROR"); n != i+1 {
			t.Errorf("%s: %d errors logged: %s", path, n, s.logs)
		}
		if got := s.get("/team").body; got != "red" {
			t.Errorf("team %q", got)
		}
	}
}

// Fifty requests that have all loaded the same state set a key each. It is
// repeated, since a race that is lost once in ten times is lost.
func TestFiftyParallelWritersOnSQLite(t *testing.T) {
	const n = 50
	var ready sync.WaitGroup
	s := newSite(t, rowStore(t), session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/key": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			ready.Done()
			ready.Wait()
			sess.Set(r.FormValue("k"), true)
		},
		"/keys": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, mustLoad(t, r).Len()) },
	})
	for round := range 10 {
		s.client = s.browser()
		s.get("/set")
		ready.Add(n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if res := s.get("/key?k=" + strconv.Itoa(i)); res.StatusCode != 200 {
					t.Errorf("round %d, writer %d: %d %s", round, i, res.StatusCode, res.body)
				}
			})
		}
		all.Wait()
		if got := s.get("/keys").body; got != "51" {
			t.Errorf("round %d: %s keys, want 51", round, got)
		}
	}
}

func TestLogoutDuringASlowRequestOnSQLite(t *testing.T) {
	loaded, loggedOut := make(chan struct{}), make(chan struct{})
	s := newSite(t, rowStore(t), session.Options{}, map[string]http.HandlerFunc{
		"/set":    setHandler(t),
		"/logout": logoutHandler(t),
		"/team":   teamHandler(t),
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			close(loaded)
			<-loggedOut
			sess.Set("cart", 1)
			io.WriteString(w, "secret")
		},
	})
	s.get("/set")
	token := s.token()
	slow := make(chan answer)
	go func() { slow <- s.get("/slow") }()
	<-loaded
	s.get("/logout")
	close(loggedOut)
	if res := <-slow; res.StatusCode != 400 || strings.Contains(res.body, "secret") {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
	s.setToken(token)
	if got := s.get("/team").body; got != "none" {
		t.Errorf("alive again: %q", got)
	}
}

func TestATooLargeCookieIsAnErrorBeforeAnyHeader(t *testing.T) {
	s := newSite(t, cookieStore(t), session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/big": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			for i := range 5000 {
				sess.Set("key"+strconv.Itoa(i), i*i*7919)
			}
			io.WriteString(w, "done")
		},
		"/team": teamHandler(t),
	})
	s.get("/set")
	if res := s.get("/big"); res.StatusCode != 500 || strings.Contains(res.body, "done") ||
		res.sessionCookies() != nil {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
	if got := s.get("/team").body; got != "red" {
		t.Errorf("the session before it is lost: %q", got)
	}
}
