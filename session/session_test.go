package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sessionengine/session"
)

func TestDictionary(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		s.Set("b", 1)
		s.Update(map[string]any{"z": true, "a": "x"})
		if !s.SetDefault("d", 4) || s.SetDefault("b", 9) {
			t.Error("SetDefault")
		}
	})
	v.visit(func(s *session.Session) {
		if got, want := s.Keys(), []string{"b", "a", "z", "d"}; !slices.Equal(got, want) {
			t.Errorf("keys %q, want %q", got, want)
		}
		if s.Len() != 4 || s.IsEmpty() || !s.Has("z") || s.Has("nope") {
			t.Error("Len, IsEmpty or Has")
		}
		var all []string
		for k, raw := range s.All() {
			all = append(all, k+"="+string(raw))
			raw[0] = '?' // ours to spoil
			s.Delete("d")
		}
		if got := strings.Join(all, " "); got != `b=1 a="x" z=true d=4` {
			t.Errorf("All: %s", got)
		}
		for k := range s.All() {
			if k != "b" {
				t.Errorf("the iteration went on to %s", k)
			}
			break
		}
		if n, ok := session.Pop[int](s, "b"); n != 1 || !ok || s.Has("b") {
			t.Error("Pop")
		}
		if _, ok := session.Pop[int](s, "a"); ok || !s.Has("a") {
			t.Error("Pop took a value of another type")
		}
		if _, ok := session.Get[int](s, "nope"); ok {
			t.Error("Get of nothing")
		}
		var text string
		if err := s.Decode("nope", &text); !errors.Is(err, session.ErrNoKey) {
			t.Errorf("Decode of nothing: %v", err)
		}
		var n int
		var ve *session.ValueError
		if err := s.Decode("a", &n); !errors.As(err, &ve) || ve.Key != "a" || ve.Err == nil {
			t.Errorf("Decode into the wrong type: %v", err)
		}
		if err := s.Decode("a", &text); err != nil || text != "x" {
			t.Errorf("Decode: %q, %v", text, err)
		}
	})
	v.visit(func(s *session.Session) {
		if got := s.Keys(); !slices.Equal(got, []string{"a", "z"}) {
			t.Errorf("left: %q", got)
		}
	})
}

func TestStateOfASession(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		if s.Accessed() || s.Modified() || s.Token() != "" || !s.IsEmpty() || !s.Accessed() {
			t.Error("a new session")
		}
		s.Set("user", 1)
		if !s.Modified() {
			t.Error("not modified by Set")
		}
		if err := s.Save(t.Context()); err != nil || s.Modified() || s.Token() == "" {
			t.Errorf("after Save: %v", err)
		}
	})
	v.visit(func(s *session.Session) {
		if s.Token() != v.token || s.Modified() {
			t.Error("a loaded session")
		}
		s.Set("user", 1)
		if s.Modified() {
			t.Error("modified by setting what is there")
		}
		s.Flush()
		if !s.Modified() || s.Token() != "" {
			t.Error("after Flush")
		}
	})
}

func TestTestCookie(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		if s.TestCookieWorked() {
			t.Error("worked before it was set")
		}
		s.SetTestCookie()
	})
	v.visit(func(s *session.Session) {
		if !s.TestCookieWorked() {
			t.Error("did not work")
		}
		s.DeleteTestCookie()
		if s.TestCookieWorked() {
			t.Error("works after it was deleted")
		}
	})
	if v.max != "-1" {
		t.Errorf("the cookie of the empty session stays: Max-Age %s", v.max)
	}
}

func TestFlashes(t *testing.T) {
	type notice struct{ Level, Text string }
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		s.AddFlash("one")
		s.AddFlash(notice{"info", "two"})
		s.AddFlash("three")
		s.Set("user", 1)
		if slices.Contains(s.Keys(), "_session_flashes") || s.Len() != 1 {
			t.Error("flashes are seen among the keys")
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[string](s); !slices.Equal(got, []string{"one", "three"}) {
			t.Errorf("%q", got)
		}
		s.AddFlash("four")
		if got := session.Flashes[string](s); !slices.Equal(got, []string{"four"}) {
			t.Errorf("again: %q", got)
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[notice](s); !slices.Equal(got, []notice{{"info", "two"}}) {
			t.Errorf("%v", got)
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[any](s); got != nil {
			t.Errorf("shown twice: %v", got)
		}
	})
}
