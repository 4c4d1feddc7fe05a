package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrNoOwner says that the sessions of an owner were asked for without saying
// whose: an owner is never empty. It matches [ErrMisuse].
var ErrNoOwner = fmt.Errorf("%w: the owner is empty; give each session its owner at login with SetOwner", ErrMisuse)

// OwnerEnder is implemented by engines that can end all sessions of an owner,
// see [Session.SetOwner]. What they end is dead when they return nil, for every
// process of the site, whatever its holder does meanwhile: neither changing nor
// renewing a session saves it, nor ending the others with it. Which sessions are
// ended is not decided by clocks. A session that begins while they run may stay.
//
// After an error some of the sessions may live; the same call may be made again.
//
// Handlers call [Manager.EndSessions], [Session.FlushAll] and
// [Session.EndOthers], which work with any engine that can.
type OwnerEnder interface {
	// EndSessions ends the sessions of the owner that have begun before, and
	// returns their number, or -1 if the engine does not know it. An empty owner
	// gives [ErrNoOwner].
	EndSessions(ctx context.Context, owner string) (ended int64, err error)

	// EndOtherSessions is EndSessions for all but the session that token stands
	// for, which goes on as newToken, as it is stored, in one step: token, with
	// all copies of it, is dead, and so is what another request made of them.
	//
	// If token stands for no session any more, since it was ended or renewed
	// meanwhile, or somebody else ends the owner's sessions at this moment, they
	// are all ended, this one included, and the error matches [ErrGone]. So of
	// two calls at once one may end what the other has kept.
	//
	// After any other error, token may be dead as well: nobody has the new one.
	// Called again it then gives [ErrGone], and leaves no session.
	EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error)
}

// OwnerLister is implemented by engines that can also list the sessions of an
// owner, and end one of them.
type OwnerLister interface {
	// Sessions returns living sessions of the owner, the one created last first.
	// A page has up to limit of them; a limit that is not positive, or above
	// [MaxSessions], stands for that. after is empty for the first page, and for
	// others the next that the page before came with; next is empty if there are
	// no more. The session that token stands for is marked as the Current one, if
	// it is among them; token may be empty, or anything that a client has sent.
	Sessions(ctx context.Context, owner, token, after string, limit int) (page []SessionInfo, next string, err error)

	// EndSession ends one of the owner's sessions, also if it was renewed since
	// it was listed. That there is no such session, or that it is somebody
	// else's, is no error.
	EndSession(ctx context.Context, owner, id string) error
}

// MaxSessions is how many sessions a page of [OwnerLister].Sessions has at most.
const MaxSessions = 1000

// SessionInfo describes one session of an owner.
type SessionInfo struct {
	// ID names the session to EndSession. It is no secret and no token, and
	// stays the same when the session is renewed.
	ID string

	Owner, Label string    // as given to [Session.SetOwner] and [Session.SetLabel]
	Created      time.Time // when the owner was first noted
	LastSeen     time.Time // when the session was last saved or extended
	Expires      time.Time

	// Current says that it is the session that the list was asked for with: for
	// [Manager.Sessions], the one of the request.
	Current bool
}

// EndSessions calls the method of an engine that is an [OwnerEnder]. For any
// other the error matches [errors.ErrUnsupported].
func EndSessions(ctx context.Context, store SessionStore, owner string) (ended int64, err error) {
	if owner == "" {
		return 0, ErrNoOwner
	}
	if e, ok := store.(OwnerEnder); ok {
		return e.EndSessions(ctx, owner)
	}
	return 0, unsupported("end the sessions of an owner; dbstore can with Options.Owners, and others in package revocation")
}

// EndOtherSessions calls the method of an engine that is an [OwnerEnder]. For
// any other the error matches [errors.ErrUnsupported].
func EndOtherSessions(ctx context.Context, store SessionStore, owner, token string) (newToken string, err error) {
	if owner == "" {
		return "", ErrNoOwner
	}
	if e, ok := store.(OwnerEnder); ok {
		return e.EndOtherSessions(ctx, owner, token)
	}
	return "", unsupported(
		"end the other sessions of an owner; dbstore can with Options.Owners, and others in package revocation")
}

// Sessions calls the method of an engine that is an [OwnerLister]. For any other
// the error matches [errors.ErrUnsupported].
func Sessions(ctx context.Context, store SessionStore, owner, token, after string,
	limit int) (page []SessionInfo, next string, err error) {
	if owner == "" {
		return nil, "", ErrNoOwner
	}
	if l, ok := store.(OwnerLister); ok {
		return l.Sessions(ctx, owner, token, after, limit)
	}
	return nil, "", unsupported("list the sessions of an owner; dbstore can with Options.Owners")
}

// EndSession calls the method of an engine that is an [OwnerLister]. For any
// other the error matches [errors.ErrUnsupported].
func EndSession(ctx context.Context, store SessionStore, owner, id string) error {
	if owner == "" {
		return ErrNoOwner
	}
	if l, ok := store.(OwnerLister); ok {
		return l.EndSession(ctx, owner, id)
	}
	return unsupported("end one session of an owner; dbstore can with Options.Owners")
}

