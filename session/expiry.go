package session

import (
	"math"
	"strconv"
	"time"

	"sessionengine/session/internal/jsonobject"
)

// SetExpiry gives this session a life of its own instead of the Manager's: d
// from its last save, or with Options.IdleTimeout from its last request,
// rounded up to whole seconds. Each call is a change that restarts that life,
// whatever was set before, as in Django. A d that is not positive is an error that
// [Session.Err] tells; see [Session.ExpireAtBrowserClose] and [Session.Flush].
// Options.AbsoluteTimeout still holds.
func (s *Session) SetExpiry(d time.Duration) {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if d <= 0 {
		s.fail(errExpiry)
		return
	}
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	s.setExpiry(strconv.FormatInt(seconds, 10))
}

// SetExpiryTime lets this session end at t, rounded up to a whole second,
// however it is used until then. If t is past, the session is deleted with
// this response. Options.AbsoluteTimeout still holds.
func (s *Session) SetExpiryTime(t time.Time) {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	// ISO 8601 has four digits for a year. What is before 1970 has expired.
	if t = wholeSecond(t); t.Before(time.Unix(0, 0)) {
		t = time.Unix(0, 0).UTC()
	} else if t.Year() > 9999 {
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	s.setExpiry(`"` + t.Format(isoFormat) + `"`)
}

func (s *Session) setExpiry(raw string) {
	s.setRaw(expiryKey, raw)
	s.changes.expirySet = true
	s.modify()
}

// ExpireAtBrowserClose sends the cookie without a life span, so that the
// browser forgets it when it is closed. (Many browsers restore such cookies
// with the tabs.) On the server the session lives as long as the Manager's
// sessions do.
func (s *Session) ExpireAtBrowserClose() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	s.setExpiry("0")
}

// ResetExpiry goes back to the Manager's expiry.
func (s *Session) ResetExpiry() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if _, ok := s.obj.get(expiryKey); ok {
		s.changes.expirySet = true
	}
	s.deleteRaw(expiryKey)
}

// ExpiryAge returns how long the session still lives: [Session.ExpiryTime]
// from now. It is never negative.
func (s *Session) ExpiryAge() time.Duration { return max(0, time.Until(s.ExpiryTime())) }

// ExpiryTime returns when the session expires, in UTC: as it is stored, or, for
// a session that is new or modified, as saving it now would store it.
func (s *Session) ExpiryTime() time.Time {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if s.stored && !s.modified() {
		return s.loaded.Expires
	}
	return s.expires(time.Now())
}

// ExpiresAtBrowserClose reports whether the cookie is one that the browser
// forgets when it is closed.
func (s *Session) ExpiresAtBrowserClose() bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	return s.atBrowserClose()
}

// ownExpiry returns the session's own life or end, if it has one, and whether
// it says that the cookie goes when the browser closes.
func (s *Session) ownExpiry() (life time.Duration, end time.Time, atBrowserClose bool) {
	raw, ok := s.obj.get(expiryKey)
	if !ok {
		return 0, time.Time{}, false
	}
	if life, end, atBrowserClose, ok = parseExpiry(raw); !ok {
		return 0, time.Unix(0, 0), false // expired: nobody knows how short it was to be
	}
	return life, end, atBrowserClose
}

// parseExpiry reads what is under expiryKey, as Django writes it too.
func parseExpiry(raw string) (life time.Duration, end time.Time, atBrowserClose, ok bool) {
	if raw == "null" { // for Django as if it were not there
		return 0, time.Time{}, false, true
	}
	if n, err := strconv.ParseFloat(raw, 64); err == nil { // Django takes 3600.5, too
		if n == 0 {
			return 0, time.Time{}, true, true
		}
		if n < 0 {
			return 0, time.Unix(0, 0), false, true // Django: over at once
		}
		return time.Duration(math.Ceil(min(n, maxLife))) * time.Second, time.Time{}, false, true
	}
	var text string
	if jsonobject.Unmarshal(raw, &text) == nil {
		// Python's isoformat, aware or naive
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if t, err := time.Parse(layout, text); err == nil {
				return 0, t, false, true
			}
		}
	}
	return 0, time.Time{}, false, false
}

// isoFormat is RFC 3339 without the letter Z, as Python's isoformat writes a UTC
// time and as every version of its fromisoformat reads it.
const isoFormat = "2006-01-02T15:04:05-07:00"

// maxLife bounds a life in seconds, so that sums stay within time.Duration.
const maxLife = 100 * 365 * 24 * 60 * 60

// maxAhead is how far the clock of whoever created a session may be ahead.
const maxAhead = 24 * time.Hour

func (s *Session) atBrowserClose() bool {
	if raw, ok := s.obj.get(expiryKey); !ok || raw == "null" {
		return s.m.opts.ExpireAtBrowserClose
	}
	_, _, at := s.ownExpiry()
	return at
}

// life returns how long the session lives from a save, if nothing bounds it; 0
// when it ends at a fixed moment.
func (s *Session) life() time.Duration {
	life, end, _ := s.ownExpiry()
	switch {
	case !end.IsZero():
		return 0
	case life > 0:
		return life
	default:
		return s.m.life
	}
}

// expires returns the expiry that saving the session at now gives it.
func (s *Session) expires(now time.Time) time.Time {
	_, end, _ := s.ownExpiry()
	if end.IsZero() {
		end = now.Add(s.life())
	}
	if limit, ok := s.absoluteEnd(); ok && limit.Before(end) {
		end = limit
	} else if abs := s.m.opts.AbsoluteTimeout; !ok && abs > 0 && now.Add(abs).Before(end) {
		end = now.Add(abs)
	}
	return wholeSecond(end)
}

// absoluteEnd returns the moment at which the absolute timeout ends the
// session, if there is one and the session knows when it was created.
func (s *Session) absoluteEnd() (time.Time, bool) {
	abs := s.m.opts.AbsoluteTimeout
	if abs == 0 {
		return time.Time{}, false
	}
	raw, ok := s.obj.get(startKey)
	if !ok {
		return time.Time{}, false
	}
	// What cannot be read, or cannot have been, is a session created in 1970.
	start, err := strconv.ParseFloat(raw, 64)
	if err != nil || start < 0 || start > float64(time.Now().Add(maxAhead).Unix()) {
		start = 0
	}
	return time.Unix(int64(start), 0).Add(abs).UTC(), true
}

// savedAt returns when a session that was loaded was last saved or extended, as
// far as its expiry tells.
func (s *Session) savedAt() (time.Time, bool) {
	life := s.life()
	end, limited := s.absoluteEnd()
	if life == 0 || limited && !s.loaded.Expires.Before(end) {
		return time.Time{}, false
	}
	t := s.loaded.Expires.Add(-life)
	return t, t.Before(time.Now().Add(time.Minute)) // else it was saved with a longer life
}

// wholeSecond rounds up, so that a session never ends before it was asked to.
func wholeSecond(t time.Time) time.Time {
	u := t.UTC().Truncate(time.Second)
	if u.Before(t) {
		u = u.Add(time.Second)
	}
	return u
}
