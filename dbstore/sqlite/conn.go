package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

var errReplaced = errors.New("the file was removed or replaced while it was open, and nothing is saved until it is" +
	" back or opened again")

// connector opens connections to the file that was there when the store was
// opened, and to no other.
type connector struct {
	dsn  string
	path string      // or "", if there is no file
	info os.FileInfo // of the file

	reads   bool         // the connections only read
	checked atomic.Int64 // when moved looked, in nanoseconds
}

// checkInterval is how long readers rely on the file's being there. Looking takes
// microseconds, which are much of a read, and little of a write.
const checkInterval = 100 * time.Millisecond

// moved is check, at most once in checkInterval if the connections only read.
func (c *connector) moved() bool {
	if c.reads {
		now := time.Now().UnixNano()
		if last := c.checked.Load(); now-last < int64(checkInterval) && now >= last {
			return false
		}
		c.checked.Store(now)
	}
	return c.check() != nil
}

// check returns an error if the file is not the one that was opened.
func (c *connector) check() error {
	if c.path == "" {
		return nil
	}
	info, err := os.Stat(c.path)
	if err == nil && os.SameFile(info, c.info) {
		return nil
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("sqlite: %w", err)
	}
	return fmt.Errorf("sqlite: %s: %w", c.path, errReplaced)
}

var sqliteDriver = new(sqlite.Driver)

func (c *connector) Driver() driver.Driver { return sqliteDriver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	inner, err := sqliteDriver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return &conn{inner.(fullConn), c}, nil
}

// fullConn is what the driver's connections implement.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	fullConn
	file *connector
}

// ResetSession is called before each use of a connection but the first.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.file.moved() {
		return driver.ErrBadConn // and Connect says why
	}
	return c.fullConn.ResetSession(ctx)
}
