package combined

import (
	"context"
	"errors"
	"fmt"

	"sessionengine/session"
)

// Switch is an engine that moves sessions from an old engine to a new one, each
// when it is saved next: when it changes, or when its life is extended. New
// sessions begin in the new engine. Once the longest life of a session has passed,
// the new engine can take the Switch's place. It is safe for concurrent use.
//
// A session that is too large for the new engine stays in the old one.
//
// If the old engine keeps sessions in cookies that a revocation.Store ends, wrap
// the Switch, not the engine; see the package documentation. Otherwise a logout
// leaves the cookies alive that a session had before it moved.
type Switch struct{ pair }

var (
	_ session.SessionStore     = (*Switch)(nil)
	_ session.InPlaceSaver     = (*Switch)(nil)
	_ session.Toucher          = (*Switch)(nil)
	_ session.UnchangedDeleter = (*Switch)(nil)
	_ session.ExpiredDeleter   = (*Switch)(nil)
	_ session.CookieNamer      = (*Switch)(nil)
	_ session.OwnerEnder       = (*Switch)(nil)
	_ session.AllEnder         = (*Switch)(nil)
	_ session.TraitsTeller     = (*Switch)(nil)
)

// NewSwitch returns an engine that moves sessions from one to the other. It
// does not own them: whoever opened them closes them. To go back, exchange the
// two.
func NewSwitch(from, to session.SessionStore, opts Options) (*Switch, error) {
	p, err := newPair(from, to, opts)
	if err != nil {
		return nil, err
	}
	p.toFirst = true
	return &Switch{p}, nil
}

// ForCookie implements [session.CookieNamer].
func (s *Switch) ForCookie(name string) (session.SessionStore, error) {
	p, err := s.forCookie(name)
	if err != nil {
		return nil, err
	}
	return &Switch{p}, nil
}

// Save implements [session.SessionStore].
func (s *Switch) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, token, rec, false)
}

// Renew implements [session.SessionStore].
func (s *Switch) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, token, rec, true)
}

func (s *Switch) save(ctx context.Context, token string, rec *session.Record, renew bool) (string, error) {
	if token == "" {
		return s.to.create(ctx, rec)
	}
	at, err := s.holder(ctx, token, rec)
	if err != nil {
		return "", err
	}
	if at.mark == s.to.mark {
		return s.to.put(ctx, token, rec, renew)
	}
	// It is made in the new place first, so that nothing has happened if it
	// does not fit.
	to, err := s.to.arrive(ctx, rec)
	if tooLarge(err) {
		return s.from.put(ctx, token, rec, renew)
	}
	if err != nil {
		return "", err
	}
	return s.from.leave(ctx, token, rec, to, leaving{s.grace, renew})
}

// Touch implements [session.Toucher]. A session that is still in the old engine
// is saved instead, and so moves.
func (s *Switch) Touch(ctx context.Context, token string, rec *session.Record) error {
	at, err := s.holder(ctx, token, rec)
	if err == nil && at.mark == s.from.mark {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return err
	}
	return at.touch(ctx, token, rec)
}

// EndOtherSessions implements [session.OwnerEnder] if both engines do.
func (s *Switch) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	return s.endOtherSessions(ctx, owner, token, s.Save)
}

// String keeps the engines out of what fmt prints.
func (s *Switch) String() string {
	return fmt.Sprintf("combined.Switch(%T to %T)", s.from.store, s.to.store)
}
