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

// statement is one of the store's statements, prepared when it is first used.
type statement struct {
	db      *sql.DB
	text    string
	prepare bool

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

func (st *statement) exec(ctx context.Context, args []any) (sql.Result, error) {
	if !st.prepare {
		return st.db.ExecContext(ctx, st.text, args...)
	}
	p, err := st.get(ctx)
	if err != nil {
		return nil, err
	}
	return p.ExecContext(ctx, args...)
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

func (st *statement) close() error {
	if p := st.prepared.Swap(nil); p != nil {
		return p.Close()
	}
	return nil
}

// row is what the table holds of a session.
type row struct {
	text    string
	expires time.Time
}

// read returns the row that st finds under key, or sql.ErrNoRows.
func (s *Store) read(ctx context.Context, st *statement, key string) (row, error) {
	run, err := s.detached(ctx)
	if err != nil {
		return row{}, err
	}
	for r := (retry{}); ; {
		found, err := readOnce(run, st, key)
		if err == nil || errors.Is(err, sql.ErrNoRows) || !r.again(ctx, s, err) {
			return found, err
		}
	}
}

func readOnce(ctx context.Context, st *statement, key string) (row, error) {
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
	var expires dbTime
	if err := rows.Scan(&found.text, &expires); err != nil {
		return row{}, err
	}
	found.expires = expires.Time
	return found, rows.Close()
}

// exec runs a statement that writes, and returns the number of rows it changed.
func (s *Store) exec(ctx context.Context, st *statement, args ...any) (int64, error) {
	return s.writing(ctx, func(ctx context.Context) (sql.Result, error) { return st.exec(ctx, args) })
}

// writing runs a write, one at a time where that is the rule, and again after
// an error that asks for it.
func (s *Store) writing(ctx context.Context, f func(context.Context) (sql.Result, error)) (int64, error) {
	run, err := s.detached(ctx)
	if err != nil {
		return 0, err
	}
	for r := (retry{}); ; {
		if err := s.lockWriter(ctx); err != nil {
			return 0, err
		}
		result, err := f(run)
		s.unlockWriter()
		if err == nil {
			return result.RowsAffected()
		}
		if !r.again(ctx, s, err) {
			return 0, err
		}
	}
}

// detached returns the context to run a statement with. A statement on an
// SQLite database of the store's own takes microseconds: it is not worth being
// cancelled, and a write that is not interrupted is not left in doubt. Waiting
// for the lock, before it and between attempts, does end with ctx.
func (s *Store) detached(ctx context.Context) (context.Context, error) {
	if s.writer == nil {
		return ctx, nil
	}
	return context.WithoutCancel(ctx), ctx.Err()
}

func (s *Store) lockWriter(ctx context.Context) error {
	if s.writer == nil {
		return nil
	}
	select {
	case s.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) unlockWriter() {
	if s.writer != nil {
		<-s.writer
	}
}

// maxRetry is how long a statement is tried again if its context has no end.
const maxRetry = 10 * time.Second

// retry paces the attempts at one statement.
type retry struct {
	since time.Time
	delay time.Duration
}

// again waits and returns true if err is one after which the statement should
// be tried again.
func (r *retry) again(ctx context.Context, s *Store, err error) bool {
	if class, _ := classify(s.dialect, err); class != transient {
		return false
	}
	if r.since.IsZero() {
		r.since = time.Now()
		r.delay = time.Millisecond
	} else if time.Since(r.since) > maxRetry {
		return false
	}
	// Writers that collided should not meet again.
	timer := time.NewTimer(r.delay/2 + rand.N(r.delay))
	defer timer.Stop()
	r.delay = min(2*r.delay, 100*time.Millisecond)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.closing.Done():
	}
	return false
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
