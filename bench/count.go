package bench

import (
	"database/sql"
	"sync/atomic"

	"sessionengine/internal/sqltap"
)

// A Counter counts what goes to a database: each statement that is executed or
// prepared, and each begin, commit and rollback, since each is a round trip
// where the database is a server. The zero value is ready for use.
type Counter struct {
	// RoundTrip, unless nil, is called for each of them before it is sent. It is
	// set before the Counter is used.
	RoundTrip func()

	tap  sqltap.Tap
	more atomic.Int64
}

// Count returns how many there were so far.
func (c *Counter) Count() int64 {
	return c.tap.Statements.Load() + c.tap.Others.Load() + c.more.Load()
}

// Add counts n more, for an engine whose database is not opened by OpenDB.
func (c *Counter) Add(n int64) {
	c.more.Add(n)
	for ; c.RoundTrip != nil && n > 0; n-- {
		c.RoundTrip()
	}
}

// OpenDB is sql.Open with a counted connection. A nil Counter counts nothing and
// puts nothing in between.
func (c *Counter) OpenDB(driverName, dataSource string) (*sql.DB, error) {
	if c == nil {
		return sql.Open(driverName, dataSource)
	}
	c.tap.RoundTrip = c.RoundTrip
	return c.tap.Open(driverName, dataSource)
}
