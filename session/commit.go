package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"time"
)

// cookieAction is what the response has to tell the browser.
type cookieAction int

const (
	cookieKeep cookieAction = iota
	cookieSet
	cookieDelete
)

// Save saves the session now instead of when the response begins, for handlers
// that want to see the error themselves, or that change the session of a
// response which has begun long ago, as server-sent events and WebSockets do.
// The error is the store's, [Session.Err]'s, or, after the headers have gone
// out, [ErrHeadersSent] when the client would have to learn something: a new
// token, which is not saved then, or the session's end or an expiry of its own,
// which are, while the browser's cookie stays as it is. After an error the
// changes are still there, and the middleware tries again when the response
// begins; [Session.Flush] drops them.
func (s *Session) Save(ctx context.Context) error {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if s.headerSent() {
		return s.commitLate(ctx)
	}
	return s.commit(ctx)
}

// commit makes the store hold what the session holds, and notes what the
// browser has to be told. It does not end with ctx, but after the Manager's
// CommitTimeout. It changes nothing in s when it fails, except that what was
// flushed is gone as far as it came.
func (s *Session) commit(ctx context.Context) error {
	if s.err != nil {
		s.discard() // a logout holds nevertheless
		return s.err
	}
	modified := s.modified() || s.renew && s.stored || s.endOthers
	if !modified && !s.touch && !s.m.extends {
		return nil
	}
	now := time.Now()
	if !modified && !s.extensionDue(now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.req.outside(ctx)), s.m.opts.CommitTimeout)
	defer cancel()

	if err := s.deleteFlushed(ctx); err != nil {
		return err
	}
	if s.endOthers {
		if err := s.endTheOthers(ctx); err != nil {
			return err
		}
	}
	if !s.changes.effective && !(s.renew && s.stored) {
		if s.extensionDue(now) {
			return s.extend(ctx, now)
		}
		return nil
	}
	same := 0 // reloads in a row that gave the state that the store said was changed
	for try := 1; ; try++ {
		err := s.write(ctx, now)
		if err == nil {
			if s.renew {
				s.deleteOthers(ctx)
			}
			s.settle()
			s.renew, s.touch = false, false
			return nil
		}
		if !errors.Is(err, ErrConflict) || s.m.opts.Conflict == FailOnConflict {
			return s.explain(err)
		}
		if err := backOff(ctx, try); err != nil {
			return fmt.Errorf("%w, again and again: gave up after %d tries", ErrConflict, try)
		}
		version := s.loaded.Version
		if err := s.reload(ctx); err != nil {
			return err
		}
		if s.loaded.Version != version {
			same = 0
		} else if same++; same == maxSame {
			return errStuck
		}
	}
}

// maxSame is the number of tries against one version after which a conflict is
// taken for a fault of the store. A few may happen where the state that a write
// collides with is seen by reads only a little later, as in Galera. They take
// about a tenth of a second.
const maxSame = 8

// settle notes that the store holds what the session holds.
func (s *Session) settle() {
	s.changes = changes{}
	if l := s.obj.flashes; l != nil {
		for i := range l.items {
			l.items[i].added = false
		}
	}
}

// deleteFlushed deletes the sessions that Flush ended.
func (s *Session) deleteFlushed(ctx context.Context) error {
	ended := s.endOwned(ctx)
	for len(s.flushed) > 0 {
		if token := s.flushed[0]; token != "" {
			if err := s.m.store.Delete(ctx, token); err != nil {
				return err
			}
		}
		s.flushed = s.flushed[1:]
		s.unsetCookie()
	}
	return ended
}

// deleteOthers deletes the other sessions that the request brought, so that they
// do not come up again beside one that was renewed for a login.
func (s *Session) deleteOthers(ctx context.Context) {
	for _, token := range s.others {
		if err := s.m.store.Delete(ctx, token); err != nil {
			s.m.log.LogAttrs(ctx, slog.LevelWarn, "session: another session of the request could not be deleted",
				slog.Any("err", err))
		}
	}
	s.others = nil
}

