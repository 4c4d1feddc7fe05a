package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// statement is one of the store's statements.
type statement struct {
	db      *sql.DB
	text    string
	prepare bool // when it is first used
	alone   bool // may take long: shares no transaction, and has no time limit
	repeats bool // may be run again where it is not known whether it was run

	mu       sync.Mutex
	prepared atomic.Pointer[sql.Stmt]
}

func (st *statement) get(ctx context.Context) (*sql.Stmt, error) {
	if p := st.prepared.Load(); p != nil {
		return p, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := st.prepared.Load(); p != nil {
		return p, nil
	}
	p, err := st.db.PrepareContext(ctx, st.text)
	if err == nil {
		st.prepared.Store(p)
	}
	return p, err
}

// exec runs a statement that writes, and returns the number of rows it changed.
func (st *statement) exec(ctx context.Context, args []any) (int64, error) {
	if !st.prepare {
		return affected(st.db.ExecContext(ctx, st.text, args...))
	}
	p, err := st.get(ctx)
	if err != nil {
		return 0, err
	}
	return affected(p.ExecContext(ctx, args...))
}

// ready prepares the statement if it is one to prepare.
func (st *statement) ready(ctx context.Context) error {
	if !st.prepare {
		return nil
	}
	_, err := st.get(ctx)
	return err
}

// execIn is exec as part of a transaction, for a statement that is ready.
func (st *statement) execIn(ctx context.Context, tx *sql.Tx, args []any) (int64, error) {
	if !st.prepare {
		return affected(tx.ExecContext(ctx, st.text, args...))
	}
	return affected(tx.StmtContext(ctx, st.prepared.Load()).ExecContext(ctx, args...))
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (st *statement) query(ctx context.Context, args []any) (*sql.Rows, error) {
	if !st.prepare {
		return st.db.QueryContext(ctx, st.text, args...)
	}
	p, err := st.get(ctx)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

// close releases the statement on the connections that are left. It fails on
// those that are broken, which is of no concern.
func (st *statement) close() {
	if p := st.prepared.Swap(nil); p != nil {
		p.Close()
	}
}

// row is what the table holds of a session.
type row struct {
	text    string
	expires time.Time
}

// read returns the row that st finds under key, or sql.ErrNoRows.
func (s *Store) read(ctx context.Context, st *statement, key string) (row, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return row{}, err
	}
	for r := (retry{}); ; {
		found, err := s.readOnce(s.detach(ctx), st, key)
		if err == nil || errors.Is(err, sql.ErrNoRows) || !r.again(ctx, s, err, true) {
			return found, err
		}
	}
}

func (s *Store) readOnce(ctx context.Context, st *statement, key string) (row, error) {
	rows, err := st.query(ctx, []any{key})
	if err != nil {
		return row{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return row{}, err
		}
		return row{}, sql.ErrNoRows
	}
	var found row
	expires := s.dbTime()
	if err := rows.Scan(&found.text, &expires); err != nil {
		return row{}, err
	}
	found.expires = expires.Time
	return found, rows.Close()
}

// collect runs a statement that reads, again after an error that asks for it, and
// returns what scan makes of each of its rows.
func collect[T any](ctx context.Context, s *Store, st *statement, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if !st.alone {
		var cancel context.CancelFunc
		ctx, cancel = s.bound(ctx)
		defer cancel()
	}
	for r := (retry{}); ; {
		found, err := collectOnce(ctx, st, args, scan)
		if err == nil || !r.again(ctx, s, err, true) {
			return found, err
		}
	}
}

func collectOnce[T any](ctx context.Context, st *statement, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	rows, err := st.query(ctx, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

// scanOne scans a row of one column.
func scanOne[T any](rows *sql.Rows) (one T, err error) {
	err = rows.Scan(&one)
	return one, err
}

// exec runs a statement that writes, again after an error that asks for it, and
// returns the number of rows it changed.
func (s *Store) exec(ctx context.Context, st *statement, args ...any) (n int64, err error) {
	if !st.alone {
		var cancel context.CancelFunc
		ctx, cancel = s.bound(ctx)
		defer cancel()
	}
	for r := (retry{}); ; {
		if s.queue != nil {
			n, err = s.queue.exec(ctx, st, args)
		} else {
			n, err = st.exec(ctx, args)
		}
		if err == nil || !r.again(ctx, s, err, st.repeats) {
			return n, err
		}
	}
}

// bound puts an end to ctx after Options.Timeout, on a server that may not
// answer. An SQLite database of the store's own always does.
//
// A context that can end costs database/sql and the drivers a goroutine each. A
// caller who does not want that gets what he asked for.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.local || ctx.Done() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.opts.Timeout)
}

// detach returns the context to run a statement with. On an SQLite database of
// the store's own it takes microseconds: watching a context meanwhile takes
// longer than that, and a write that cannot be interrupted is not left in doubt.
// Waiting, before it and between attempts, does end with ctx.
func (s *Store) detach(ctx context.Context) context.Context {
	if s.local {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// retry paces the attempts at one statement.
type retry struct {
	since time.Time
	delay time.Duration
	moves int
}

// maxMoves is how often a statement is tried on another connection. What is to
// find the new server is up to the address and the driver; either has done so
// or cannot yet, and then to wait would keep a request from its error.
const maxMoves = 3

// again waits and returns true if err is one after which the statement should
// be tried again. repeats says that running it twice does no harm.
func (r *retry) again(ctx context.Context, s *Store, err error, repeats bool) bool {
	switch class, _ := classify(s.dialect, err); class {
	case transient:
	case moved, lost:
		if r.moves++; r.moves > maxMoves || class == lost && !repeats || ctx.Err() != nil {
			return false
		}
	default:
		return false
	}
	if r.since.IsZero() {
		r.since = time.Now()
		r.delay = time.Millisecond
	} else if time.Since(r.since) > s.opts.Timeout {
		return false
	}
	// Writers that collided should not meet again.
	wait := r.delay/2 + rand.N(r.delay)
	r.delay = min(2*r.delay, 100*time.Millisecond)
	return pause(ctx, wait) == nil && s.closing.Err() == nil
}

// placeholders returns the placeholders from the first-th to the last-th.
func (d Dialect) placeholders(first, last int) string {
	b := make([]byte, 0, 4*(last-first+1))
	for n := first; n <= last; n++ {
		if n > first {
			b = append(b, ", "...)
		}
		b = fmt.Append(b, d.placeholder(n))
	}
	return string(b)
}
