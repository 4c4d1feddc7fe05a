// Package sqlkit is what the packages that keep something in a SQL database have
// in common: the differences between databases, what their errors mean, and when
// a statement is run again.
//
// Statements are written with question marks, whatever the database.
package sqlkit

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"sync"
	"time"

	"sessionengine/session"
)

// Config says how a package uses a database.
type Config struct {
	Package string // its name, with which errors begin
	Pool    *sql.DB
	Dialect Dialect

	// Timeout bounds each statement, with the wait for a connection and for
	// locks, and what is run again. A context that cannot end, such as
	// context.Background, is taken at its word: a context that can end costs
	// database/sql and the drivers a goroutine each. Then only trying again is
	// bounded.
	Timeout time.Duration

	// NoPrepare sends each statement as it is, instead of preparing it once for
	// each connection.
	NoPrepare bool

	// Local says that no other machine is asked, and that a statement takes
	// microseconds: watching a context meanwhile takes longer than that, and a
	// write that cannot be interrupted is not left in doubt. Waiting, before it
	// and between attempts, does end with the context.
	Local bool

	// Write, unless nil, runs the statements that write, each attempt once.
	Write func(ctx context.Context, st *Statement, args []any) (int64, error)
}

// DB is a database as a package uses it. It is safe for concurrent use.
type DB struct {
	Config

	// Closing ends when Close is called; whatever waits has to go on then.
	Closing context.Context
	stop    context.CancelFunc

	// Background are goroutines that Close waits for.
	Background sync.WaitGroup

	statements []*Statement

	mu     sync.RWMutex // read-locked by every operation
	closed bool
}

// New returns a DB, and does not use the database yet.
func New(config Config) *DB {
	db := &DB{Config: config}
	db.Closing, db.stop = context.WithCancel(context.Background())
	return db
}

// Begin begins an operation, for which Close waits until End is called. After
// Close it returns [session.ErrClosed], and End must not be called.
func (db *DB) Begin() error {
	db.mu.RLock()
	if db.closed {
		db.mu.RUnlock()
		return session.ErrClosed
	}
	return nil
}

// End ends an operation.
func (db *DB) End() { db.mu.RUnlock() }

// Close waits for the operations under way and releases what was prepared, which
// fails on connections that are broken, and is of no concern. The pool stays open.
func (db *DB) Close() {
	db.stop()
	db.mu.Lock()
	db.closed = true
	db.mu.Unlock()
	db.Background.Wait()
	for _, st := range db.statements {
		if p := st.prepared.Swap(nil); p != nil {
			p.Close()
		}
	}
}

// Exec runs a statement that writes, again after an error that asks for it, and
// returns the number of rows it changed.
func (db *DB) Exec(ctx context.Context, st *Statement, args ...any) (n int64, err error) {
	err = db.try(ctx, st, st.Repeats, func(ctx context.Context) (err error) {
		if db.Write != nil {
			n, err = db.Write(ctx, st, args)
		} else {
			n, err = st.Exec(ctx, args)
		}
		return err
	})
	return n, err
}

// Collect runs a statement that reads, again after an error that asks for it, and
// returns what scan makes of each of its rows.
func Collect[T any](ctx context.Context, db *DB, st *Statement, args []any, scan func(*sql.Rows) (T, error)) (
	found []T, err error) {
	err = db.try(ctx, st, true, func(ctx context.Context) error {
		if db.Local && !st.Alone {
			ctx = context.WithoutCancel(ctx)
		}
		rows, err := st.query(ctx, args)
		if err != nil {
			return err
		}
		defer rows.Close()
		found = nil
		for rows.Next() {
			one, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, one)
		}
		return rows.Err()
	})
	return found, err
}

// Value returns the value of one column and one row that a statement reads, or
// [sql.ErrNoRows].
func Value[T any](ctx context.Context, db *DB, st *Statement, args ...any) (value T, err error) {
	found, err := Collect(ctx, db, st, args, One[T])
	if err == nil && len(found) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return value, err
	}
	return found[0], nil
}

// One scans a row of one column.
func One[T any](rows *sql.Rows) (one T, err error) {
	err = rows.Scan(&one)
	return one, err
}

// try calls run, and again after an error that asks for it.
func (db *DB) try(ctx context.Context, st *Statement, repeats bool, run func(context.Context) error) error {
	if !st.Alone && !db.Local && ctx.Done() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.Timeout)
		defer cancel()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for r := (retry{}); ; {
		if err := run(ctx); err == nil || !r.again(ctx, db, err, repeats) {
			return err
		}
	}
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
func (r *retry) again(ctx context.Context, db *DB, err error, repeats bool) bool {
	switch class, _ := Classify(db.Dialect, err); class {
	case Transient:
	case Moved, Lost:
		if r.moves++; r.moves > maxMoves || class == Lost && !repeats || ctx.Err() != nil {
			return false
		}
	default:
		return false
	}
	if r.since.IsZero() {
		r.since = time.Now()
		r.delay = time.Millisecond
	} else if time.Since(r.since) > db.Timeout {
		return false
	}
	// Writers that collided should not meet again.
	wait := r.delay/2 + rand.N(r.delay)
	r.delay = min(2*r.delay, 100*time.Millisecond)
	return Pause(ctx, wait) == nil && db.Closing.Err() == nil
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Repeat calls f, now and then every interval, a tenth more or less at random so
// that several machines do not stay in step, until ctx ends or f returns false.
func Repeat(ctx context.Context, interval time.Duration, f func() bool) {
	for f() && Pause(ctx, interval-interval/10+rand.N(interval/5+1)) == nil {
	}
}
