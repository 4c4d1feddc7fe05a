// Package sqltap stands between database/sql and a driver: it counts what is
// sent to a database, lets others see it, and can have it fail.
package sqltap

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
)

// A Tap counts what a driver is asked to send. Each is a round trip where the
// database is a server. The zero value is ready for use; the functions are set
// before.
type Tap struct {
	Statements atomic.Int64 // executed
	Others     atomic.Int64 // prepared, begun, committed, rolled back; pings are not counted

	// Fail, unless nil, is asked before each statement: an error is returned
	// in its place.
	Fail func(query string) error

	// RoundTrip, unless nil, is called before whatever is sent.
	RoundTrip func()

	// Before, unless nil, is called before each statement.
	Before func(query string, args []driver.NamedValue)
}

// Open is sql.Open with the tap in between.
func (t *Tap) Open(driverName, dataSource string) (*sql.DB, error) {
	db, err := sql.Open(driverName, dataSource)
	if err != nil {
		return nil, err
	}
	inner := db.Driver()
	if err := db.Close(); err != nil {
		return nil, err
	}
	var connector driver.Connector = dataSourceConnector{inner, dataSource}
	if d, ok := inner.(driver.DriverContext); ok {
		if connector, err = d.OpenConnector(dataSource); err != nil {
			return nil, err
		}
	}
	return sql.OpenDB(t.Wrap(connector)), nil
}

// dataSourceConnector connects through a driver that has no connectors itself.
type dataSourceConnector struct {
	driver driver.Driver
	name   string
}

func (c dataSourceConnector) Connect(context.Context) (driver.Conn, error) {
	return c.driver.Open(c.name)
}
func (c dataSourceConnector) Driver() driver.Driver { return c.driver }

// Wrap returns a connector with the tap in between.
func (t *Tap) Wrap(inner driver.Connector) driver.Connector { return &connector{inner, t} }

func (t *Tap) roundTrip() {
	if t.RoundTrip != nil {
		t.RoundTrip()
	}
}

// other notes what is no statement.
func (t *Tap) other() {
	t.Others.Add(1)
	t.roundTrip()
}

func (t *Tap) statement(query string, args []driver.NamedValue) error {
	t.Statements.Add(1)
	t.roundTrip()
	if t.Before != nil {
		t.Before(query, args)
	}
	if t.Fail != nil {
		return t.Fail(query)
	}
	return nil
}

type connector struct {
	driver.Connector
	tap *Tap
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(contextConn)
	if !ok {
		inner.Close()
		return nil, fmt.Errorf("sqltap: the connections of %T do without contexts", c.Driver())
	}
	return &conn{full, c.tap}, nil
}

// contextConn is what today's drivers implement and database/sql makes use of.
type contextConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type conn struct {
	contextConn
	tap *Tap
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.tap.statement(query, args); err != nil {
		return nil, err
	}
	return c.contextConn.ExecContext(ctx, query, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.tap.statement(query, args); err != nil {
		return nil, err
	}
	return c.contextConn.QueryContext(ctx, query, args)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.tap.other()
	inner, err := c.contextConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(contextStmt)
	if !ok {
		inner.Close()
		return nil, fmt.Errorf("sqltap: a %T does without contexts", inner)
	}
	return &stmt{full, c, query}, nil
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.tap.other()
	inner, err := c.contextConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{inner, c.tap}, nil
}

// The interfaces that a connection may have or not.

func (c *conn) Ping(ctx context.Context) error {
	if pinger, ok := c.contextConn.(driver.Pinger); ok {
		return pinger.Ping(ctx)
	}
	return nil
}

func (c *conn) ResetSession(ctx context.Context) error {
	if resetter, ok := c.contextConn.(driver.SessionResetter); ok {
		return resetter.ResetSession(ctx)
	}
	return nil
}

func (c *conn) IsValid() bool {
	validator, ok := c.contextConn.(driver.Validator)
	return !ok || validator.IsValid()
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.contextConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip // database/sql then converts the value itself
}

type contextStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	contextStmt
	conn  *conn
	query string
}

func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.contextStmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.tap.statement(s.query, args); err != nil {
		return nil, err
	}
	return s.contextStmt.ExecContext(ctx, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.tap.statement(s.query, args); err != nil {
		return nil, err
	}
	return s.contextStmt.QueryContext(ctx, args)
}

type tx struct {
	driver.Tx
	tap *Tap
}

func (t *tx) Commit() error {
	t.tap.other()
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	t.tap.other()
	return t.Tx.Rollback()
}
