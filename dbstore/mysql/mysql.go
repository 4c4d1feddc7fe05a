// Package mysql opens a MySQL or MariaDB database for package dbstore, through
// github.com/go-sql-driver/mysql. It also serves databases that speak MySQL's
// protocol; COMPATIBILITY.md in the folder above tells what they document of
// what the store relies on.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/go-sql-driver/mysql"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb/mysqldsn"
	"sessionengine/internal/opendb/quiet"
)

// Options configures [Open]. The zero value has the default of every field.
type Options struct {
	dbstore.Options // OwnDB is set by Open

	// MaxConns is the largest number of connections; 0 is four for each
	// processor, and at least 16. All of the machines' together should stay
	// below the server's max_connections.
	MaxConns int
}

// Open opens the database that dsn tells, and checks that it answers. The DSN
// is the driver's, user:password@tcp(host:3306)/database?param=value, or a URL,
// mysql://user:password@host/database?param=value, in which the host and the port
// may be left out, and unix_socket is a parameter for the path of a socket. Close
// closes the database. Errors contain nothing of a password.
//
// Whatever dsn says, connections speak utf8mb4, commit each statement, report
// the rows that an update found, and are given up once the server turns out to
// be read-only, as after a failover. Unless it says otherwise, SQL is strict, so
// that nothing is cut off to fit, and a connection attempt is given up after
// five seconds. Connections are kept for five minutes without use and for half
// an hour in all, and one that the server has closed is noticed before it is
// used.
//
// A statement that a read-only server has refused, one that shuts down or a
// node that is not part of its Galera cluster, is run again on a new connection:
// whatever stands for several servers, a virtual address, a name or a proxy, may
// lead it to another one. On a Galera cluster, connections wait for what other
// nodes have committed (wsrep_sync_wait=7, unless dsn sets it).
//
// Open does not create the table: [dbstore.Store.Migrate] does.
func Open(ctx context.Context, dsn string, opts Options) (*dbstore.Store, error) {
	if dsn == "" {
		return nil, errors.New("mysql: the data source name is empty")
	}
	if opts.MaxConns < 0 {
		return nil, fmt.Errorf("mysql: the number of connections is negative: %d", opts.MaxConns)
	}
	if opts.MaxConns == 0 {
		opts.MaxConns = max(16, 4*runtime.GOMAXPROCS(0))
	}
	config, secrets, err := mysqldsn.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	db, err := open(config, opts)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", quiet.Error(err, secrets...))
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("mysql: open: %w", quiet.Error(err, secrets...)), db.Close())
	}
	if _, ok := config.Params[syncWait]; !ok && isGalera(ctx, db) {
		db.Close()
		config.Params[syncWait] = "7" // for reads, updates and inserts
		if db, err = open(config, opts); err != nil {
			return nil, fmt.Errorf("mysql: %w", quiet.Error(err, secrets...))
		}
	}
	opts.OwnDB = true
	store, err := dbstore.New(db, dbstore.MySQL, opts.Options)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// syncWait is the variable with which a node of a Galera cluster waits, before
// it runs a statement, until it has what the others have committed: without, a
// visitor who logged in through another node would be logged out again.
const syncWait = "wsrep_sync_wait"

func open(config *mysql.Config, opts Options) (*sql.DB, error) {
	config.ClientFoundRows = true
	config.RejectReadOnly = false // conn sees to it, and keeps the error
	config.CheckConnLiveness = true
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	config.Logger = logger{opts.Logger}
	if config.Timeout == 0 {
		config.Timeout = 5 * time.Second
	}
	if config.Params == nil {
		config.Params = make(map[string]string)
	}
	config.Params["autocommit"] = "1"
	if config.Params["sql_mode"] == "" {
		config.Params["sql_mode"] = "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
	}
	if err := config.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, err
	}
	inner, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&connector{Connector: inner})
	db.SetMaxOpenConns(opts.MaxConns)
	db.SetMaxIdleConns(opts.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, nil
}

// logger passes on what the driver reports of its connections, which is nothing
// that a request has to know.
type logger struct{ log *slog.Logger }

func (l logger) Print(v ...any) {
	l.log.Warn("mysql connection: " + fmt.Sprint(v...))
}
