package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// EndSession implements [session.OwnerLister]. It needs [Options.Owners].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if err := s.beginOwners(owner); err != nil {
		return err
	}
	defer s.db.End()
	if !isID(id) {
		return nil
	}
	o := s.owners
	find := func() ([]string, error) { return o.keys(ctx, o.ofSession, s.ownerArg(owner), idPrefix+id) }
	keys, err := find()
	if err == nil && len(keys) > 0 {
		// From here on it cannot be renewed any more.
		if err = o.fence(ctx, idPrefix+id, owner, math.MaxInt64); err == nil {
			_, err = o.endAll(ctx, idPrefix+id, owner, math.MaxInt64, find)
		}
	}
	if err != nil {
		return s.db.Failure(ctx, "end session", err)
	}
	return nil
}

// EndSessions implements [session.OwnerEnder]. It needs [Options.Owners]. A
// session that is given to somebody else while it runs ends as well. If sessions
// may not be known by their owner it ends those that are, and gives
// [ErrOwnersIncomplete].
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	if err := s.beginOwners(owner); err != nil {
		return 0, err
	}
	defer s.db.End()
	generation, _, err := s.owners.raise(ctx, owner, "")
	var ended int64
	if err == nil {
		ended, err = s.owners.endBehind(ctx, owner, generation)
	}
	if err != nil {
		return ended, s.db.Failure(ctx, "end sessions", err)
	}
	return ended, s.owners.incomplete(ctx)
}

// EndOtherSessions implements [session.OwnerEnder]. It needs [Options.Owners].
// The session that goes on gets a new key by an UPDATE that needs no more than
// its old one, so that no other change of it is in the way, but one that gives it
// to somebody else at this moment: that is [session.ErrGone]. If sessions may not
// be known by their owner it does nothing, and gives [ErrOwnersIncomplete].
//
// The token has to be one of the store's own cookie, see [Store.ForCookie]; in a
// handler [session.Session.EndOthers] sees to that. One of another cookie that
// this process has a store for ends nothing, and gives an error that matches
// [session.ErrMisuse]. Any other token is taken for one of a session that is gone,
// and ends all of the owner's.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error) {
	if err := s.beginOwners(owner); err != nil {
		return "", err
	}
	defer s.db.End()
	if err := s.owners.incomplete(ctx); err != nil {
		return "", err
	}
	err = s.refuseForeign(ctx, token)
	if err == nil {
		newToken, err = s.endOthers(ctx, owner, token)
	}
	if err != nil {
		return "", s.writeFailure(ctx, "end other sessions", err, 0, 0)
	}
	return newToken, nil
}

// refuseForeign returns an error if the token is one of another cookie.
func (s *Store) refuseForeign(ctx context.Context, token string) error {
	s.namesMu.Lock()
	others := slices.DeleteFunc(slices.Clone(s.names), func(name string) bool { return name == s.cookie })
	s.namesMu.Unlock()
	var keys []any
	for _, name := range others {
		if key, ok := storedKey(name, token); ok && !s.opts.RawKeys {
			keys = append(keys, key)
		}
	}
	if keys == nil {
		return nil
	}
	there, err := s.owners.present(ctx, keys)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("%w: the token is not one of the cookie %q; use the store that ForCookie returns",
			session.ErrMisuse, s.cookie)
	}
	return err
}

