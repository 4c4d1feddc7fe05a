package session

import (
	"slices"
	"testing"
	"time"
)

func TestNewestSessionKeepsAllOthers(t *testing.T) {
	m := &Manager{life: time.Hour}
	now := time.Now()
	at := func(token string, saved time.Time) *Session {
		s := &Session{m: m, stored: true, token: token}
		s.loaded.Expires = saved.Add(m.life)
		return s
	}
	s := newer(at("first", now), at("second", now.Add(-time.Minute)))
	s = newer(s, at("third", now.Add(-2*time.Minute)))
	slices.Sort(s.others)
	if s.token != "first" || !slices.Equal(s.others, []string{"second", "third"}) {
		t.Fatalf("session %q, others %q", s.token, s.others)
	}
}
