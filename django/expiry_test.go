package django_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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
			{"a time that is later than the cookie's end", iso(now.Add(30 * day * time.Second)), age, age},
			{"false", "false", age, age},
			{"a name written with escapes", `60,"x":1,"_session_expir\u0079":3600`, 60 * minute, age},
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

func TestAnExpiryThatCannotBeReadHasPassed(t *testing.T) {
	store := newCookieStore(t, django.Options{})
	for _, raw := range []string{`"soon"`, `true`, `[1]`, `{"a":1}`, `"2026-13-01T00:00:00+00:00"`,
		`"1999-01-01T00:00:00+06:53:28"`, `-1`} {
		body := base64.RawURLEncoding.EncodeToString([]byte(`{"a":1,"_session_expiry":` + raw + `}`))
		_, err := store.Load(t.Context(), django.SignCookie(secretKey, body, base62Now()))
		if !errors.Is(err, session.ErrExpired) {
			t.Errorf("%s: %v, want session.ErrExpired", raw, err)
		}
	}
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
			{name: "a shorter lifetime than SESSION_COOKIE_AGE", opts: session.Options{Lifetime: time.Hour},
				life: 60 * minute},
			{name: "a longer lifetime", opts: session.Options{Lifetime: 30 * 24 * time.Hour}, life: 30 * day},
			{name: "an idle timeout", opts: session.Options{IdleTimeout: time.Hour}, life: 60 * minute},
			{name: "an absolute timeout", opts: session.Options{AbsoluteTimeout: time.Hour}, life: 60 * minute},
			{name: "a session's own shorter life", do: func(s *session.Session) { s.SetExpiry(time.Hour) },
				life: 60 * minute},
			{name: "a session's own longer life", do: func(s *session.Session) { s.SetExpiry(30 * 24 * time.Hour) },
				life: 30 * day},
			{name: "the end of the browser", do: func(s *session.Session) { s.ExpireAtBrowserClose() }, life: age,
				close: true},
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
		for _, data := range []string{`{}`, `{"_session_expiry":1}`,
			`{"_session_expiry":"2001-01-01T00:00:00+00:00"}`} {
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
	token, err := store.Save(t.Context(), "",
		&session.Record{Data: []byte(`{}`), Expires: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)})
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

// TestASiteWithoutUSE_TZ has local times in its table and in its sessions.
func TestASiteWithoutUSE_TZ(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		for _, name := range []string{"America/New_York", "Asia/Ho_Chi_Minh"} { // west and east of UTC
			if engine == cookies && name != "America/New_York" {
				continue // only a table holds more local times than sessions do
			}
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			file := databaseFile(t, d)
			p := newPeer(t, d, ask{"database": file, "use_tz": false, "time_zone": name})
			testSiteWithoutUSE_TZ(t, p, name, engine, open(t, engine, secretKey, file, django.Options{TimeZone: zone}))
		}
	})
}

func testSiteWithoutUSE_TZ(t *testing.T, p *peer, name, engine string, store session.SessionStore) {
	t.Helper()
	s := newSite(t, store, session.Options{})
	near := func(what string, life, want time.Duration) {
		t.Helper()
		if life < want-time.Minute || life > want+time.Minute {
			t.Errorf("%s: %s: lives for %v, want %v", name, what, life, want)
		}
	}
	// The age that Django knows after it has saved the session again.
	atDjango := func(what, token string, want time.Duration) (newToken string) {
		t.Helper()
		var answer struct {
			Key string
			Age float64
		}
		if exception := p.try("save_again", ask{"engine": engine, "key": token}, &answer); exception != "" {
			t.Errorf("%s: %s: Django: %s", name, what, exception)
		}
		near(what+", at Django", time.Duration(answer.Age)*time.Second, want)
		return answer.Key
	}

	token := p.write(engine, `{"team":"red"}`, ask{"expiry": 3600})
	s.visit(token, func(s *session.Session) { near("Django's hour", s.ExpiryAge(), time.Hour) })
	token = s.visit("", func(s *session.Session) { s.Set("team", "red"); s.SetExpiry(time.Hour) })
	token = atDjango("Go's hour", token, time.Hour)
	s.visit(token, func(s *session.Session) { near("Go's hour, saved by Django", s.ExpiryAge(), time.Hour) })
	if engine == rows {
		short := newSite(t, store, session.Options{Lifetime: time.Second})
		token := short.visit("", func(s *session.Session) { s.Set("team", "red") })
		if got := p.read(rows, token, ""); got.Empty {
			t.Errorf("%s: Django does not read a session of a second", name)
		}
		time.Sleep(2100 * time.Millisecond) // expiries are rounded up to whole seconds
		if got := p.read(rows, token, ""); !got.Empty {
			t.Errorf("%s: Django reads a session that Go has let expire", name)
		}
		if n, err := store.(session.ExpiredDeleter).DeleteExpired(t.Context()); n != 1 || err != nil {
			t.Errorf("%s: %d rows are cleaned up, %v; want 1", name, n, err)
		}
	}

	// Times in the session itself.
	if strings.HasPrefix(p.version, "3.") {
		return // it cannot write any
	}
	token = p.write(engine, `{"team":"red"}`, ask{"end_in": 3600})
	token = s.visit(token, func(s *session.Session) {
		near("Django's timedelta", s.ExpiryAge(), time.Hour)
		s.Set("n", 1)
	})
	s.visit(token, func(s *session.Session) { near("Django's timedelta, saved by Go", s.ExpiryAge(), time.Hour) })
	token = atDjango("Django's timedelta, saved by Go", token, time.Hour)
	s.visit(token, func(s *session.Session) { near("Django's timedelta, saved by both", s.ExpiryAge(), time.Hour) })
	token = s.visit("", func(s *session.Session) { s.Set("team", "red"); s.SetExpiryTime(time.Now().Add(time.Hour)) })
	token = atDjango("SetExpiryTime", token, time.Hour)
	s.visit(token, func(s *session.Session) { near("SetExpiryTime, saved by Django", s.ExpiryAge(), time.Hour) })
	token = p.write(engine, `{"team":"red"}`, ask{"end_in": -60})
	if len(s.entries(token)) != 0 {
		t.Errorf("%s: a session that Django has let expire is alive", name)
	}
}

