package combined

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessionengine/session"
)

// Switch is an engine that moves sessions from an old engine to a new one, each
// when it is saved next: when it changes, or when its life is extended. New
// sessions begin in the new engine. Once the longest life of a session is over,
// the new engine can take the Switch's place. It is safe for concurrent use.
//
// A session that is too large for the new engine stays in the old one.
//
// If the old engine keeps sessions in cookies that a revocation.Store ends, wrap
// the Switch, not the engine; see the package documentation. Otherwise a logout
// leaves the cookies alive that a session had before it moved.
type Switch struct {
	from, to place
	grace    time.Duration
}

var (
	_ session.SessionStore     = (*Switch)(nil)
	_ session.InPlaceSaver     = (*Switch)(nil)
	_ session.Toucher          = (*Switch)(nil)
	_ session.UnchangedDeleter = (*Switch)(nil)
	_ session.ExpiredDeleter   = (*Switch)(nil)
	_ session.CookieNamer      = (*Switch)(nil)
)

// NewSwitch returns an engine that moves sessions from one to the other. It
// does not own them: whoever opened them closes them. To go back, exchange the
// two.
func NewSwitch(from, to session.SessionStore, opts Options) (*Switch, error) {
	if from == nil || to == nil {
		return nil, errors.New("combined: NewSwitch needs two engines")
	}
	grace, err := graceOr(opts.Grace)
	if err != nil {
		return nil, err
	}
	return &Switch{from: place{store: from, mark: "from:"}, to: place{store: to, mark: "to:"}, grace: grace}, nil
}

// ForCookie implements [session.CookieNamer].
func (s *Switch) ForCookie(name string) (session.SessionStore, error) {
	bound := *s
	var err error
	if bound.from, err = s.from.forCookie(name); err != nil {
		return nil, err
	}
	if bound.to, err = s.to.forCookie(name); err != nil {
		return nil, err
	}
	return &bound, nil
}

// Load implements [session.SessionStore].
func (s *Switch) Load(ctx context.Context, token string) (*session.Record, error) {
	return loadEither(ctx, s.to, s.from, token)
}

// Save implements [session.SessionStore].
func (s *Switch) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, token, rec, place.save, false)
}

// Renew implements [session.SessionStore].
func (s *Switch) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.save(ctx, token, rec, place.renew, true)
}

type saveFunc func(p place, ctx context.Context, token string, rec *session.Record) (string, error)

func (s *Switch) save(ctx context.Context, token string, rec *session.Record, save saveFunc, renew bool) (string, error) {
	if token == "" {
		return s.to.create(ctx, rec)
	}
	p, err := holder(ctx, s.from, s.to, token, rec)
	if err != nil {
		return "", err
	}
	if p.mark == s.to.mark {
		return save(s.to, ctx, token, rec)
	}
	// It is made in the new place first, so that nothing has happened if it
	// does not fit.
	to, err := s.to.arrive(ctx, rec)
	if tooLarge(err) {
		return save(s.from, ctx, token, rec)
	}
	if err != nil {
		return "", err
	}
	return s.from.leave(ctx, token, rec, to, leaving{s.grace, renew})
}

// SaveInPlace implements [session.InPlaceSaver]: a session that is still in the
// old engine stays there for once. It is for engines that keep sessions on the
// server.
func (s *Switch) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, s.from, s.to, token, rec)
	if err != nil {
		return err
	}
	err = p.saveInPlace(ctx, token, rec)
	if p.mark == s.from.mark && tooLarge(err) {
		return errors.ErrUnsupported // Save would move it
	}
	return err
}

// Delete implements [session.SessionStore].
func (s *Switch) Delete(ctx context.Context, token string) error {
	return deleteBoth(ctx, s.to, s.from, token)
}

// Touch implements [session.Toucher]. A session that is still in the old engine
// is saved instead, and so moves.
func (s *Switch) Touch(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, s.from, s.to, token, rec)
	if err != nil {
		return err
	}
	if p.mark == s.from.mark {
		return errors.ErrUnsupported
	}
	return p.touch(ctx, token, rec)
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (s *Switch) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, s.from, s.to, token, rec)
	if err != nil {
		return err
	}
	return p.deleteUnchanged(ctx, token, rec)
}

// DeleteExpired implements [session.ExpiredDeleter] for what the engines keep.
func (s *Switch) DeleteExpired(ctx context.Context) (int64, error) {
	return deleteExpiredBoth(ctx, s.from, s.to)
}

// String keeps the engines out of what fmt prints.
func (s *Switch) String() string {
	return fmt.Sprintf("combined.Switch(%T to %T)", s.from.store, s.to.store)
}