// write stores the session as it is now, or deletes the stored one if there is
// nothing left to keep.
func (s *Session) write(ctx context.Context, now time.Time) error {
	expires := s.expires(now)
	switch {
	case s.isEmpty() && !s.stored:
		return nil // a visitor without content gets no session
	case s.isEmpty():
		return s.remove(ctx)
	case !expires.After(now):
		return s.expire(ctx)
	}
	changed := s.ownerChanged()
	if changed {
		if err := s.seeToOwner(ctx); err != nil {
			return err
		}
	}
	if s.startMissing() {
		s.obj.set(startKey, fmt.Sprint(wholeSecond(now).Unix()))
	}
	data := s.obj.encode()
	if s.stored && !s.renew && bytes.Equal(data, s.loaded.Data) { // what was changed was changed back
		switch {
		case s.changes.expirySet && !expires.Equal(s.loaded.Expires):
			return s.writeExpiry(ctx, now)
		case s.extensionDue(now):
			return s.extend(ctx, now)
		}
		return nil
	}
	rec := Record{Data: data, Expires: expires, Owner: s.text(ownerKey), Label: s.text(labelKey),
		Version: s.loaded.Version}
	save := s.m.store.Save
	if s.renew && s.stored {
		save = s.m.store.Renew
	} else if s.headerSent() && s.stored {
		save = s.saveInPlace
	}
	token, err := save(ctx, s.token, &rec)
	if err != nil {
		return err
	}
	s.saved(token, rec, now)
	if changed {
		return s.limitSessions(ctx)
	}
	return nil
}

// saveInPlace is the store's Save when the client can no longer be told a new
// token.
func (s *Session) saveInPlace(ctx context.Context, token string, rec *Record) (string, error) {
	err := SaveInPlace(ctx, s.m.store, token, rec)
	if errors.Is(err, errors.ErrUnsupported) {
		err = ErrHeadersSent
	}
	return token, err
}

// startMissing reports whether the absolute timeout has still to be started.
func (s *Session) startMissing() bool {
	if s.m.opts.AbsoluteTimeout == 0 {
		return false
	}
	_, ok := s.obj.get(startKey)
	return !ok
}

// remove deletes a stored session that has become empty, unless another request
// has put something in meanwhile.
func (s *Session) remove(ctx context.Context) error {
	err := DeleteUnchanged(ctx, s.m.store, s.token, &s.loaded)
	if errors.Is(err, errors.ErrUnsupported) {
		err = s.m.store.Delete(ctx, s.token)
	}
	if err != nil && (!errors.Is(err, ErrGone) || len(s.changes.taken) > 0) {
		return err
	}
	s.forget()
	s.unsetCookie()
	return nil
}

// expire deletes a session that has expired, with all that was set in it.
func (s *Session) expire(ctx context.Context) error {
	if s.stored {
		if err := s.m.store.Delete(ctx, s.token); err != nil {
			return err
		}
	}
	s.obj.clear()
	s.forget()
	s.unsetCookie()
	return nil
}

// saved notes what the store holds now, and that the browser has to be told.
func (s *Session) saved(token string, rec Record, now time.Time) {
	s.stored, s.token, s.loaded = true, token, rec
	s.cookie, s.maxAge = cookieSet, 0
	if !s.atBrowserClose() {
		s.maxAge = int(min(max(1, rec.Expires.Sub(now)/time.Second), math.MaxInt32))
	}
	if n := len(s.m.cookie.Name) + len(token); n > MaxCookieBytes*3/4 {
		s.m.log.LogAttrs(s.req.Context, slog.LevelWarn, "session: the cookie is near the limit of browsers",
			slog.Int("bytes", n), slog.Int("limit", MaxCookieBytes))
	}
}

// unsetCookie notes that the browser must not go on having the cookie.
func (s *Session) unsetCookie() {
	s.cookie = cookieKeep
	if s.presented {
		s.cookie = cookieDelete
	}
}

// extensionDue reports whether an unchanged session's new expiry has to be
// written.
func (s *Session) extensionDue(now time.Time) bool {
	if !s.stored || s.isEmpty() {
		return false
	}
	o := &s.m.opts
	if !s.touch && !o.SaveEveryRequest && o.IdleTimeout == 0 {
		return s.startMissing()
	}
	gain := s.expires(now).Sub(s.loaded.Expires)
	switch {
	case s.startMissing():
		return true
	case s.touch, o.SaveEveryRequest:
		return gain != 0
	}
	return gain > 0 && gain >= s.renewAfter()
}

// renewAfter returns how long after it was written last an expiry is written
// again where that is not free.
func (s *Session) renewAfter() time.Duration {
	life, wait := s.life(), s.m.opts.RenewAfter
	if wait == 0 {
		wait = life / 10
	}
	return min(wait, life/2)
}

// extend writes the session's new expiry. The session itself is fine without
// it, so a failure is the application's business only if it asked for it.
func (s *Session) extend(ctx context.Context, now time.Time) error {
	asked := s.touch
	err := s.writeExpiry(ctx, now)
	s.touch = false
	switch {
	case err == nil, errors.Is(err, ErrConflict), errors.Is(err, ErrGone): // the other request has seen to it
		return nil
	case asked:
		return s.explain(err)
	}
	s.m.log.LogAttrs(ctx, slog.LevelWarn, "session: the expiry could not be extended", slog.Any("err", err))
	return nil
}