func TestALocalTimeWithoutItsZoneIsAMistakeOfTheSetUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, d testserver.Django, engine string) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file, "use_tz": false, "time_zone": "America/New_York"})
		if strings.HasPrefix(p.version, "3.") {
			t.Skip("Django 3.2 keeps no times in sessions")
		}
		// Hours enough for a row of New York's to be alive where it is taken for UTC.
		token := p.write(engine, `{"team":"red"}`, ask{"end_in": 24 * 60 * minute})
		_, err := open(t, engine, secretKey, file, django.Options{}).Load(t.Context(), token)
		if !errors.Is(err, session.ErrMisuse) || errors.Is(err, session.ErrNotFound) ||
			!strings.Contains(err.Error(), "TimeZone") {
			t.Errorf("%v, want session.ErrMisuse and what to do", err)
		}
		if status := session.ErrorStatus(err); status != 500 {
			t.Errorf("it is answered with %d", status)
		}
	})
}

func TestTheSessionsOwnEndInATimeZone(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("", 14*3600)
	for _, tc := range []struct {
		zone           *time.Location
		golang, django string
		same           bool // Go reads what it has written
	}{
		{newYork, `{"_session_expiry":"2026-01-02T03:04:05+00:00"}`, `{"_session_expiry":"2026-01-01T22:04:05"}`, true},
		{newYork, `{"a":{"_session_expiry":"2026-01-02T03:04:05+00:00"}}`,
			`{"a":{"_session_expiry":"2026-01-02T03:04:05+00:00"}}`, true},
		{newYork, `{"é":"\\", "_session_expiry" : "2026-07-02T03:04:05.000006+00:00", "b":1}`,
			`{"\u00e9":"\\", "_session_expiry" : "2026-07-01T23:04:05.000006", "b":1}`, true},
		{newYork, `{"_session_expiry":1,"_session_expiry":"2026-01-02T03:04:05+00:00"}`,
			`{"_session_expiry":1,"_session_expiry":"2026-01-01T22:04:05"}`, true},
		{newYork, `{"\u005fsession_expiry":"2026-01-02T03:04:05+00:00"}`,
			`{"\u005fsession_expiry":"2026-01-01T22:04:05"}`, true},
		{newYork, `{"_session_expiry":"soon","_SESSION_EXPIRY":"2026-01-02T03:04:05+00:00"}`,
			`{"_session_expiry":"soon","_SESSION_EXPIRY":"2026-01-02T03:04:05+00:00"}`, true},
		{newYork, `{"_session_expiry":3600}`, `{"_session_expiry":3600}`, true},
		{newYork, `{"_session_expiry":"2026-01-02T10:04:05+07:00"}`, `{"_session_expiry":"2026-01-01T22:04:05"}`,
			false},
		{east, `{"_session_expiry":"9999-12-31T23:59:59+00:00"}`, `{"_session_expiry":"9999-12-31T23:59:59"}`, false},
		{nil, `{"_session_expiry":"2026-01-02T03:04:05+00:00"}`, `{"_session_expiry":"2026-01-02T03:04:05+00:00"}`,
			true},
	} {
		opts, err := django.Rows(secretKey, django.Options{TimeZone: tc.zone})
		if err != nil {
			t.Fatal(err)
		}
		row, err := opts.Encoding.Encode([]byte(tc.golang))
		if err != nil {
			t.Fatal(err)
		}
		if got := signedText(t, row); got != tc.django {
			t.Errorf("%s is written as %s, want %s", tc.golang, got, tc.django)
		}
		if back, err := opts.Encoding.Decode(row); err != nil || tc.same && string(back) != tc.golang {
			t.Errorf("%s is read again as %s, %v", tc.golang, back, err)
		}
	}
}

// signedText returns what was signed, if it is not compressed.
func signedText(t *testing.T, signed string) string {
	t.Helper()
	body, _, _ := strings.Cut(signed, ":")
	if body, compressed := strings.CutPrefix(body, "."); compressed {
		b, err := base64.RawURLEncoding.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDjangoKeepsWhatItDoesNotKnow(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		for _, engine := range []string{cookies, rows} {
			s := newSite(t, open(t, engine, secretKey, file, django.Options{}),
				session.Options{AbsoluteTimeout: time.Hour})
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
			token = p.write(engine, fmt.Sprintf(`{"team":"red","_session_start":%d}`, time.Now().Unix()-2*60*minute),
				nil)
			if n := len(s.entries(token)); n != 0 {
				t.Errorf("%s: %d entries after the absolute timeout", engine, n)
			}
			if got := p.read(engine, token, ""); got.Empty {
				t.Errorf("%s: Django knows of the absolute timeout", engine)
			}
		}
	})
}