func (s *Store) endOthers(ctx context.Context, owner, token string) (newToken string, err error) {
	o := s.owners
	key, ok := s.key(token)
	generation, behind, err := o.raise(ctx, owner, key)
	if err != nil {
		return "", err
	}
	moved := false
	if ok && !behind {
		newToken, err = s.withNewToken(func(newKey string) (err error) {
			moved, err = o.moveTo(ctx, newKey, key, owner, generation)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	if moved {
		_, err = o.endBefore(ctx, owner, generation)
	} else if _, err = o.endBehind(ctx, owner, generation); err == nil {
		err = session.ErrGone
	}
	if err != nil {
		return "", err
	}
	return newToken, nil
}

// moveTo gives a session, as it is stored, another key, and makes it one of the
// given generation of the owner's. It reports whether it did: not if the session
// is gone, a fence is in the way, or it was just given to somebody else.
func (o *owners) moveTo(ctx context.Context, newKey, key, owner string, generation int64) (moved bool, err error) {
	// None of the rows is to be taken for a stale one before the session comes.
	now := time.Now()
	keep := now.Add(inFlight)
	if err := o.noteRenewal(ctx, newKey, key, owner, generation, nil, keep); err != nil {
		return false, err
	}
	copyRows := func() error {
		_, err := o.db.Exec(ctx, o.copy, newKey, o.utc(now), o.utc(keep), key)
		return err
	}
	if err := copyRows(); err != nil {
		return false, err
	}
	n, err := o.db.Exec(ctx, o.move, newKey, key, o.now(), newKey, o.ownerArg(owner), key, newKey)
	if err != nil {
		return false, err
	}
	if n == 0 {
		o.forgetOwner(ctx, newKey)
		return false, nil
	}
	// PostgreSQL looks at the rows as they were when the UPDATE began, which a
	// save may have kept waiting.
	if err := copyRows(); err != nil {
		return false, err
	}
	o.forgetOwner(ctx, key)
	return true, nil
}

func (s *Store) beginOwners(owner string) error {
	switch {
	case s.owners == nil:
		return errNoOwners
	case owner == "":
		return session.ErrNoOwner
	}
	if err := checkOwner(owner); err != nil {
		return fmt.Errorf("dbstore: %w", err)
	}
	return s.db.Begin()
}

// standingOf returns the highest of the generations of an owner's sessions and
// fence, and whether the one noted under key is behind a fence, both of one moment.
func (o *owners) standingOf(ctx context.Context, owner, key string) (highest int64, behind bool, err error) {
	args := []any{key, o.ownerArg(owner)}
	_, err = sqlkit.Collect(ctx, o.db, o.standing, args, func(rows *sql.Rows) (struct{}, error) {
		return struct{}{}, rows.Scan(&highest, &behind)
	})
	return highest, behind, err
}

// raise puts up a fence of a new generation, to which only sessions belong that
// begin afterwards. Should others do so at the same moment, theirs are higher. It
// reports whether the session under key was behind a fence before: then it has
// been ended, and must not go on in the new generation. A fence that is put up
// after that was looked up is above the generation that raise returns, whichever
// of the two comes first, so that it holds up the session as well.
func (o *owners) raise(ctx context.Context, owner, key string) (generation int64, behind bool, err error) {
	highest, behind, err := o.standingOf(ctx, owner, key)
	if err != nil {
		return 0, false, err
	}
	return highest + 1, behind, o.fence(ctx, "", owner, highest+1)
}

// fence puts up a fence.
func (o *owners) fence(ctx context.Context, key, owner string, generation int64) error {
	now := time.Now()
	_, err := o.db.Exec(ctx, o.raiseTo, key, o.ownerArg(owner), generation, o.utc(now), o.utc(now),
		o.utc(now.Add(inFlight)))
	return err
}

// keys returns the keys that a statement selects.
func (o *owners) keys(ctx context.Context, st *sqlkit.Statement, args ...any) ([]string, error) {
	return sqlkit.Collect(ctx, o.db, st, args, sqlkit.One[string])
}

// errNoFence does not say that sessions have escaped, but that they may have.
var errNoFence = errors.New("what keeps sessions from being renewed was deleted while it was needed:" +
	" try again; the clocks of the machines that clean up should be less than an hour apart")

// endBehind ends the owner's sessions that are behind the fence, which is raised
// to a generation, or further by somebody else at this moment.
func (o *owners) endBehind(ctx context.Context, owner string, generation int64) (int64, error) {
	fenced, err := sqlkit.Value[int64](ctx, o.db, o.fenced, "", o.ownerArg(owner))
	if err != nil {
		return 0, err
	}
	return o.endBefore(ctx, owner, max(generation, fenced))
}

// endBefore ends the owner's sessions that began before a generation.
func (o *owners) endBefore(ctx context.Context, owner string, generation int64) (int64, error) {
	return o.endAll(ctx, "", owner, generation, func() ([]string, error) {
		return o.keys(ctx, o.before, o.ownerArg(owner), generation)
	})
}

// endAll ends those of the owner's sessions whose keys find returns, and returns
// how many were living. There has to be a fence before, under fenceKey, so that
// none of them is renewed any more, but by a statement that had begun already: that
// one's new key is among the keys, and its old one is in the table until it is done.
// So the second round finds what has escaped the first, and a third nothing.
func (o *owners) endAll(ctx context.Context, fenceKey, owner string, generation int64,
	find func() ([]string, error)) (ended int64, err error) {
	for round, found := 1, true; found || round == 2; round++ {
		keys, err := find()
		if err != nil {
			return ended, err
		}
		if found = false; len(keys) == 0 {
			break
		}
		for chunk := range slices.Chunk(keys, o.opts.CleanupBatch) {
			n, any, err := o.endKeys(ctx, owner, generation, chunk)
			ended += n
			if err != nil {
				return ended, err
			}
			found = found || any
		}
	}
	fenced, err := sqlkit.Value[int64](ctx, o.db, o.fenced, fenceKey, o.ownerArg(owner))
	if err == nil && fenced < generation {
		err = errNoFence
	}
	return ended, err
}

// endKeys deletes the sessions with these keys that are the owner's, whatever
// they hold by then and whether they have expired by this machine's clock or not.
func (o *owners) endKeys(ctx context.Context, owner string, generation int64, keys []string) (
	ended int64, found bool, err error) {
	states, err := o.lookUp(ctx, owner, keys)
	if err != nil {
		return 0, false, err
	}
	var mine, others []any
	living := int64(0)
	for _, key := range keys {
		switch state := states[key]; {
		case state.mine:
			mine = append(mine, key)
			if state.living {
				living++
			}
		case state.present:
			others = append(others, key)
		}
	}
	if len(others) > 0 && generation < math.MaxInt64 {
		// Should one become the owner's again, it counts as one that begins now.
		_, err := o.in(ctx, "UPDATE "+o.quoted+" SET generation = ? WHERE owner = ?", others, generation,
			o.ownerArg(owner))
		if err != nil {
			return 0, false, err
		}
	}
	if len(mine) == 0 {
		return 0, false, nil
	}
	n, err := o.in(ctx, "DELETE FROM "+o.shared.quoted+" WHERE 1 = 1", mine)
	if err != nil {
		return 0, true, err
	}
	o.in(ctx, "DELETE FROM "+o.quoted+" WHERE 1 = 1", mine) // or the cleanup does
	return min(n, living), true, nil
}

// in runs a statement with the condition that the key is one of these.
func (o *owners) in(ctx context.Context, text string, keys []any, args ...any) (int64, error) {
	st := o.db.Once(text + " AND " + sqlkit.In("session_key", len(keys)))
	return o.db.Exec(ctx, st, slices.Concat(args, keys)...)
}

// state is what the table of sessions says about one.
type state struct {
	present bool // expired or not
	mine    bool // it is the owner's
	living  bool // and not expired
	expires time.Time
}

// lookUp returns what the sessions themselves say. They are looked up by key: a
// join would need the same collation in both tables, which one that Django made
// does not have.
func (o *owners) lookUp(ctx context.Context, owner string, keys []string) (map[string]state, error) {
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
	}
	states := make(map[string]state, len(keys))
	now := time.Now()
	st := o.db.Once(o.selectSessions() + " WHERE " + sqlkit.In("session_key", len(keys)))
	_, err := sqlkit.Collect(ctx, o.db, st, args, func(rows *sql.Rows) (struct{}, error) {
		var key, text string
		expires := o.dbTime()
		if err := rows.Scan(&key, &text, &expires); err != nil {
			return struct{}{}, err
		}
		st := state{present: true, mine: o.mayBelong(text, owner), expires: expires.Time}
		st.living = st.mine && now.Before(st.expires)
		states[key] = st
		return struct{}{}, nil
	})
	return states, err
}

// selectSessions reads what sessions say about their owners.
func (o *owners) selectSessions() string {
	return "SELECT session_key, session_data, " + o.asText("expire_date") + " FROM " + o.shared.quoted
}

// mayBelong reports whether the owner of a session is the given one, as far as
// its session_data can be read.
func (o *owners) mayBelong(text, owner string) bool {
	has, ok := o.ownerIn(text)
	return !ok || has == owner
}

// ownerIn returns the owner that session_data names, and false if it cannot be
// read.
func (o *owners) ownerIn(text string) (owner string, ok bool) {
	data := []byte(text)
	if o.opts.Encoding != nil {
		var err error
		if data, err = o.opts.Encoding.Decode(text); err != nil {
			return "", false
		}
	}
	return session.OwnerOf(data)
}
