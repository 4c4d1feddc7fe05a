package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
)

// A Counter counts what goes to a database: each statement that is executed or
// prepared, and each begin, commit and rollback, since each is a round trip
// where the database is a server. The zero value is ready for use.
type Counter struct{ n atomic.Int64 }

// Count returns how many there were so far.
func (c *Counter) Count() int64 { return c.n.Load() }

// Add counts n more, for an engine whose database is not opened by OpenDB.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// OpenDB is sql.Open with a counted connection. A nil Counter counts nothing and
// puts nothing in between.
func (c *Counter) OpenDB(driverName, dataSource string) (*sql.DB, error) {
	db, err := sql.Open(driverName, dataSource)
	if err != nil || c == nil {
		return db, err
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
	return sql.OpenDB(countingConnector{connector, c}), nil
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

type countingConnector struct {
	driver.Connector
	count *Counter
}

func (c countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(contextConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("bench: the connections of %T do without contexts and cannot be counted", c.Driver())
	}
	return &countingConn{full, c.count}, nil
}

// contextConn is what today's drivers implement and database/sql makes use of.
type contextConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.ConnPrepareContext
	driver.ConnBeginTx
}

type contextStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// countingConn passes everything on, and counts.
type countingConn struct {
	contextConn
	count *Counter
}

func (c *countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.count.n.Add(1)
	return c.contextConn.ExecContext(ctx, query, args)
}

func (c *countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.count.n.Add(1)
	return c.contextConn.QueryContext(ctx, query, args)
}

func (c *countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.count.n.Add(1)
	stmt, err := c.contextConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	full, ok := stmt.(contextStmt)
	if !ok {
		stmt.Close()
		return nil, fmt.Errorf("bench: a %T does without contexts and cannot be counted", stmt)
	}
	return &countingStmt{full, c.count}, nil
}

func (c *countingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.count.n.Add(1)
	tx, err := c.contextConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &countingTx{tx, c.count}, nil
}

// The interfaces that a connection may have or not.

func (c *countingConn) Ping(ctx context.Context) error {
	if conn, ok := c.contextConn.(driver.Pinger); ok {
		return conn.Ping(ctx)
	}
	return nil
}

func (c *countingConn) ResetSession(ctx context.Context) error {
	if conn, ok := c.contextConn.(driver.SessionResetter); ok {
		return conn.ResetSession(ctx)
	}
	return nil
}

func (c *countingConn) IsValid() bool {
	conn, ok := c.contextConn.(driver.Validator)
	return !ok || conn.IsValid()
}

func (c *countingConn) CheckNamedValue(v *driver.NamedValue) error {
	if conn, ok := c.contextConn.(driver.NamedValueChecker); ok {
		return conn.CheckNamedValue(v)
	}
	return driver.ErrSkip // database/sql then converts the value itself
}

type countingStmt struct {
	contextStmt
	count *Counter
}

func (s *countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.count.n.Add(1)
	return s.contextStmt.ExecContext(ctx, args)
}

func (s *countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.count.n.Add(1)
	return s.contextStmt.QueryContext(ctx, args)
}

func (s *countingStmt) CheckNamedValue(v *driver.NamedValue) error {
	if stmt, ok := s.contextStmt.(driver.NamedValueChecker); ok {
		return stmt.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type countingTx struct {
	driver.Tx
	count *Counter
}

func (t *countingTx) Commit() error   { t.count.n.Add(1); return t.Tx.Commit() }
func (t *countingTx) Rollback() error { t.count.n.Add(1); return t.Tx.Rollback() }
