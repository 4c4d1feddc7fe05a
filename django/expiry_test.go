package django_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

const (
	minute = 60
	day    = 24 * 60 * minute
	age    = 14 * day // SESSION_COOKIE_AGE
)

// iso is a time as Django 4.1 and later keep it in _session_expiry.
func iso(t time.Time) string { return `"` + t.Format("2006-01-02T15:04:05.000000-07:00") + `"` }

func TestTheExpiryOfACookieThatDjangoWroteIsEnforced(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		store := newCookieStore(t, django.Options{})
		now := time.Now()
		for _, tc := range []struct {
			name   string
			expiry string // as set_expiry puts it into the session
			life   int    // seconds from when Django signed it
			django int    // the same as Django sees it
		}{
			{"no expiry of its own", "", age, age},
			{"None", "null", age, age},
			{"seconds", "3600", 60 * minute, age},
			{"seconds and a fraction", "3600.75", 60 * minute, age},
			{"more seconds than the cookie lives", fmt.Sprint(30 * day), age, age},
			{"more seconds than an int64 holds", "1" + fmt.Sprintf("%024d", 0), age, age},
			{"when the browser closes", "0", age, age},
			{"a time", iso(now.Add(time.Hour)), 60 * minute, age},
			{"a time in another zone", iso(now.Add(time.Hour).In(time.FixedZone("", -5*3600))), 60 * minute, age},
			{"a time without a zone", now.UTC().Add(time.Hour).Format(`"2006-01-02T15:04:05"`), 60 * minute, age},
			{"a time that is later than the cookie's end", iso(now.Add(30 * day * time.Second)), age, age},
			{"what is no expiry", `"soon"`, age, age},
		} {
			t.Run(tc.name, func(t *testing.T) {
				data := `{"team":"red"}`
				if tc.expiry != "" {
					data = `{"team":"red","_session_expiry":` + tc.expiry + `}`
				}
				const margin = 10 // seconds, since time goes on
				signed := func(ago int) string {
					p.do("set_time", ask{"now": now.Unix() - int64(ago)}, nil)
					defer p.do("set_time", ask{}, nil)
					return p.write(cookies, data, nil)
				}
				fresh := signed(0)
				rec, err := store.Load(t.Context(), fresh)
				if err != nil {
					t.Fatal(err)
				}
				if got := rec.Expires.Unix() - now.Unix(); got != int64(tc.life) {
					t.Errorf("lives for %d seconds, want %d", got, tc.life)
				}
				if tc.expiry != "" && tc.expiry[0] != '"' { // a time does not depend on when it is signed
					if _, err := store.Load(t.Context(), signed(tc.life-margin)); err != nil {
						t.Errorf("before its end: %v", err)
					}
					if _, err := store.Load(t.Context(), signed(tc.life+margin)); !errors.Is(err, session.ErrExpired) {
						t.Errorf("after its end: %v, want session.ErrExpired", err)
					}
				}
				// What Django itself does with the cookie.
				for ago, want := range map[int]bool{tc.django - margin: true, tc.django + margin: false} {
					p.do("set_time", ask{"now": now.Unix() + int64(ago)}, nil)
					if got := p.read(cookies, fresh, ""); got.Empty == want {
						t.Errorf("Django reads it after %d seconds: %v, want %v", ago, !got.Empty, want)
					}
				}
				p.do("set_time", ask{}, nil)
			})
		}
	})
}

func TestDjangoEndsASessionThatGoWroteWhenGoDoes(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		p := newPeer(t, d, ask{})
		store := newCookieStore(t, django.Options{})
		for _, tc := range []struct {
			name  string
			opts  session.Options
			do    func(*session.Session)
			life  int
			close bool // when the browser is closed
		}{
			{name: "the defaults", life: age},
			{name: "a shorter lifetime than SESSION_COOKIE_AGE", opts: session.Options{Lifetime: time.Hour}, life: 60 * minute},
			{name: "a longer lifetime", opts: session.Options{Lifetime: 30 * 24 * time.Hour}, life: 30 * day},
			{name: "an idle timeout", opts: session.Options{IdleTimeout: time.Hour}, life: 60 * minute},
			{name: "an absolute timeout", opts: session.Options{AbsoluteTimeout: time.Hour}, life: 60 * minute},
			{name: "a session's own shorter life", do: func(s *session.Session) { s.SetExpiry(time.Hour) }, life: 60 * minute},
			{name: "a session's own longer life", do: func(s *session.Session) { s.SetExpiry(30 * 24 * time.Hour) }, life: 30 * day},
			{name: "the end of the browser", do: func(s *session.Session) { s.ExpireAtBrowserClose() }, life: age, close: true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := newSite(t, store, tc.opts)
				before := time.Now()
				token := s.visit("", func(s *session.Session) {
					s.Set("team", "red")
					if tc.do != nil {
						tc.do(s)
					}
				})
				s.visit(token, func(s *session.Session) {
					want := before.Add(time.Duration(tc.life) * time.Second)
					if got := s.ExpiryTime(); got.Before(want) || got.After(want.Add(5*time.Second)) {
						t.Errorf("Go: expires at %v, want %v", got, want)
					}
					if s.ExpiresAtBrowserClose() != tc.close {
						t.Errorf("Go: expires when the browser closes: %v", !tc.close)
					}
				})
				const margin = 10
				for after, want := range map[int]bool{0: true, tc.life - margin: true, tc.life + margin: false} {
					p.do("set_time", ask{"now": before.Unix() + int64(after)}, nil)
					got := p.read(cookies, token, "")
					if got.Empty == want {
						t.Errorf("Django reads it after %d seconds: %v, want %v", after, !got.Empty, want)
					}
					if !got.Empty && got.AtBrowserClose != tc.close {
						t.Errorf("Django: expires when the browser closes: %v", got.AtBrowserClose)
					}
				}
				p.do("set_time", ask{}, nil)
			})
		}
	})
}

