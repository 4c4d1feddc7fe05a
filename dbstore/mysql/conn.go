package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"

	"sessionengine/dbstore/internal/failover"
)

// connector makes connections that are not used again once the server has said
// that it will not serve them.
type connector struct {
	driver.Connector
	pool failover.Pool
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	count := c.pool.Count()
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{fullConn: inner.(fullConn), pool: &c.pool, count: count}, nil
}

// fullConn is what the driver's connections implement.
type fullConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	fullConn
	pool    *failover.Pool
	count   int
	useless bool
}

// note looks at the error of a statement, and returns it.
func (c *conn) note(err error) error {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return err
	}
	switch e.Number {
	case 1047, 1053, 1290, 1792, 1836, 3168:
		// The server is outside its cluster, shuts down, is read-only or not
		// available; it will say so on its other connections, too.
		c.pool.Empty(c.count)
		c.useless = true
	case 1927, 3169, 4031: // this connection was killed, or idle for too long
		c.useless = true
	}
	return err
}

// IsValid is asked when the connection goes back to the pool, ResetSession when
// it is taken out.
func (c *conn) IsValid() bool { return !c.useless && c.fullConn.IsValid() }

func (c *conn) ResetSession(ctx context.Context) error {
	if c.count != c.pool.Count() {
		return driver.ErrBadConn
	}
	return c.fullConn.ResetSession(ctx)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.fullConn.ExecContext(ctx, query, args)
	return result, c.note(err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.fullConn.QueryContext(ctx, query, args)
	return rows, c.note(err)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.note(err)
	}
	return &stmt{inner.(fullStmt), c}, nil
}

// fullStmt is what the driver's statements implement.
type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type stmt struct {
	fullStmt
	conn *conn
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.fullStmt.ExecContext(ctx, args)
	return result, s.conn.note(err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.fullStmt.QueryContext(ctx, args)
	return rows, s.conn.note(err)
}

// isGalera reports whether the server is a node of a Galera cluster.
func isGalera(ctx context.Context, db *sql.DB) bool {
	var name, value string
	err := db.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'wsrep_on'").Scan(&name, &value)
	return err == nil && value == "ON" // there is no such variable elsewhere
}
