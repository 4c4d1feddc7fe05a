package session_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
)

func TestExpiry(t *testing.T) {
	day := 24 * time.Hour
	for _, tc := range []struct {
		name   string
		opts   session.Options
		do     func(*session.Session)
		maxAge string
		life   time.Duration
	}{
		{"the default is two weeks", session.Options{}, func(*session.Session) {}, "1209600", 14 * day},
		{"a lifetime of the site", session.Options{Lifetime: time.Hour}, func(*session.Session) {}, "3600", time.Hour},
		{"a life of its own", session.Options{Lifetime: time.Hour}, func(s *session.Session) {
			s.SetExpiry(time.Minute)
		}, "60", time.Minute},
		{"a life of its own is rounded up", session.Options{}, func(s *session.Session) {
			s.SetExpiry(1500 * time.Millisecond)
		}, "2", 2 * time.Second},
		{"a moment", session.Options{}, func(s *session.Session) { s.SetExpiryTime(time.Now().Add(90 * time.Second)) },
			"90", 90 * time.Second},
		{"with the browser, this session", session.Options{}, func(s *session.Session) {
			s.ExpireAtBrowserClose()
		}, "", 14 * day},
		{"with the browser, all sessions", session.Options{ExpireAtBrowserClose: true},
			func(*session.Session) {}, "", 14 * day},
		{"not with the browser, this session", session.Options{ExpireAtBrowserClose: true}, func(s *session.Session) {
			s.SetExpiry(time.Hour)
		}, "3600", time.Hour},
		{"for ever is a hundred years", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) {
			s.SetExpiry(math.MaxInt64)
		}, "3600", time.Hour},
		{"a moment that no calendar has", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) {
			s.SetExpiryTime(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC))
		}, "3600", time.Hour},
		{"the session's expiry taken back", session.Options{}, func(s *session.Session) {
			s.SetExpiry(1 * time.Second)
			s.ResetExpiry()
		}, "1209600", 14 * day},
		{"the absolute timeout bounds the lifetime", session.Options{AbsoluteTimeout: time.Hour},
			func(*session.Session) {}, "3600", time.Hour},
		{"the absolute timeout bounds a session's own life", session.Options{AbsoluteTimeout: time.Hour},
			func(s *session.Session) { s.SetExpiry(day) }, "3600", time.Hour},
		{"the absolute timeout bounds a moment", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) {
			s.SetExpiryTime(time.Now().Add(day))
		}, "3600", time.Hour},
		{"the idle timeout takes the lifetime's place", session.Options{IdleTimeout: time.Minute},
			func(*session.Session) {}, "60", time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // sessions need not begin on a whole second
				v := newVisitor(t, tc.opts)
				v.visit(func(s *session.Session) {
					login(s)
					tc.do(s)
					if at := s.ExpiresAtBrowserClose(); at != (tc.maxAge == "") {
						t.Errorf("ExpiresAtBrowserClose: %v", at)
					}
				})
				if v.max != tc.maxAge {
					t.Errorf("Max-Age %q, want %q", v.max, tc.maxAge)
				}
				v.visit(func(s *session.Session) {
					if d := s.ExpiryAge() - tc.life; d < 0 || d >= time.Second {
						t.Errorf("ExpiryAge %v, want %v", s.ExpiryAge(), tc.life)
					}
					if !s.ExpiryTime().Equal(time.Now().Add(s.ExpiryAge())) || s.ExpiryTime().Location() != time.UTC {
						t.Errorf("ExpiryTime %v", s.ExpiryTime())
					}
				})
				if tc.opts.IdleTimeout > 0 {
					return
				}
				time.Sleep(tc.life - time.Millisecond)
				if !v.alive() {
					t.Error("over too early")
				}
				time.Sleep(time.Second)
				if v.alive() {
					t.Error("alive after its end")
				}
			})
		})
	}
}

func TestLifetimeCountsFromTheLastChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{Lifetime: time.Hour})
		v.visit(login)
		time.Sleep(40 * time.Minute)
		v.visit(func(s *session.Session) { s.Set("n", 1) })
		time.Sleep(40 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("a read writes: %s", calls)
		}
		time.Sleep(19 * time.Minute)
		if !v.alive() {
			t.Error("the change did not extend the life")
		}
		time.Sleep(time.Minute)
		if v.alive() {
			t.Error("reading extended the life")
		}
	})
}

func TestIdleTimeoutSlidesWithReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, AbsoluteTimeout: 2 * time.Hour})
		v.visit(login)
		begin := time.Now()
		time.Sleep(2 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("written before a tenth of the life was over: %s", calls)
		}
		for range 5 {
			time.Sleep(20 * time.Minute)
			if calls := v.visit(look); calls != "load touch" {
				t.Fatalf("after %v: %s", time.Since(begin), calls)
			}
		}
		time.Sleep(2*time.Hour - time.Since(begin) - time.Second)
		if !v.alive() {
			t.Error("over before the absolute timeout")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Error("alive after the absolute timeout")
		}
	})
}

func TestIdleTimeoutEndsAnIdleSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, RenewAfter: 10 * time.Minute})
		v.visit(login)
		time.Sleep(9 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("renewed before RenewAfter: %s", calls)
		}
		time.Sleep(time.Minute)
		if calls := v.visit(look); calls != "load touch" {
			t.Errorf("not renewed after RenewAfter: %s", calls)
		}
		time.Sleep(30*time.Minute - time.Second)
		if !v.alive() {
			t.Fatal("over too early")
		}
		time.Sleep(30 * time.Minute)
		if v.alive() {
			t.Error("alive though idle")
		}
	})
}

func TestIdleTimeoutOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, RenewAfter: 10 * time.Minute})
		v.visit(func(s *session.Session) { login(s); s.SetExpiry(2 * time.Minute) })
		for range 10 { // RenewAfter is longer than this session's life, and must not end it
			time.Sleep(100 * time.Second)
			if !v.alive() {
				t.Fatal("over though in use")
			}
		}
		time.Sleep(2 * time.Minute)
		if v.alive() {
			t.Error("alive though idle")
		}
	})
}

func TestAbsoluteTimeoutThatComesLater(t *testing.T) {
	// The site turns the absolute timeout on while sessions are alive: they
	// get it from their next request on.
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		var err error
		if v.m, err = session.NewManager(v.store,
			session.Options{IdleTimeout: time.Hour, AbsoluteTimeout: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		v.visit(look)
		for range 3 {
			time.Sleep(30 * time.Minute)
			if !v.alive() {
				t.Fatal("over too early")
			}
		}
		time.Sleep(30 * time.Minute)
		if v.alive() {
			t.Error("alive after the absolute timeout")
		}
	})
}

func TestAbsoluteTimeoutThatIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{AbsoluteTimeout: 10 * time.Hour})
		v.visit(login)
		var err error
		if v.m, err = session.NewManager(v.store, session.Options{AbsoluteTimeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		if !v.alive() {
			t.Error("over too early")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Error("the stored expiry wins over the shorter timeout")
		}
	})
}

func TestClearAndFlushAndTheAbsoluteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{AbsoluteTimeout: time.Hour})
		v.visit(login)
		time.Sleep(30 * time.Minute)
		v.visit(func(s *session.Session) { s.Clear(); login(s) })
		time.Sleep(20 * time.Minute)
		v.visit(func(s *session.Session) { s.Renew() })
		time.Sleep(10*time.Minute - time.Second)
		if !v.alive() {
			t.Error("over too early")
		}
		v.visit(func(s *session.Session) { s.Flush(); login(s) })
		time.Sleep(2 * time.Second)
		if !v.alive() {
			t.Error("Flush begins a new session, whose time begins anew")
		}
		v.visit(func(s *session.Session) { s.Flush(); login(s) })
		time.Sleep(40 * time.Minute)
		v.visit(func(s *session.Session) { s.Clear(); login(s) })
		if v.max != "1200" {
			t.Errorf("the cookie outlives the absolute timeout: Max-Age %s, want 1200", v.max)
		}
		time.Sleep(20 * time.Minute)
		if v.alive() {
			t.Error("Clear set the absolute timeout back")
		}
	})
}

func TestTouchExtendsWithoutRewriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{Lifetime: time.Hour})
		v.visit(login)
		time.Sleep(59 * time.Minute)
		if calls := v.visit(func(s *session.Session) { s.Touch() }); calls != "load touch" {
			t.Errorf("the store was asked: %s", calls)
		}
		if v.max != "3600" {
			t.Errorf("the cookie's Max-Age: %s", v.max)
		}
		time.Sleep(59 * time.Minute)
		if !v.alive() {
			t.Error("not extended")
		}
	})
}

func TestAFailedExtensionIsNoFailedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		for _, err := range []error{errors.New("down"), session.ErrGone, session.ErrConflict} {
			time.Sleep(10 * time.Minute)
			v.store.failOn(err, "touch")
			if calls := v.visit(look); calls != "load touch" { // and status 200, says visit
				t.Errorf("%v: the store was asked: %s", err, calls)
			}
		}
	})
}
