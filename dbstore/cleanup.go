package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// CleanupResult is what one pass of the cleanup did.
type CleanupResult struct {
	Deleted int64         // rows
	Took    time.Duration // with the pauses between batches
	Err     error         // nil, or what ended the pass early
}

// DeleteExpired implements [session.ExpiredDeleter]. It deletes the rows that
// are expired as it starts, oldest first, [Options.CleanupBatch] at a time, each
// batch in a transaction of its own, and rests after each as long as it took.
//
// A pass finds its rows through the index on expire_date. It ends early when
// another one, on this machine or elsewhere, is ahead of it.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	if err := s.db.Begin(); err != nil {
		return 0, err
	}
	defer s.db.End()
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.db.Closing, cancel)()
	deleted, err := s.deleteExpired(run)
	if err == nil && s.dialect == SQLite {
		var n int64
		n, err = s.deleteExpiredBLOBs(run)
		deleted += n
	}
	if err == nil && s.owners != nil {
		err = s.owners.deleteExpired(run)
	}
	switch {
	case err == nil:
		return deleted, nil
	case ctx.Err() == nil && s.db.Closing.Err() != nil:
		return deleted, session.ErrClosed
	}
	return deleted, s.db.Failure(ctx, "delete expired", err)
}

func (s *Store) deleteExpired(ctx context.Context) (deleted int64, err error) {
	now, from := s.now(), s.beginning()
	for {
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		start := time.Now()
		keys, last, err := s.collectExpired(ctx, s.expired, from, now)
		if err != nil || len(keys) == 0 {
			return deleted, err
		}
		n, err := s.deleteKeys(ctx, keys, now)
		if err != nil {
			return deleted, err
		}
		deleted += n
		if n == 0 || len(keys) < s.opts.CleanupBatch {
			return deleted, nil
		}
		// The next batch starts where this one ended: the index may still hold
		// entries of the rows that have just been deleted, and passing over
		// them again and again takes long in a large table.
		from = last
		if err := sqlkit.Pause(ctx, time.Since(start)); err != nil {
			return deleted, err
		}
	}
}

// deleteExpiredBLOBs deletes the rows whose expire_date is a BLOB, as another
// program may have stored it in SQLite. They are behind all others in the index.
func (s *Store) deleteExpiredBLOBs(ctx context.Context) (deleted int64, err error) {
	st := s.db.Once("DELETE FROM " + s.quoted + " WHERE session_key IN (SELECT session_key FROM " + s.quoted +
		" WHERE expire_date >= x'' AND " + s.expires() + " <= ? LIMIT " + strconv.Itoa(s.opts.CleanupBatch) + ")")
	for {
		n, err := s.db.Exec(ctx, st, s.now())
		deleted += n
		if err != nil || n < int64(s.opts.CleanupBatch) {
			return deleted, err
		}
	}
}

// beginning is a moment before all others, as an argument of a statement.
func (s *shared) beginning() any {
	if s.dialect == Postgres {
		return time.Time{}
	}
	return "1000-01-01 00:00:00" // the first one that MySQL knows
}

// collectExpired returns the keys that a statement selects, and the last of the
// moments beside them. In SQLite a key may be a BLOB, which is equal to no text,
// and stays one.
func (s *shared) collectExpired(ctx context.Context, st *sqlkit.Statement, args ...any) (
	keys []any, last any, err error) {
	keys, err = sqlkit.Collect(ctx, s.db, st, args, func(rows *sql.Rows) (any, error) {
		var key any
		err := rows.Scan(&key, &last)
		if b, ok := key.([]byte); ok && s.dialect != SQLite {
			key = string(b)
		}
		return key, err
	})
	switch v := last.(type) {
	case []byte:
		last = string(v)
	case time.Time:
		last = s.timeArg(v)
	}
	return keys, last, err
}

// deleteKeys deletes the rows with these keys that are still expired: a request
// may have prolonged one since it was found.
func (s *Store) deleteKeys(ctx context.Context, keys []any, now any) (int64, error) {
	st := s.db.Once("DELETE FROM " + s.quoted + " WHERE expire_date <= ? AND " + sqlkit.In("session_key", len(keys)))
	st.Repeats = true
	return s.db.Exec(ctx, st, append([]any{now}, keys...)...)
}

// Count returns how many sessions in the table are living, and how many are
// expired and wait for the cleanup. It reads the whole index on expire_date.
func (s *Store) Count(ctx context.Context) (active, expired int64, err error) {
	if err := s.db.Begin(); err != nil {
		return 0, 0, err
	}
	defer s.db.End()
	st := s.db.Once("SELECT COALESCE(SUM(CASE WHEN " + s.expires() + " > ? THEN 1 ELSE 0 END), 0), COUNT(*) FROM " +
		s.quoted)
	st.Pool = s.opts.Reader
	var all int64
	_, err = sqlkit.Collect(ctx, s.db, st, []any{s.now()}, func(rows *sql.Rows) (struct{}, error) {
		return struct{}{}, rows.Scan(&active, &all)
	})
	if err != nil {
		return 0, 0, s.db.Failure(ctx, "count", err)
	}
	return active, all - active, nil
}

// StartCleanup deletes expired sessions in the background, now and then every
// interval, until ctx ends or the store is closed; 0 is ten minutes. Any number
// of machines may do so for the same table: intervals vary by a tenth at
// random, so that they do not stay in step.
//
// [Options.OnCleanup] and the log tell what it does. It is an error to start it
// twice.
func (s *Store) StartCleanup(ctx context.Context, interval time.Duration) error {
	if interval == 0 {
		interval = 10 * time.Minute
	}
	if interval < 0 {
		return fmt.Errorf("dbstore: the cleanup's interval is negative: %v", interval)
	}
	if err := s.db.Begin(); err != nil {
		return err
	}
	defer s.db.End()
	if !s.cleaning.CompareAndSwap(false, true) {
		return errors.New("dbstore: the cleanup is already running")
	}
	s.db.Background.Go(func() {
		defer s.cleaning.Store(false)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.db.Closing, cancel)()
		sqlkit.Repeat(ctx, interval, func() bool {
			start := time.Now()
			deleted, err := s.DeleteExpired(ctx)
			if ctx.Err() == nil {
				s.report(ctx, CleanupResult{deleted, time.Since(start), err})
			}
			return ctx.Err() == nil
		})
	})
	return nil
}

func (s *Store) report(ctx context.Context, r CleanupResult) {
	if r.Err != nil {
		s.opts.Logger.ErrorContext(ctx, "deleting expired sessions failed", "err", r.Err,
			"deleted", r.Deleted, "took", r.Took)
	} else if r.Deleted > 0 {
		s.opts.Logger.InfoContext(ctx, "expired sessions deleted", "deleted", r.Deleted, "took", r.Took)
	}
	if s.opts.OnCleanup != nil {
		s.opts.OnCleanup(r)
	}
}
