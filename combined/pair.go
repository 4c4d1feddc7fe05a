package combined

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// defaultGrace is long enough for the requests of a page that are on their way.
const defaultGrace = time.Minute

// pair is what Overflow and Switch have in common: from is the place that a
// session leaves when it is saved, in an Overflow if it does not fit there, and to
// the one where it goes then.
type pair struct {
	from, to place
	toFirst  bool // Load asks it first, since most sessions are there
	grace    time.Duration
}

func newPair(from, to session.SessionStore, opts Options) (pair, error) {
	if from == nil || to == nil {
		return pair{}, errors.New("combined: two engines are needed, and one is nil")
	}
	if opts.Grace < 0 {
		return pair{}, fmt.Errorf("combined: Options.Grace is negative: %v", opts.Grace)
	}
	if opts.Grace == 0 {
		opts.Grace = defaultGrace
	}
	return pair{from: place{from, "from:"}, to: place{to, "to:"}, grace: opts.Grace}, nil
}

// forCookie returns the pair with its engines bound to the name of a cookie.
func (p pair) forCookie(name string) (pair, error) {
	var err1, err2 error
	p.from.store, err1 = session.ForCookie(p.from.store, name)
	p.to.store, err2 = session.ForCookie(p.to.store, name)
	return p, errors.Join(err1, err2)
}

// holder returns the place that a record to be saved under token came from. A
// version without a mark is not one that Load or Save gave; then from has the
// session if it knows the token.
func (p *pair) holder(ctx context.Context, token string, rec *session.Record) (place, error) {
	for _, at := range []place{p.from, p.to} {
		if strings.HasPrefix(rec.Version, at.mark) || at.retired(rec) {
			return at, nil
		}
	}
	_, err := p.from.store.Load(ctx, token)
	if errors.Is(err, session.ErrNotFound) {
		return p.to, nil
	}
	return p.from, err
}

// Load implements [session.SessionStore].
func (p *pair) Load(ctx context.Context, token string) (*session.Record, error) {
	first, second := p.from, p.to
	if p.toFirst {
		first, second = second, first
	}
	rec, err := first.load(ctx, token)
	if err == nil || !errors.Is(err, session.ErrNotFound) {
		return rec, err
	}
	rec, err2 := second.load(ctx, token)
	if err2 != nil && errors.Is(err2, session.ErrNotFound) && !errors.Is(err, session.ErrInvalidToken) {
		return nil, err // the first one knew the token, and knows better
	}
	return rec, err2
}

// SaveInPlace implements [session.InPlaceSaver] for the sessions of an engine
// that keeps them on the server. It moves none.
func (p *pair) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	at, err := p.holder(ctx, token, rec)
	if err != nil {
		return err
	}
	err = at.saveInPlace(ctx, token, rec)
	if at.mark == p.from.mark && tooLarge(err) {
		return errors.ErrUnsupported // Save would move it
	}
	return err
}

// Touch implements [session.Toucher]. A session whose old token was used is
// saved instead, and so gets a new one.
func (p *pair) Touch(ctx context.Context, token string, rec *session.Record) error {
	at, err := p.holder(ctx, token, rec)
	if err != nil {
		return err
	}
	return at.touch(ctx, token, rec)
}

// Delete implements [session.SessionStore]. It deletes the session from the
// engine that knows the token, and from where it has gone from there.
func (p *pair) Delete(ctx context.Context, token string) error {
	return errors.Join(p.from.deleteFrom(ctx, p.to, token), p.to.deleteFrom(ctx, p.from, token))
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (p *pair) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	at, err := p.holder(ctx, token, rec)
	if err != nil {
		return err
	}
	return at.deleteUnchanged(ctx, token, rec)
}

// DeleteExpired implements [session.ExpiredDeleter] for what the engines keep.
func (p *pair) DeleteExpired(ctx context.Context) (int64, error) {
	n, err := session.DeleteExpired(ctx, p.from.store)
	if err != nil {
		return n, err
	}
	m, err := session.DeleteExpired(ctx, p.to.store)
	return n + m, err
}

// route has the places in an order in which sessions move: what arrives in one
// after its turn has not left the one before until after that one's. In an
// Overflow they move in both directions.
func (p *pair) route() []place { return []place{p.to, p.from, p.to} }

// EndSessions implements [session.OwnerEnder] if both engines do.
func (p *pair) EndSessions(ctx context.Context, owner string) (int64, error) {
	if err := p.canEnd(owner); err != nil {
		return 0, err
	}
	var ended int64
	known := true
	for _, at := range p.route() {
		n, err := session.EndSessions(ctx, at.store, owner)
		if err != nil {
			return max(0, ended), err
		}
		known = known && n >= 0
		ended += n
	}
	if !known {
		return -1, nil
	}
	return ended, nil
}

// EndAllSessions implements [session.AllEnder] if both engines do.
func (p *pair) EndAllSessions(ctx context.Context) (int64, error) {
	if !p.Traits().EndsAll {
		return 0, fmt.Errorf("combined: %w: one of the engines cannot end the sessions of everybody: %w",
			session.ErrMisuse, errors.ErrUnsupported)
	}
	var ended int64
	known := true
	for _, at := range p.route() {
		n, err := session.EndAllSessions(ctx, at.store)
		if err != nil {
			return max(0, ended), err
		}
		known = known && n >= 0
		ended += n
	}
	if !known {
		return -1, nil
	}
	return ended, nil
}

// Traits implements [session.TraitsTeller]: it can what both engines can, except
// that it lists no sessions.
func (p *pair) Traits() session.Traits {
	from, _ := session.TraitsOf(p.from.store)
	to, _ := session.TraitsOf(p.to.store)
	t := from.Both(to)
	t.ListsOwners = false
	return t
}

// endOtherSessions is EndOtherSessions of an engine that saves with save.
func (p *pair) endOtherSessions(ctx context.Context, owner, token string, save saveFunc) (string, error) {
	if err := p.canEnd(owner); err != nil {
		return "", err
	}
	gone := true
	for _, at := range p.route() {
		_, err := at.store.Load(ctx, token)
		here := err == nil
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return "", err
		}
		if !here {
			if _, err := session.EndSessions(ctx, at.store, owner); err != nil {
				return "", err
			}
			continue
		}
		newToken, err := session.EndOtherSessions(ctx, at.store, owner, token)
		switch {
		case err == nil:
			token, gone = newToken, false
		case errors.Is(err, session.ErrGone):
			gone = true
		default:
			return "", err
		}
	}
	if gone {
		return "", session.ErrGone
	}
	// What a move has left behind goes on in its right place.
	rec, err := p.Load(ctx, token)
	switch {
	case errors.Is(err, session.ErrNotFound): // ended since
		return "", session.ErrGone
	case err != nil:
		return "", err
	case !retired(rec):
		return token, nil
	}
	if rec.Owner, _ = session.OwnerOf(rec.Data); rec.Owner == "" {
		rec.Owner = owner
	}
	rec.Label = session.LabelOf(rec.Data)
	return save(ctx, token, rec)
}

type saveFunc func(ctx context.Context, token string, rec *session.Record) (newToken string, err error)

// canEnd returns an error unless both engines can end the sessions of an owner.
func (p *pair) canEnd(owner string) error {
	if owner == "" {
		return session.ErrNoOwner
	}
	for _, at := range []place{p.from, p.to} {
		if _, ok := at.store.(session.OwnerEnder); !ok {
			return fmt.Errorf("combined: %w: one of the engines cannot end the sessions of an owner; "+
				"put package revocation around both: %w",
				session.ErrMisuse, errors.ErrUnsupported)
		}
	}
	return nil
}
