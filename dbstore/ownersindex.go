package dbstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// ErrOwnersIncomplete says that the table may hold sessions which were saved
// without [Options.Owners] and so are not found by their owner.
// [Store.IndexOwners] finds them, and [Store.Migrate] calls it once. It matches
// [session.ErrMisuse].
var ErrOwnersIncomplete = fmt.Errorf("dbstore: %w: sessions from before Options.Owners was set may not be known by"+
	" their owner; call Migrate", session.ErrMisuse)

// incomplete returns ErrOwnersIncomplete unless all sessions with an owner are
// known by it.
func (o *owners) incomplete(ctx context.Context) error {
	if o.isComplete.Load() {
		return nil
	}
	n, err := sqlkit.Value[int](ctx, o.db, o.complete)
	switch {
	case err != nil:
		return o.db.Failure(ctx, "owners", err)
	case n == 0:
		return ErrOwnersIncomplete
	}
	o.isComplete.Store(true)
	return nil
}

// IndexOwners goes through the whole table, a batch at a time, and notes the
// owners of sessions that were saved without [Options.Owners]: before it was set,
// by a node that has not got it yet, or by Django. It returns how many it noted.
// Sessions of owners that Options.Owners refuses, of above 255 bytes for example,
// are passed over: to ask for those is an error.
//
// Migrate calls it when it creates the table of owners; call it again, or
// "sessionctl migrate -owners", once the last node without the option is gone.
func (s *Store) IndexOwners(ctx context.Context) (noted int64, err error) {
	if s.owners == nil {
		return 0, errNoOwners
	}
	if err := s.db.Begin(); err != nil {
		return 0, err
	}
	defer s.db.End()
	noted, err = s.owners.noteAll(ctx)
	if err != nil {
		return noted, s.db.Failure(ctx, "index owners", err)
	}
	return noted, nil
}

// noteAll is IndexOwners.
func (o *owners) noteAll(ctx context.Context) (noted int64, err error) {
	for after := ""; ; {
		rows, last, err := o.scanSessions(ctx, after)
		if err != nil {
			return noted, err
		}
		n, err := o.noteMissing(ctx, rows)
		noted += n
		if err != nil {
			return noted, err
		}
		if last == "" {
			break
		}
		after = last
	}
	now := o.utc(time.Now())
	_, err = o.db.Exec(ctx, o.markAsComplete, o.ownerArg(""), now, now, o.utc(maxTime))
	return noted, err
}

// unnoted is a session whose owner may not be noted.
type unnoted struct {
	key, owner string
	expires    time.Time
}

// scanSessions returns those of a batch of sessions, after a key, that have an
// owner, and the last key of the batch, which is empty if there are no more.
func (o *owners) scanSessions(ctx context.Context, after string) (found []unnoted, last string, err error) {
	st := o.db.Once(o.selectSessions() + " WHERE session_key > ? ORDER BY session_key LIMIT " +
		strconv.Itoa(o.opts.CleanupBatch))
	rows, err := sqlkit.Collect(ctx, o.db, st, []any{after}, func(rows *sql.Rows) (unnoted, error) {
		var key, text string
		expires := o.dbTime()
		err := rows.Scan(&key, &text, &expires)
		u := unnoted{key: key, expires: expires.Time}
		if owner, ok := o.ownerIn(text); ok && checkOwner(owner) == nil {
			u.owner = owner
		}
		return u, err
	})
	if n := len(rows); n > 0 && n == o.opts.CleanupBatch {
		last = rows[n-1].key
	}
	return slices.DeleteFunc(rows, func(u unnoted) bool { return u.owner == "" }), last, err
}

// noteMissing notes those of the sessions whose owner is not noted.
func (o *owners) noteMissing(ctx context.Context, sessions []unnoted) (noted int64, err error) {
	for chunk := range slices.Chunk(sessions, 100) {
		known, err := o.findNoted(ctx, chunk)
		if err != nil {
			return noted, err
		}
		now := o.utc(time.Now())
		var rows []string
		var args []any
		for _, u := range chunk {
			if !known[[2]string{u.key, u.owner}] {
				owner := o.ownerArg(u.owner)
				rows = append(rows, o.row)
				args = append(args, u.key, owner, sessionID(u.key), owner, "", now, now, o.utc(u.expires))
			}
		}
		if args == nil {
			continue
		}
		n, err := o.db.Exec(ctx, o.db.Once(o.insert+strings.Join(rows, " UNION ALL ")+o.ignore), args...)
		noted += n
		if err != nil {
			return noted, err
		}
	}
	return noted, nil
}

// findNoted returns which of the sessions are noted, each with its owner.
func (o *owners) findNoted(ctx context.Context, sessions []unnoted) (map[[2]string]bool, error) {
	keys := make([]any, len(sessions))
	for i, u := range sessions {
		keys[i] = u.key
	}
	st := o.db.Once("SELECT session_key, owner FROM " + o.quoted + " WHERE " + sqlkit.In("session_key", len(keys)))
	pairs, err := sqlkit.Collect(ctx, o.db, st, keys, func(rows *sql.Rows) (pair [2]string, err error) {
		err = rows.Scan(&pair[0], &pair[1])
		return pair, err
	})
	known := make(map[[2]string]bool)
	for _, pair := range pairs {
		known[pair] = true
	}
	return known, err
}
