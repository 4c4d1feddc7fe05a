package combined

import (
	"context"
	"fmt"

	"sessionengine/session"
)

const defaultReturnBytes = 3072

// Overflow is an engine that keeps sessions in the small engine as long as they
// fit there, and in the large one otherwise. It is safe for concurrent use.
//
// What it can do for a session is what the engine can do that has it: with a
// cookie engine as the small one, a session that fits a cookie cannot be
// revoked.
type Overflow struct {
	pair        // from the small engine to the large one
	returnBytes int
}

var (
	_ session.SessionStore     = (*Overflow)(nil)
	_ session.InPlaceSaver     = (*Overflow)(nil)
	_ session.Toucher          = (*Overflow)(nil)
	_ session.UnchangedDeleter = (*Overflow)(nil)
	_ session.ExpiredDeleter   = (*Overflow)(nil)
	_ session.CookieNamer      = (*Overflow)(nil)
	_ session.OwnerEnder       = (*Overflow)(nil)
	_ session.AllEnder         = (*Overflow)(nil)
	_ session.TraitsTeller     = (*Overflow)(nil)
)

// NewOverflow returns an engine of the two: small keeps the sessions in their
// tokens, as signedcookie does, and large keeps them on the server. It does not
// own them: whoever opened them closes them.
func NewOverflow(small, large session.SessionStore, opts Options) (*Overflow, error) {
	p, err := newPair(small, large, opts)
	if err != nil {
		return nil, err
	}
	if opts.ReturnBytes == 0 {
		opts.ReturnBytes = defaultReturnBytes
	}
	return &Overflow{p, opts.ReturnBytes}, nil
}

// ForCookie implements [session.CookieNamer].
func (o *Overflow) ForCookie(name string) (session.SessionStore, error) {
	p, err := o.forCookie(name)
	if err != nil {
		return nil, err
	}
	return &Overflow{p, o.returnBytes}, nil
}

// Save implements [session.SessionStore].
func (o *Overflow) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	return o.save(ctx, token, rec, false)
}

// Renew implements [session.SessionStore].
func (o *Overflow) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return o.save(ctx, token, rec, true)
}

func (o *Overflow) save(ctx context.Context, token string, rec *session.Record, renew bool) (string, error) {
	small, large := o.from, o.to
	if token != "" {
		at, err := o.holder(ctx, token, rec)
		if err != nil {
			return "", err
		}
		if at.mark == large.mark {
			return o.saveLarge(ctx, token, rec, renew)
		}
	}
	newToken, err := small.put(ctx, token, rec, renew)
	if !tooLarge(err) {
		return newToken, err
	}
	to, err := large.arrive(ctx, rec)
	if err != nil {
		return "", err
	}
	if token != "" {
		if err := small.outgrown(ctx, token, renew); err != nil {
			return "", to.undo(ctx, err)
		}
	}
	rec.Version = to.version
	return to.token, nil
}

// saveLarge saves a session of the large engine, in the small one if it has
// become small enough.
func (o *Overflow) saveLarge(ctx context.Context, token string, rec *session.Record, renew bool) (string, error) {
	small, large := o.from, o.to
	if len(rec.Data) <= mayFit*o.returnBytes {
		to, err := small.arrive(ctx, rec)
		if err == nil && len(to.token) <= o.returnBytes {
			return large.leave(ctx, token, rec, to, leaving{o.grace, renew})
		}
	}
	return large.put(ctx, token, rec, renew)
}

// mayFit is how much longer than its token a session may be for the small
// engine to be tried. What compresses better than that is rare.
const mayFit = 8

// EndOtherSessions implements [session.OwnerEnder] if both engines do.
func (o *Overflow) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	return o.endOtherSessions(ctx, owner, token, o.Save)
}

// String keeps the engines out of what fmt prints.
func (o *Overflow) String() string {
	return fmt.Sprintf("combined.Overflow(%T, %T)", o.from.store, o.to.store)
}
