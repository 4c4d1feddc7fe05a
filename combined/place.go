package combined

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sessionengine/session"
)

// place is one of the two engines. In a combined engine the versions of its
// records bear its mark, so that Save knows where a record came from, and those
// of its retired records bear retiredMark and its mark.
type place struct {
	store session.SessionStore
	mark  string
}

// What tells a retired record, one that was left behind when the session moved,
// from others: retiredMark before its version, and retiredSuffix after its data
// as long as it is stored. To JSON that is white space, which the session
// package does not write.
const (
	retiredMark   = "retired "
	retiredSuffix = " \t"
)

// retired reports whether rec was left behind in p.
func (p place) retired(rec *session.Record) bool {
	return strings.HasPrefix(rec.Version, retiredMark+p.mark)
}

// retired reports whether rec was left behind in either place.
func retired(rec *session.Record) bool { return strings.HasPrefix(rec.Version, retiredMark) }

// do calls f with a record that has the engine's own version.
func (p place) do(rec *session.Record, f func(own *session.Record) error) error {
	own := *rec
	own.Version = strings.TrimPrefix(strings.TrimPrefix(rec.Version, retiredMark), p.mark)
	err := f(&own)
	if err == nil {
		rec.Version = p.mark + own.Version
	}
	return err
}

func (p place) load(ctx context.Context, token string) (*session.Record, error) {
	rec, err := p.store.Load(ctx, token)
	if err != nil {
		return nil, err
	}
	rec.Version = p.mark + rec.Version
	if data, ok := bytes.CutSuffix(rec.Data, []byte(retiredSuffix)); ok {
		data, _ = cutForwards(data)
		rec.Data = slices.Clip(data)
		rec.Version = retiredMark + rec.Version
	}
	return rec, nil
}

// save saves the session under its token. A retired one is made again instead:
// what was left behind stays as it is.
func (p place) save(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	if p.retired(rec) {
		to, err := p.arrive(ctx, rec)
		if err != nil {
			return "", err
		}
		return p.leave(ctx, token, rec, to, leaving{})
	}
	err = p.do(rec, func(own *session.Record) error {
		newToken, err = p.store.Save(ctx, token, own)
		return err
	})
	return newToken, err
}

// put saves the session under its token, or renews it.
func (p place) put(ctx context.Context, token string, rec *session.Record, renew bool) (newToken string, err error) {
	if !renew {
		return p.save(ctx, token, rec)
	}
	err = p.do(rec, func(own *session.Record) error {
		newToken, err = p.store.Renew(ctx, token, own)
		return err
	})
	return newToken, err
}

// saveInPlace saves the session if its token stays the same.
func (p place) saveInPlace(ctx context.Context, token string, rec *session.Record) error {
	if p.retired(rec) {
		return errors.ErrUnsupported
	}
	return p.do(rec, func(own *session.Record) error { return session.SaveInPlace(ctx, p.store, token, own) })
}

// touch extends the session's life, but not that of a retired one.
func (p place) touch(ctx context.Context, token string, rec *session.Record) error {
	if p.retired(rec) {
		return errors.ErrUnsupported
	}
	return p.do(rec, func(own *session.Record) error { return session.Touch(ctx, p.store, token, own) })
}

func (p place) deleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	return p.do(rec, func(own *session.Record) error { return session.DeleteUnchanged(ctx, p.store, token, own) })
}

// create creates the session in p. On success rec is p's.
func (p place) create(ctx context.Context, rec *session.Record) (string, error) {
	own := *rec
	own.Version = ""
	token, err := p.store.Save(ctx, "", &own)
	if err == nil {
		rec.Version = p.mark + own.Version
	}
	return token, err
}

// arrival is a session that has been made again in a place.
type arrival struct {
	in             place
	token, version string
}

// arrive makes a session of another place, or a retired one, anew in p.
func (p place) arrive(ctx context.Context, rec *session.Record) (arrival, error) {
	anew := *rec
	token, err := p.create(ctx, &anew)
	return arrival{p, token, anew.Version}, err
}

