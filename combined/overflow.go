package combined

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessionengine/session"
)

// Options set up an [Overflow] or a [Switch]. The zero value is a good start.
type Options struct {
	// Grace is how long the old token of a session that has moved out of an
	// engine with rows still loads it, for the requests that were on their way;
	// 0 means a minute.
	Grace time.Duration

	// ReturnBytes, for an Overflow, is the length of a token in the small
	// engine up to which a session moves back there; 0 means 3072, three
	// quarters of what browsers take. It should be well below the small
	// engine's limit, so that a session does not move to and fro. Negative
	// means that sessions stay in the large engine once they are there.
	ReturnBytes int
}

const defaultReturnBytes = 3072

// Overflow is an engine that keeps sessions in the small engine as long as they
// fit there, and in the large one otherwise. It is safe for concurrent use.
//
// What it can do for a session is what the engine can do that has it: with a
// cookie engine as the small one, a session that fits a cookie cannot be
// revoked.
type Overflow struct {
	small, large place
	grace        time.Duration
	returnBytes  int
}

var (
	_ session.SessionStore     = (*Overflow)(nil)
	_ session.InPlaceSaver     = (*Overflow)(nil)
	_ session.Toucher          = (*Overflow)(nil)
	_ session.UnchangedDeleter = (*Overflow)(nil)
	_ session.ExpiredDeleter   = (*Overflow)(nil)
	_ session.CookieNamer      = (*Overflow)(nil)
)

// NewOverflow returns an engine of the two: small keeps the sessions in their
// tokens, as signedcookie does, and large keeps them on the server. It does not
// own them: whoever opened them closes them.
func NewOverflow(small, large session.SessionStore, opts Options) (*Overflow, error) {
	if small == nil || large == nil {
		return nil, errors.New("combined: NewOverflow needs two engines")
	}
	grace, err := graceOr(opts.Grace)
	if err != nil {
		return nil, err
	}
	if opts.ReturnBytes == 0 {
		opts.ReturnBytes = defaultReturnBytes
	}
	return &Overflow{small: place{store: small, mark: "small:"}, large: place{store: large, mark: "large:"}, grace: grace, returnBytes: opts.ReturnBytes}, nil
}

// ForCookie implements [session.CookieNamer].
func (o *Overflow) ForCookie(name string) (session.SessionStore, error) {
	bound := *o
	var err error
	if bound.small, err = o.small.forCookie(name); err != nil {
		return nil, err
	}
	if bound.large, err = o.large.forCookie(name); err != nil {
		return nil, err
	}
	return &bound, nil
}

// Load implements [session.SessionStore].
func (o *Overflow) Load(ctx context.Context, token string) (*session.Record, error) {
	return loadEither(ctx, o.small, o.large, token)
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
	if token != "" {
		p, err := holder(ctx, o.small, o.large, token, rec)
		if err != nil {
			return "", err
		}
		if p.mark == o.large.mark {
			return o.saveLarge(ctx, token, rec, renew)
		}
	}
	save := o.small.save
	if renew {
		save = o.small.renew
	}
	newToken, err := save(ctx, token, rec)
	if !tooLarge(err) {
		return newToken, err
	}
	if newToken, err = o.large.create(ctx, rec); err != nil {
		return "", err
	}
	if renew {
		err = o.small.store.Delete(ctx, token)
	}
	return newToken, err
}

// saveLarge saves a session of the large engine, in the small one if it has
// become small enough.
func (o *Overflow) saveLarge(ctx context.Context, token string, rec *session.Record, renew bool) (string, error) {
	if len(rec.Data) <= mayFit*o.returnBytes {
		to, err := o.small.arrive(ctx, rec)
		if err == nil && len(to.token) <= o.returnBytes {
			return o.large.leave(ctx, token, rec, to, leaving{o.grace, renew})
		}
	}
	if renew {
		return o.large.renew(ctx, token, rec)
	}
	return o.large.save(ctx, token, rec)
}

// mayFit is how much longer than its token a session may be for the small
// engine to be tried. What compresses better than that is rare.
const mayFit = 8

// SaveInPlace implements [session.InPlaceSaver] for the sessions of an engine
// that keeps them on the server.
func (o *Overflow) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, o.small, o.large, token, rec)
	if err != nil {
		return err
	}
	err = p.saveInPlace(ctx, token, rec)
	if p.mark == o.small.mark && tooLarge(err) {
		return errors.ErrUnsupported // Save would move it
	}
	return err
}

// Delete implements [session.SessionStore].
func (o *Overflow) Delete(ctx context.Context, token string) error {
	return deleteBoth(ctx, o.small, o.large, token)
}

// Touch implements [session.Toucher]. A session whose old token was used is
// saved instead, and so gets a new one.
func (o *Overflow) Touch(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, o.small, o.large, token, rec)
	if err != nil {
		return err
	}
	return p.touch(ctx, token, rec)
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (o *Overflow) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	p, err := holder(ctx, o.small, o.large, token, rec)
	if err != nil {
		return err
	}
	return p.deleteUnchanged(ctx, token, rec)
}

// DeleteExpired implements [session.ExpiredDeleter] for what the engines keep.
func (o *Overflow) DeleteExpired(ctx context.Context) (int64, error) {
	return deleteExpiredBoth(ctx, o.small, o.large)
}

func deleteExpiredBoth(ctx context.Context, a, b place) (int64, error) {
	n, err := session.DeleteExpired(ctx, a.store)
	if err != nil {
		return n, err
	}
	m, err := session.DeleteExpired(ctx, b.store)
	return n + m, err
}

// String keeps the engines out of what fmt prints.
func (o *Overflow) String() string {
	return fmt.Sprintf("combined.Overflow(%T, %T)", o.small.store, o.large.store)
}
