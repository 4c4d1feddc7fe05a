// Package postgres opens a PostgreSQL database for package dbstore, through
// github.com/jackc/pgx. It also serves databases that speak PostgreSQL's
// protocol; COMPATIBILITY.md in the folder above tells what they document of
// what the store relies on.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/failover"
	"sessionengine/internal/opendb/pgdsn"
	"sessionengine/internal/opendb/quiet"
)

// Options configures [Open]. The zero value has the default of every field.
type Options struct {
	dbstore.Options // OwnDB and NoPrepare are set by Open, and Listen unless it is set already

	// MaxConns is the largest number of connections; 0 is four for each
	// processor, and at least 16. All of the machines' together should stay
	// below the server's max_connections.
	MaxConns int
}

// Open opens the database that connString tells, a URL such as
// postgres://user:password@host/database or a list of keywords and values, with
// the settings that pgx.ParseConfig describes, and checks that it answers. Close
// closes it. Errors contain nothing of a password, neither of one with characters
// that should have been percent-encoded in a URL or put in quotes.
//
// Connections speak UTF-8, whatever the database's own encoding and connString
// say. They are kept for five minutes without use and for half an hour in
// all, and one that the server has closed is noticed before it is used, without
// asking the server. A connection attempt is given up after five seconds unless
// connString has another connect_timeout.
//
// Once the server turns out to be read-only, as after a failover, its
// connections are given up, and the statement is run again on a new one. So with
// several hosts and target_session_attrs=read-write in connString, the next
// change after the roles of two servers were swapped is made on the new primary.
//
// Statements are prepared and kept by pgx. Behind a pooler that cannot have
// that, as pgbouncer in transaction mode, Open fails unless connString says
// default_query_exec_mode=cache_describe, exec or simple_protocol.
//
// Open does not create the table: [dbstore.Store.Migrate] does.
func Open(ctx context.Context, connString string, opts Options) (*dbstore.Store, error) {
	if opts.MaxConns < 0 {
		return nil, fmt.Errorf("postgres: the number of connections is negative: %d", opts.MaxConns)
	}
	if opts.MaxConns == 0 {
		opts.MaxConns = max(16, 4*runtime.GOMAXPROCS(0))
	}
	config, secrets, err := pgdsn.Parse(connString)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config = setUp(config)
	db := open(config, opts.MaxConns)
	if err := db.PingContext(ctx); err != nil {
		err = fmt.Errorf("postgres: open: %w", quiet.Error(err, secrets...))
		if connString == "" {
			err = fmt.Errorf("%w (the connection string is empty, so the environment decided)", err)
		}
		return nil, errors.Join(err, db.Close())
	}
	if err := checkPooler(ctx, db, config); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: open: %w", quiet.Error(err, secrets...)), db.Close())
	}
	opts.OwnDB = true
	opts.NoPrepare = true
	if opts.Listen == nil {
		opts.Listen = listen(config, secrets)
	}
	store, err := dbstore.New(db, dbstore.Postgres, opts.Options)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// poolCount is where a connection keeps the count of its [failover.Pool].
const poolCount = "sessionengine pool count"

// setUp completes how connections are made.
func setUp(config *pgx.ConnConfig) *pgx.ConnConfig {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if name := config.RuntimeParams["application_name"]; name == "" {
		config.RuntimeParams["application_name"] = "sessionengine"
	}
	// The driver sends UTF-8 whatever the database's own encoding is.
	config.RuntimeParams["client_encoding"] = "UTF8"
	// A peer that is gone without a word is given up after half a minute.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	config.DialFunc = dialer.DialContext
	return config
}

func open(config *pgx.ConnConfig, maxConns int) *sql.DB {
	// The first connection that turns out useless takes the others with it, so
	// that not each of them costs a visitor an error. The driver closes those
	// whose error is FATAL.
	config = config.Copy() // connections besides the pool's have none
	var pool failover.Pool
	onError := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		switch err.Code {
		case "25006": // read-only: it has become a standby
			if count, ok := conn.CustomData()[poolCount].(int); ok {
				pool.Empty(count)
			}
			return false
		case "25P02", "26000", "42P05": // in a failed transaction, or without what was prepared there
			return false
		}
		return onError(conn, err)
	}
	db := stdlib.OpenDB(*config,
		stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
			conn.PgConn().CustomData()[poolCount] = pool.Count()
			return nil
		}),
		// Unless told otherwise, the driver asks the server after each second
		// of idleness: a second round trip for most requests of a quiet site.
		stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }),
		stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
			if conn.PgConn().CustomData()[poolCount] != pool.Count() || !alive(conn.PgConn().Conn()) {
				return driver.ErrBadConn
			}
			return nil
		}),
	)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db
}
