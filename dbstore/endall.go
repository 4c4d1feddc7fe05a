package dbstore

import (
	"context"
	"strconv"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// Traits implements [session.TraitsTeller].
func (s *Store) Traits() session.Traits {
	return session.Traits{Ends: true, EndsOwners: s.owners != nil, ListsOwners: s.owners != nil, EndsAll: true}
}

// EndAllSessions implements [session.AllEnder] for all sessions of the table,
// whatever their cookie. It deletes them [Options.CleanupBatch] at a time, and then
// what is left in one statement, which a renewal cannot escape: that is an UPDATE
// of the same row. The number has the expired ones in it that were not cleaned up.
// What is noted of their owners goes when the owner's list is read an hour later, or
// with the cleanup.
func (s *Store) EndAllSessions(ctx context.Context) (ended int64, err error) {
	if err := s.db.Begin(); err != nil {
		return 0, err
	}
	defer s.db.End()
	for {
		start := time.Now()
		n, found, err := s.endSome(ctx)
		ended += n
		if err != nil {
			return ended, s.db.Failure(ctx, "end all sessions", err)
		}
		if found < s.opts.CleanupBatch {
			break
		}
		if err := sqlkit.Pause(ctx, time.Since(start)); err != nil {
			return ended, s.db.Failure(ctx, "end all sessions", err)
		}
	}
	n, err := s.db.Exec(ctx, s.db.Once("DELETE FROM "+s.quoted))
	ended += n
	if err != nil {
		return ended, s.db.Failure(ctx, "end all sessions", err)
	}
	return ended, nil
}

// endSome deletes a batch of sessions.
func (s *Store) endSome(ctx context.Context) (deleted int64, found int, err error) {
	st := s.db.Once("SELECT session_key FROM " + s.quoted + " LIMIT " + strconv.Itoa(s.opts.CleanupBatch))
	keys, err := sqlkit.Collect(ctx, s.db, st, nil, sqlkit.One[string])
	if err != nil || len(keys) == 0 {
		return 0, 0, err
	}
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
	}
	n, err := s.db.Exec(ctx, s.db.Once("DELETE FROM "+s.quoted+" WHERE "+sqlkit.In("session_key", len(keys))), args...)
	return n, len(keys), err
}
