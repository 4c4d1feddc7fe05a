package main

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
	"time"

	"sessionengine/bench"
)

// plainMap is no library: a map in this process, behind a random key in a cookie,
// as one writes it in an afternoon. Its sessions are gone when the process ends,
// and no other process has them. It is what a library can be measured against
// that does more.
func plainMap(name string) bench.Engine {
	return bench.Engine{Name: name, Open: func(context.Context, string, *bench.Counter) (bench.Site, error) {
		return newPlainSite(), nil
	}}
}

type plainSite struct {
	mu   sync.Mutex
	rows map[string]*plainSession // by key
}

type plainSession struct {
	values  map[string]any
	expires time.Time
}

func newPlainSite() *plainSite { return &plainSite{rows: make(map[string]*plainSession)} }

func (s *plainSite) Close() error { return nil }

const (
	plainCookie = "sessionid"
	plainLife   = 14 * 24 * time.Hour
)

// load returns the session of a request, or nil. The caller holds s.mu.
func (s *plainSite) load(r *http.Request) (key string, session *plainSession) {
	cookie, err := r.Cookie(plainCookie)
	if err != nil {
		return "", nil
	}
	session = s.rows[cookie.Value]
	if session == nil {
		return "", nil
	}
	if !time.Now().Before(session.expires) {
		delete(s.rows, cookie.Value)
		return "", nil
	}
	return cookie.Value, session
}

// create makes a session and sends its cookie. The caller holds s.mu.
func (s *plainSite) create(w http.ResponseWriter) (key string, session *plainSession) {
	session = &plainSession{make(map[string]any), time.Now().Add(plainLife)}
	return s.put(w, session), session
}

// put puts a session under a new key.
func (s *plainSite) put(w http.ResponseWriter, session *plainSession) (key string) {
	key = rand.Text()
	s.rows[key] = session
	setPlainCookie(w, key, int(time.Until(session.expires).Seconds()))
	return key
}

func setPlainCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: plainCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func (s *plainSite) Handler(a bench.Action) http.Handler {
	if a.TouchesNothing() {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	}
	values, err := valuesOf(a.Set)
	if err != nil {
		return failing(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		read := s.serve(w, r, a, values)
		if a.Meanwhile != nil {
			a.Meanwhile()
		}
		answer(w, read)
	})
}

// serve does what a says, and returns what it read.
func (s *plainSite) serve(w http.ResponseWriter, r *http.Request, a bench.Action, values map[string]any) (read any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, session := s.load(r)
	changes := len(values) > 0 || a.Count != nil
	switch {
	case session == nil && changes:
		key, session = s.create(w)
	case session == nil:
		return nil
	case a.Renew:
		delete(s.rows, key)
		key = s.put(w, session)
	}
	maps.Copy(session.values, values)
	if a.Count != nil {
		session.values[bench.CountKey] = a.Count.Add(1)
	}
	if a.Read.Key != "" {
		read = session.values[a.Read.Key]
	}
	if a.Flush {
		delete(s.rows, key)
		setPlainCookie(w, "", -1)
	}
	return read
}
