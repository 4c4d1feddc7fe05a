package combined

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sessionengine/session"
)

// place is one of the two engines. In a combined engine the versions of its
// records bear its mark, so that Save knows where a record came from.
type place struct {
	store session.SessionStore
	mark  string
}

// forCookie binds the engine to the name of a cookie.
func (p place) forCookie(name string) (place, error) {
	if named, ok := p.store.(session.CookieNamer); ok {
		store, err := named.ForCookie(name)
		if err != nil {
			return place{}, err
		}
		p.store = store
	}
	return p, nil
}

// holder returns the place that a record to be saved under token came from. A
// version without a mark is not one that Load or Save gave; then a has the
// session if it knows the token.
func holder(ctx context.Context, a, b place, token string, rec *session.Record) (place, error) {
	switch {
	case strings.HasPrefix(rec.Version, a.mark):
		return a, nil
	case strings.HasPrefix(rec.Version, b.mark):
		return b, nil
	}
	_, err := a.store.Load(ctx, token)
	if errors.Is(err, session.ErrNotFound) {
		return b, nil
	}
	return a, err
}

// do calls f with a record that has the engine's own version.
func (p place) do(rec *session.Record, f func(own *session.Record) error) error {
	own := *rec
	own.Version = strings.TrimPrefix(rec.Version, p.mark)
	err := f(&own)
	if err == nil {
		rec.Version = p.mark + own.Version
	}
	return err
}

func (p place) load(ctx context.Context, token string) (*session.Record, error) {
	rec, err := p.store.Load(ctx, token)
	if err == nil {
		rec.Version = p.mark + rec.Version
	}
	return rec, err
}

func (p place) save(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	err = p.do(rec, func(own *session.Record) error {
		newToken, err = p.store.Save(ctx, token, own)
		return err
	})
	return newToken, err
}

func (p place) renew(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	err = p.do(rec, func(own *session.Record) error {
		newToken, err = p.store.Renew(ctx, token, own)
		return err
	})
	return newToken, err
}

func (p place) touch(ctx context.Context, token string, rec *session.Record) error {
	t, ok := p.store.(session.Toucher)
	if !ok {
		return errors.ErrUnsupported
	}
	return p.do(rec, func(own *session.Record) error { return t.Touch(ctx, token, own) })
}

func (p place) deleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	d, ok := p.store.(session.UnchangedDeleter)
	if !ok {
		return errors.ErrUnsupported
	}
	return p.do(rec, func(own *session.Record) error { return d.DeleteUnchanged(ctx, token, own) })
}

func (p place) deleteExpired(ctx context.Context) (int64, error) {
	if d, ok := p.store.(session.ExpiredDeleter); ok {
		return d.DeleteExpired(ctx)
	}
	return 0, nil
}

// create begins the session anew in p. On success rec is p's.
func (p place) create(ctx context.Context, rec *session.Record) (string, error) {
	own := *rec
	own.Version = ""
	token, err := p.store.Save(ctx, "", &own)
	if err == nil {
		rec.Version = p.mark + own.Version
	}
	return token, err
}

// leave lets a session that is in another place now go from this one, on the
// condition that nobody has changed it. A renewed session must not be reachable
// by its old token; another one stays reachable for the time of grace.
func (p place) leave(ctx context.Context, token string, rec *session.Record, grace time.Duration, renewed bool) error {
	if renewed {
		return p.end(ctx, token, rec)
	}
	return p.retire(ctx, token, rec, grace)
}

// retire leaves the session as rec has it, but only for the time of grace.
func (p place) retire(ctx context.Context, token string, rec *session.Record, grace time.Duration) error {
	last := *rec
	if end := time.Now().Add(grace); end.Before(last.Expires) {
		last.Expires = end
	}
	_, err := p.save(ctx, token, &last)
	return err
}

// end deletes the session, unless somebody has changed it.
func (p place) end(ctx context.Context, token string, rec *session.Record) error {
	err := p.deleteUnchanged(ctx, token, rec)
	if errors.Is(err, errors.ErrUnsupported) {
		return p.store.Delete(ctx, token)
	}
	return err
}

// loadEither loads from the place that knows the token.
func loadEither(ctx context.Context, first, second place, token string) (*session.Record, error) {
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

// deleteBoth deletes the session from the place that knows the token.
func deleteBoth(ctx context.Context, a, b place, token string) error {
	return errors.Join(a.store.Delete(ctx, token), b.store.Delete(ctx, token))
}

func tooLarge(err error) bool {
	var t *session.TooLargeError
	return errors.As(err, &t)
}

// defaultGrace is long enough for the requests of a page that are on their way.
const defaultGrace = time.Minute

func graceOr(d time.Duration) (time.Duration, error) {
	if d < 0 {
		return 0, fmt.Errorf("combined: Options.Grace is negative: %v", d)
	}
	if d == 0 {
		d = defaultGrace
	}
	return d, nil
}