// unsupported is a mistake in the set-up of a site: its engine cannot do what it
// asks for.
func unsupported(what string) error {
	return fmt.Errorf("%w: the engine cannot %s: %w", ErrMisuse, what, errors.ErrUnsupported)
}

// OwnerOf returns the owner that a serialized session names, "" if it names
// none, and false if data is no session. Engines read the owner with it, so that
// no two parts of a site take one session for those of two people.
func OwnerOf(data []byte) (owner string, ok bool) {
	return textOf(data, ownerKey)
}

// LabelOf returns the label that a serialized session has, or "". An engine that
// saves a session which it has loaded itself takes it for Record.Label.
func LabelOf(data []byte) string {
	label, _ := textOf(data, labelKey)
	return label
}

func textOf(data []byte, key string) (text string, ok bool) {
	obj, err := parseObject(data)
	if err != nil {
		return "", false
	}
	s := Session{obj: obj}
	return s.text(key), true
}

// EndSessions ends all sessions of an owner at once, when an account is closed
// for example, and returns their number, or -1 if the engine does not know it.
// See [OwnerEnder] for what it promises; with an engine that cannot, the error
// matches [errors.ErrUnsupported].
func (m *Manager) EndSessions(ctx context.Context, owner string) (ended int64, err error) {
	return EndSessions(outsideOf(ctx), m.store, owner)
}

// Sessions lists the sessions of an owner, for a page that shows them, as
// [OwnerLister] describes. Given the context of a request that has loaded its
// session, it marks that one as [SessionInfo].Current, so that the page can say
// "this device".
func (m *Manager) Sessions(ctx context.Context, owner, after string,
	limit int) (page []SessionInfo, next string, err error) {
	token := ""
	if req, err := m.request(ctx); err == nil {
		req.mu.Lock()
		if req.session != nil {
			token = req.session.token
		}
		req.mu.Unlock()
	}
	return Sessions(outsideOf(ctx), m.store, owner, token, after, limit)
}

// EndSession ends one of an owner's sessions, as [OwnerLister] describes.
func (m *Manager) EndSession(ctx context.Context, owner, id string) error {
	return EndSession(outsideOf(ctx), m.store, owner, id)
}

// outsideOf returns ctx without the request that it may be derived from.
func outsideOf(ctx context.Context) context.Context {
	if req, ok := ctx.Value(requestKey{}).(*request); ok {
		return req.outside(ctx)
	}
	return ctx
}

// EndOthers ends all other sessions of this session's owner when this one is
// saved, and renews it ([Session.Renew]), both in one step: for "log out my
// other devices", and for when a password is changed. Copies of this session's
// cookie end too, also if one of them is renewed before. Should this session
// have been ended or renewed by another request when it is saved, all of the
// owner's are ended, and the visitor has to sign in again ([ErrGone]).
//
// It needs an engine that is an [OwnerEnder], and an owner, at the latest when
// the session is saved; otherwise the request fails with an error that matches
// [ErrMisuse].
func (s *Session) EndOthers() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	s.renew, s.endOthers = true, true
	s.changed()
}

// FlushAll is [Session.Flush] for all sessions of this session's owner: "log out
// everywhere". It needs an engine that is an [OwnerEnder], and an owner; without
// one, or with another engine, the request fails with an error that matches
// [ErrMisuse], and this session ends nevertheless.
func (s *Session) FlushAll() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	owner := s.text(ownerKey)
	if owner == "" {
		s.fail(ErrNoOwner)
	} else {
		s.endOwners = append(s.endOwners, owner)
	}
	s.flush()
}

// endOwned ends the sessions that FlushAll is to end.
func (s *Session) endOwned(ctx context.Context) error {
	for len(s.endOwners) > 0 {
		if _, err := EndSessions(ctx, s.m.store, s.endOwners[0]); err != nil {
			return err
		}
		s.endOwners = s.endOwners[1:]
	}
	return nil
}

// endTheOthers is what EndOthers puts off until the session is saved. From then
// on the session is to be found under its new token only, as it was stored, so
// the browser is told even if its changes cannot be saved afterwards.
func (s *Session) endTheOthers(ctx context.Context) error {
	owner := s.text(ownerKey)
	if owner == "" {
		return ErrNoOwner
	}
	if !s.stored {
		_, err := EndSessions(ctx, s.m.store, owner)
		s.endOthers = err != nil
		return err
	}
	newToken, err := EndOtherSessions(ctx, s.m.store, owner, s.token)
	if err != nil {
		return err
	}
	s.token, s.endOthers, s.renew = newToken, false, false
	s.touch = true // another request may have left it with a minute to live: see package combined
	s.deleteOthers(ctx)
	s.cookie, s.maxAge = cookieSet, 0
	if !s.atBrowserClose() {
		s.maxAge = int(min(max(1, time.Until(s.loaded.Expires)/time.Second), math.MaxInt32))
	}
	// Its version may be another one, and it may have been changed meanwhile.
	before := s.loaded.Data
	if err := s.reload(ctx); err != nil {
		return err
	}
	if s.m.opts.Conflict == FailOnConflict && !bytes.Equal(s.loaded.Data, before) {
		return ErrConflict
	}
	return nil
}
