package revocation

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"sessionengine/session"
)

// A statement is one of a list's.
type statement struct {
	list    *SQLList
	text    string
	prepare bool // when it is first used

	mu       sync.Mutex
	prepared atomic.Pointer[sql.Stmt]
}

func (st *statement) query(ctx context.Context, args ...any) (*sql.Rows, error) {
	p, err := st.get(ctx)
	switch {
	case err != nil:
		return nil, err
	case p != nil:
		return p.QueryContext(ctx, args...)
	}
	return st.list.db.QueryContext(ctx, st.text, args...)
}

func (st *statement) exec(ctx context.Context, args ...any) (int64, error) {
	p, err := st.get(ctx)
	switch {
	case err != nil:
		return 0, err
	case p != nil:
		return affected(p.ExecContext(ctx, args...))
	}
	return affected(st.list.db.ExecContext(ctx, st.text, args...))
}

// get returns the prepared statement, or nil if it is not one to prepare.
func (st *statement) get(ctx context.Context) (*sql.Stmt, error) {
	if st.list.closed.Load() {
		return nil, session.ErrClosed
	}
	if p := st.prepared.Load(); p != nil || !st.prepare {
		return p, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.list.closed.Load() {
		return nil, session.ErrClosed
	}
	if p := st.prepared.Load(); p != nil {
		return p, nil
	}
	p, err := st.list.db.PrepareContext(ctx, st.text)
	if err == nil {
		st.prepared.Store(p)
	}
	return p, err
}

func (st *statement) close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := st.prepared.Swap(nil); p != nil {
		return p.Close()
	}
	return nil
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
