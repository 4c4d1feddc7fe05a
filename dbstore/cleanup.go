package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

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
	if !s.begin() {
		return 0, session.ErrClosed
	}
	defer s.end()
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	deleted, err := s.deleteExpired(run)
	if err == nil && s.owners != nil {
		err = s.owners.deleteExpired(run, s, s.beginning(), s.now())
	}
	switch {
	case err == nil:
		return deleted, nil
	case ctx.Err() == nil && s.closing.Err() != nil:
		return deleted, session.ErrClosed
	}
	return deleted, s.failure(ctx, "delete expired", err)
}

func (s *Store) deleteExpired(ctx context.Context) (deleted int64, err error) {
	now, from := s.now(), s.beginning()
	for {
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		start := time.Now()
		keys, last, err := s.findExpired(ctx, from, now)
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
		if err := pause(ctx, time.Since(start)); err != nil {
			return deleted, err
		}
	}
}

// beginning is a moment before all others, as an argument of a statement.
func (s *Store) beginning() any {
	if s.dialect == Postgres {
		return time.Time{}
	}
	return "1000-01-01 00:00:00" // the first one that MySQL knows
}

// findExpired returns the keys of the oldest rows that expired at from or later
// and at now or earlier, and the moment at which the last of them did.
func (s *Store) findExpired(ctx context.Context, from, now any) (keys []any, last any, err error) {
	return s.collectExpired(ctx, s.expired, []any{from, now})
}

// collectExpired returns the keys that a statement selects, and the last of the
// moments beside them. In SQLite a key may be a BLOB, which is equal to no text,
// and stays one.
func (s *Store) collectExpired(ctx context.Context, st *statement, args []any) (keys []any, last any, err error) {
	keys, err = collect(ctx, s, st, args, func(rows *sql.Rows) (any, error) {
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
	st := &statement{
		db:    s.db,
		text:  s.sql.deleteExpired + s.dialect.placeholders(2, len(keys)+1) + ")",
		alone: true, repeats: true,
	}
	return s.exec(ctx, st, append([]any{now}, keys...)...)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	if !s.begin() {
		return session.ErrClosed
	}
	defer s.end()
	if !s.cleaning.CompareAndSwap(false, true) {
		return errors.New("dbstore: the cleanup is already running")
	}
	s.background.Go(func() {
		defer s.cleaning.Store(false)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.closing, cancel)()
		for {
			start := time.Now()
			deleted, err := s.DeleteExpired(ctx)
			if ctx.Err() != nil {
				return
			}
			s.report(ctx, CleanupResult{deleted, time.Since(start), err})
			if pause(ctx, interval-interval/10+rand.N(interval/5+1)) != nil {
				return
			}
		}
	})
	return nil
}

func (s *Store) report(ctx context.Context, r CleanupResult) {
	if r.Err != nil {
		s.opts.Logger.ErrorContext(ctx, "deleting expired sessions failed", "err", r.Err, "deleted", r.Deleted, "took", r.Took)
	} else if r.Deleted > 0 {
		s.opts.Logger.InfoContext(ctx, "expired sessions deleted", "deleted", r.Deleted, "took", r.Took)
	}
	if s.opts.OnCleanup != nil {
		s.opts.OnCleanup(r)
	}
}
