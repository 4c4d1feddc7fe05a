package sqlkit

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

// Statement is a statement of a [DB].
type Statement struct {
	Pool    *sql.DB
	Alone   bool // it may take long: it shares no transaction, and has no time limit
	Repeats bool // it may be run again where it is not known whether it was run

	text     string
	prepare  bool // when it is first used
	mu       sync.Mutex
	prepared atomic.Pointer[sql.Stmt]
}

// Statement returns a statement that is run often. It belongs to the DB, which
// closes it, and is to be made before the DB is used.
func (db *DB) Statement(text string) *Statement {
	st := &Statement{Pool: db.Pool, text: db.Dialect.placeholders(text), prepare: !db.NoPrepare}
	db.statements = append(db.statements, st)
	return st
}

// Once returns a statement that is run now and then, and may take long.
func (db *DB) Once(text string) *Statement {
	return &Statement{Pool: db.Pool, text: db.Dialect.placeholders(text), Alone: true}
}

// Ready prepares the statement if it is one to prepare.
func (st *Statement) Ready(ctx context.Context) error {
	if !st.prepare {
		return nil
	}
	_, err := st.get(ctx)
	return err
}

func (st *Statement) get(ctx context.Context) (*sql.Stmt, error) {
	if p := st.prepared.Load(); p != nil {
		return p, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := st.prepared.Load(); p != nil {
		return p, nil
	}
	p, err := st.Pool.PrepareContext(ctx, st.text)
	if err == nil {
		st.prepared.Store(p)
	}
	return p, err
}

// Exec runs a statement that writes, once, and returns the number of rows it
// changed.
func (st *Statement) Exec(ctx context.Context, args []any) (int64, error) {
	if !st.prepare {
		return affected(st.Pool.ExecContext(ctx, st.text, args...))
	}
	p, err := st.get(ctx)
	if err != nil {
		return 0, err
	}
	return affected(p.ExecContext(ctx, args...))
}

// ExecIn is Exec as part of a transaction, for a statement that is ready.
func (st *Statement) ExecIn(ctx context.Context, tx *sql.Tx, args []any) (int64, error) {
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

func (st *Statement) query(ctx context.Context, args []any) (*sql.Rows, error) {
	if !st.prepare {
		return st.Pool.QueryContext(ctx, st.text, args...)
	}
	p, err := st.get(ctx)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}
