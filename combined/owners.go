package combined

import (
	"context"
	"errors"
	"fmt"

	"sessionengine/session"
)

var (
	_ session.OwnerEnder = (*Switch)(nil)
	_ session.OwnerEnder = (*Overflow)(nil)
)

// EndSessions implements [session.OwnerEnder] if both engines do.
func (s *Switch) EndSessions(ctx context.Context, owner string) (int64, error) {
	return endSessions(ctx, owner, s.from, s.to)
}

// EndOtherSessions implements [session.OwnerEnder] if both engines do.
func (s *Switch) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	return endOtherSessions(ctx, s, owner, token, s.from, s.to)
}

// EndSessions implements [session.OwnerEnder] if both engines do.
func (o *Overflow) EndSessions(ctx context.Context, owner string) (int64, error) {
	return endSessions(ctx, owner, o.large, o.small, o.large)
}

// EndOtherSessions implements [session.OwnerEnder] if both engines do.
func (o *Overflow) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	return endOtherSessions(ctx, o, owner, token, o.large, o.small, o.large)
}

// endSessions ends the sessions of an owner in the places, in an order in which
// sessions move: one that arrives in a place after its turn has not left the place
// before until after that one's, where it was ended, so that its move fails.
func endSessions(ctx context.Context, owner string, places ...place) (int64, error) {
	if err := canEnd(owner, places); err != nil {
		return 0, err
	}
	var ended int64
	known := true
	for _, p := range places {
		n, err := session.EndSessions(ctx, p.store, owner)
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

func endOtherSessions(ctx context.Context, both session.SessionStore, owner, token string, places ...place) (string, error) {
	if err := canEnd(owner, places); err != nil {
		return "", err
	}
	gone := true
	for _, p := range places {
		_, err := p.store.Load(ctx, token)
		here := err == nil
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return "", err
		}
		if !here {
			if _, err := session.EndSessions(ctx, p.store, owner); err != nil {
				return "", err
			}
			continue
		}
		newToken, err := session.EndOtherSessions(ctx, p.store, owner, token)
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
	rec, err := both.Load(ctx, token)
	if err != nil || !retired(rec) {
		return token, err
	}
	if rec.Owner, _ = session.OwnerOf(rec.Data); rec.Owner == "" {
		rec.Owner = owner
	}
	return both.Save(ctx, token, rec)
}

// canEnd returns an error unless all places can end the sessions of an owner.
func canEnd(owner string, places []place) error {
	if owner == "" {
		return session.ErrNoOwner
	}
	for _, p := range places {
		if _, ok := p.store.(session.OwnerEnder); !ok {
			return fmt.Errorf("combined: %w: one of the engines cannot end the sessions of an owner: %w", session.ErrMisuse, errors.ErrUnsupported)
		}
	}
	return nil
}