func TestExpiresIsKeptWhateverItIs(t *testing.T) {
	store := newCookieStore(t, django.Options{CookieAge: 50 * 365 * 24 * time.Hour})
	now := time.Now().UTC().Truncate(time.Second)
	for _, expires := range []time.Time{
		now.Add(time.Minute),
		now.Add(100 * 365 * 24 * time.Hour),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		for _, data := range []string{`{}`, `{"_session_expiry":1}`, `{"_session_expiry":"2001-01-01T00:00:00+00:00"}`} {
			token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(data), Expires: expires})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := store.Load(t.Context(), token)
			if err != nil {
				t.Errorf("%v: %v", expires, err)
			} else if !rec.Expires.Equal(expires) {
				t.Errorf("expires at %v, want %v", rec.Expires, expires)
			}
		}
	}
	for _, over := range []time.Time{{}, time.Unix(-1, 0), now.Add(-time.Second), now.Add(-51 * 365 * 24 * time.Hour)} {
		token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{}`), Expires: over})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrExpired) {
			t.Errorf("%v: %v, want session.ErrExpired", over, err)
		}
	}
	token, err := store.Save(t.Context(), "", &session.Record{Data: []byte(`{}`), Expires: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := store.Load(t.Context(), token); err != nil || rec.Expires.Year() != 9999 {
		t.Errorf("the year 20000 comes back as %v, %v", rec.Expires, err)
	}
}

func TestRowsExpireWhenEitherSideSaysSo(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		s := newSite(t, openRows(t, file, django.Options{}), session.Options{})

		for name, tc := range map[string]struct {
			expiry any
			life   int
		}{
			"Django's default":         {nil, age},
			"Django's set_expiry":      {90, 90},
			"Django's set_expiry(0)":   {0, age},
			"Django's longer lifetime": {30 * day, 30 * day},
		} {
			before := time.Now()
			key := p.write(rows, `{"team":"red"}`, ask{"expiry": tc.expiry})
			s.visit(key, func(s *session.Session) {
				want := before.Add(time.Duration(tc.life) * time.Second)
				if got := s.ExpiryTime(); got.Before(want) || got.After(want.Add(5*time.Second)) {
					t.Errorf("%s: expires at %v, want %v", name, got, want)
				}
			})
		}
		if key := p.write(rows, `{"team":"red"}`, ask{"expiry": -1}); len(s.entries(key)) != 0 {
			t.Error("a session that Django has let expire is alive")
		}

		// Django goes by its own clock and expire_date.
		key := s.visit("", func(s *session.Session) { s.Set("team", "red"); s.SetExpiry(90 * time.Second) })
		if got := p.read(rows, key, ""); got.Empty || got.Age != 90.0 {
			t.Errorf("Django reads %+v", got)
		}
		short := newSite(t, openRows(t, file, django.Options{}), session.Options{Lifetime: time.Second})
		key = short.visit("", func(s *session.Session) { s.Set("team", "red") })
		var row struct{ Expires time.Time }
		p.do("raw_row", ask{"key": key}, &row)
		time.Sleep(time.Until(row.Expires) + 10*time.Millisecond)
		if got := p.read(rows, key, ""); !got.Empty {
			t.Error("Django reads a session that Go has let expire")
		}
	})
}

func TestLocalTimesInTheTableAreTakenForUTC(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file, "use_tz": false}) // at UTC+7
		s := newSite(t, openRows(t, file, django.Options{}), session.Options{})
		key := p.write(rows, `{"team":"red"}`, ask{"expiry": 3600})
		s.visit(key, func(s *session.Session) {
			if life := s.ExpiryAge(); life < 7*time.Hour || life > 9*time.Hour {
				t.Errorf("a session of an hour lives for %v", life)
			}
		})
	})
}

func TestDjangoKeepsWhatItDoesNotKnow(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		for _, engine := range []string{cookies, rows} {
			s := newSite(t, open(t, engine, secretKey, file, django.Options{}), session.Options{AbsoluteTimeout: time.Hour})
			token := s.visit("", func(s *session.Session) { s.Set("team", "red"); s.AddFlash("saved ✓") })
			// Django saves the session with another team.
			text := strings.Replace(p.read(engine, token, "").Session, "red", "blue", 1)
			token = p.write(engine, text, ask{"key": token})
			s.visit(token, func(s *session.Session) {
				if team, _ := session.Get[string](s, "team"); team != "blue" {
					t.Errorf("%s: team is %q", engine, team)
				}
				if flashes := session.Flashes[string](s); len(flashes) != 1 || flashes[0] != "saved ✓" {
					t.Errorf("%s: flashes are %q", engine, flashes)
				}
			})
			// A session that began two hours ago has just been saved at Django.
			token = p.write(engine, fmt.Sprintf(`{"team":"red","_session_start":%d}`, time.Now().Unix()-2*60*minute), nil)
			if n := len(s.entries(token)); n != 0 {
				t.Errorf("%s: %d entries after the absolute timeout", engine, n)
			}
			if got := p.read(engine, token, ""); got.Empty {
				t.Errorf("%s: Django knows of the absolute timeout", engine)
			}
		}
	})
}
