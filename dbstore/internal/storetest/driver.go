package storetest

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
)

// Calls counts what a driver is asked to send. Each is a round trip where the
// database is a server.
type Calls struct {
	Statements atomic.Int64 // executed
	Others     atomic.Int64 // prepared, begun, committed, rolled back, pinged

	// Fail, unless nil, is asked before each statement: an error is returned
	// in its place.
	Fail func(query string) error

	// Before, unless nil, is called before each statement.
	Before func(query string, args []driver.NamedValue)
}

// Wrap returns a connector whose connections count.
func (c *Calls) Wrap(inner driver.Connector) driver.Connector { return &connector{inner, c} }

func (c *Calls) statement(query string, args []driver.NamedValue) error {
	c.Statements.Add(1)
	if c.Before != nil {
		c.Before(query, args)
	}
	if c.Fail != nil {
		return c.Fail(query)
	}
	return nil
}

type connector struct {
	driver.Connector
	calls *Calls
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{inner.(fullConn), c.calls}, nil
}

// fullConn is what the connections of all three drivers implement.
type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Pinger
}

type conn struct {
	fullConn
	calls *Calls
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.calls.statement(query, args); err != nil {
		return nil, err
	}
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.calls.statement(query, args); err != nil {
		return nil, err
	}
	return c.fullConn.QueryContext(ctx, query, args)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.calls.Others.Add(1)
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{inner.(fullStmt), c, query}, nil
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.calls.Others.Add(1)
	inner, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c.calls}, nil
}

func (c *conn) Ping(ctx context.Context) error {
	c.calls.Others.Add(1)
	return c.fullConn.Ping(ctx)
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	fullStmt
	conn  *conn
	query string
}

func (s *stmt) CheckNamedValue(v *driver.NamedValue) error { return s.conn.CheckNamedValue(v) }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.calls.statement(s.query, args); err != nil {
		return nil, err
	}
	return s.fullStmt.ExecContext(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.calls.statement(s.query, args); err != nil {
		return nil, err
	}
	return s.fullStmt.QueryContext(ctx, args)
}

type tx struct {
	driver.Tx
	calls *Calls
}

func (t *tx) Commit() error {
	t.calls.Others.Add(1)
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	t.calls.Others.Add(1)
	return t.Tx.Rollback()
}