// leaving is how a session leaves a place.
type leaving struct {
	grace   time.Duration
	renewed bool
}

// leave lets a session go from p that has arrived somewhere, on the condition
// that nobody has changed it in p; otherwise the arrival is taken back. A
// renewed session must not be reachable by its old token; another one stays
// reachable for the time of grace, which a retired one has been given already.
func (p place) leave(ctx context.Context, token string, rec *session.Record, to arrival, how leaving) (string, error) {
	var err error
	switch {
	case how.renewed:
		err = p.end(ctx, token, rec)
	case p.retired(rec):
		err = p.alsoForward(ctx, token, rec, to)
	default:
		err = p.retire(ctx, token, rec, to, how.grace)
	}
	if err != nil {
		return "", to.undo(ctx, err)
	}
	rec.Version = to.version
	return to.token, nil
}

// undo takes an arrival back, and returns the error that is the reason.
func (a arrival) undo(ctx context.Context, err error) error {
	if undo := a.in.store.Delete(ctx, a.token); undo != nil {
		err = fmt.Errorf("%w (and what was written in the new place could not be deleted: %w)", err, undo)
	}
	return err
}

// outgrown lets a session go from p, which keeps it in its token, that has arrived
// somewhere: unless it was ended meanwhile, in which case its arrival, that may
// have come too late for that, must be taken back.
func (p place) outgrown(ctx context.Context, token string, renewed bool) error {
	_, err := p.store.Load(ctx, token)
	if errors.Is(err, session.ErrNotFound) {
		return session.ErrGone
	}
	if err == nil && renewed {
		err = p.store.Delete(ctx, token)
	}
	return err
}

// retire leaves the session as rec has it, but only for the time of grace. One
// that is too large for p ends there, unless p keeps it in the token.
func (p place) retire(ctx context.Context, token string, rec *session.Record, to arrival, grace time.Duration) error {
	last := *rec
	last.Data = append(addForward(rec.Data, token, to.token), retiredSuffix...)
	if end := time.Now().Add(grace); end.Before(last.Expires) {
		last.Expires = end
	}
	_, err := p.save(ctx, token, &last)
	if tooLarge(err) {
		return p.end(ctx, token, rec)
	}
	return err
}

// alsoForward notes that a retired session has been made again once more.
func (p place) alsoForward(ctx context.Context, token string, rec *session.Record, to arrival) error {
	stored, err := p.store.Load(ctx, token)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return session.ErrGone
	case err != nil:
		return err
	case retiredMark+p.mark+stored.Version != rec.Version:
		return session.ErrConflict
	}
	data, ok := bytes.CutSuffix(stored.Data, []byte(retiredSuffix))
	if _, forwards := cutForwards(data); !ok || len(forwards) >= maxForwards {
		return session.ErrGone
	}
	stored.Data = append(addForward(data, token, to.token), retiredSuffix...)
	stored.Owner, stored.Label = rec.Owner, rec.Label
	_, err = p.store.Save(ctx, token, stored)
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

// deleteFrom deletes the session from p, and from other if it has moved there. It
// goes by what p holds at one moment: a move under way has either left its new
// token there by then, or fails.
func (p place) deleteFrom(ctx context.Context, other place, token string) error {
	for range deleteTries {
		stored, err := p.store.Load(ctx, token)
		if errors.Is(err, session.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		for _, forward := range forwards(stored.Data, token) {
			if err := errors.Join(p.store.Delete(ctx, forward), other.store.Delete(ctx, forward)); err != nil {
				return err
			}
		}
		err = session.DeleteUnchanged(ctx, p.store, token, stored)
		switch {
		case err == nil, errors.Is(err, session.ErrGone):
			return nil
		case errors.Is(err, errors.ErrUnsupported):
			return p.store.Delete(ctx, token)
		case !errors.Is(err, session.ErrConflict):
			return err
		}
	}
	return p.store.Delete(ctx, token)
}

// deleteTries is how often a session that changes all the time is looked at
// before it is deleted whatever it is.
const deleteTries = 20

func tooLarge(err error) bool {
	var t *session.TooLargeError
	return errors.As(err, &t)
}