func (s *Session) writeExpiry(ctx context.Context, now time.Time) error {
	rec := s.loaded
	rec.Expires = s.expires(now)
	rec.Owner, rec.Label = s.text(ownerKey), s.text(labelKey)
	token, err := s.token, errors.ErrUnsupported
	if !s.startMissing() {
		err = Touch(ctx, s.m.store, token, &rec)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		// To extend the session means to write all of it. Where that cannot see
		// what other requests have changed meanwhile, it undoes it.
		if gain := rec.Expires.Sub(s.loaded.Expires); !s.touch && !s.changes.expirySet && !s.startMissing() &&
			gain > 0 && gain < s.renewAfter() {
			return nil
		}
		if s.startMissing() {
			s.obj.set(startKey, fmt.Sprint(wholeSecond(now).Unix()))
			rec.Data = s.obj.encode()
		}
		save := s.m.store.Save
		if s.headerSent() {
			save = s.saveInPlace
		}
		token, err = save(ctx, token, &rec)
	}
	if err != nil {
		return err
	}
	s.saved(token, rec, now)
	return nil
}

// reload takes the newer state from the store and makes this request's changes
// again.
func (s *Session) reload(ctx context.Context) error {
	rec, err := s.m.store.Load(ctx, s.token)
	if errors.Is(err, ErrNotFound) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	merge := s.m.opts.Conflict == MergeChanges
	if merge || len(s.changes.taken) > 0 {
		obj, err := parseObject(rec.Data)
		if err != nil {
			return err
		}
		if !obj.understood() {
			return ErrGone
		}
		if !s.changes.stillTrue(&obj) {
			return fmt.Errorf("%w: what this request has taken with Pop, or set with SetDefault, was changed",
				ErrConflict)
		}
		if merge {
			if err := s.changes.applyTo(&obj, s.obj.addedFlashes()); err != nil {
				return err
			}
			s.obj = obj
		}
	}
	s.loaded = *rec
	return nil
}

// backOff waits a little before the next try, longer each time and never as
// long as others that failed at the same moment.
func backOff(ctx context.Context, try int) error {
	if try == 1 {
		return ctx.Err()
	}
	t := time.NewTimer(rand.N(time.Millisecond << min(try, 5)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// explain adds to a *TooLargeError what only the session knows.
func (s *Session) explain(err error) error {
	var tooLarge *TooLargeError
	if errors.As(err, &tooLarge) {
		tooLarge.Largest = s.largest(5)
	}
	return err
}

// commitLate is commit after the header went out, when the browser can no
// longer be told anything.
func (s *Session) commitLate(ctx context.Context) error {
	err := s.tryLate(ctx)
	if err != nil {
		s.m.log.LogAttrs(s.req.Context, slog.LevelError,
			"session: a change made after the response headers were sent did not reach the client", slog.Any("err", err))
	}
	return err
}

func (s *Session) tryLate(ctx context.Context) error {
	if s.err == nil && (s.discarded || !s.stored && !s.isEmpty() || s.renew && s.stored) {
		// A new session whose token nobody learns would only fill the store,
		// and a renewed one would log the visitor out.
		s.discard()
		s.fail(ErrHeadersSent)
		return ErrHeadersSent
	}
	expiry := s.changes.expirySet
	if err := s.commit(ctx); errors.Is(err, ErrHeadersSent) {
		s.discard()
		s.fail(ErrHeadersSent)
		return err
	} else if err != nil {
		return err
	}
	deleted := s.cookie == cookieDelete
	s.cookie = cookieKeep
	if deleted || expiry {
		return ErrHeadersSent // the session is as it should be, the cookie is not
	}
	return nil
}

// discard drops the request's changes; what was flushed is deleted all the
// same.
func (s *Session) discard() {
	s.discarded = true
	if len(s.flushed) == 0 && len(s.endOwners) == 0 {
		return
	}
	s.unsetCookie()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.req.Context), s.m.opts.CommitTimeout)
	defer cancel()
	if err := s.deleteFlushed(ctx); err != nil {
		s.m.log.LogAttrs(ctx, slog.LevelError, "session: a flushed session could not be deleted", slog.Any("err", err))
	}
}

// writeCookie puts the session's cookie into h if the browser has to be told
// something.
func (s *Session) writeCookie(h http.Header) (written bool) {
	switch s.cookie {
	case cookieKeep:
		return false
	case cookieSet:
		s.m.setCookie(h, s.req.r, s.token, s.maxAge)
	case cookieDelete:
		s.m.deleteCookie(h, s.req.r)
		if s.loggedOut && s.m.clearSiteData != "" {
			h["Clear-Site-Data"] = []string{s.m.clearSiteData}
		}
	}
	s.presented = s.cookie == cookieSet
	s.cookie = cookieKeep
	return true
}
