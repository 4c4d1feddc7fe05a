package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/opendb"
	"sessionengine/internal/openredis"
	"sessionengine/redisstore"
	"sessionengine/session"
)

// databaseVariable is the environment variable that stands in for -db.
const databaseVariable = "SESSIONCTL_DB"

// database is a database as the flags tell it.
type database struct {
	url    string
	table  string
	prefix string
}

func databaseFlags(flags *flag.FlagSet) *database {
	d := new(database)
	flags.StringVar(&d.url, "db", "", "the `URL` of the database; by default, what "+databaseVariable+" says")
	flags.StringVar(&d.table, "table", "django_session", "the `name` of the table")
	flags.StringVar(&d.prefix, "prefix", "se", "in Redis, the `text` that the keys begin with")
	return d
}

// text returns the URL as it was given.
func (d *database) text(sys *system) string {
	if d.url != "" {
		return d.url
	}
	return sys.getenv(databaseVariable)
}

// isRedis reports whether the sessions are in Redis or Valkey, and not in a table.
func (d *database) isRedis(sys *system) bool { return openredis.Is(d.text(sys)) }

// redis parses the URL of Redis or Valkey.
func (d *database) redis(sys *system) (openredis.Server, error) {
	server, err := openredis.Parse(d.text(sys))
	if err != nil {
		return server, usagef("the database's URL: %v", err)
	}
	return server, nil
}

// openRedis opens a store in Redis or Valkey.
func (d *database) openRedis(ctx context.Context, sys *system, owners bool) (*redisstore.Store, error) {
	server, err := d.redis(sys)
	if err != nil {
		return nil, err
	}
	store, err := redisstore.Open(ctx, server.URL, redisstore.Options{Prefix: d.prefix, Owners: owners,
		Logger: slog.New(slog.DiscardHandler)})
	return store, server.Error(err)
}

// sessions is a store of either engine.
type sessions interface {
	session.SessionStore
	session.CookieNamer
	session.OwnerEnder
	session.OwnerLister
	io.Closer
}

// openOwners opens a store that notes owners.
func (d *database) openOwners(ctx context.Context, sys *system) (sessions, error) {
	if d.isRedis(sys) {
		return orNil(d.openRedis(ctx, sys, true))
	}
	return orNil(d.open(ctx, sys, dbstore.Options{Owners: true}))
}

// orNil returns a nil interface with an error, in the place of a nil pointer.
func orNil[S sessions](store S, err error) (sessions, error) {
	if err != nil {
		return nil, err
	}
	return store, nil
}

// open opens the database as it is. Nothing in it is created or changed by
// that.
func (d *database) open(ctx context.Context, sys *system, opts dbstore.Options) (*dbstore.Store, error) {
	parsed, err := d.parse(sys)
	if err != nil {
		return nil, err
	}
	opts.Table = d.table
	switch parsed.Dialect {
	case dbstore.SQLite:
		// Not sqlite.Open, which would make a database of any path, put a table
		// into any database, and switch its journal mode.
		db, err := parsed.Open("rw")
		if err != nil {
			return nil, err
		}
		opts.OwnDB = true
		store, err := dbstore.New(db, dbstore.SQLite, opts)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return store, nil
	case dbstore.MySQL:
		return mysql.Open(ctx, parsed.Location, mysql.Options{Options: opts, MaxConns: 2})
	default:
		return postgres.Open(ctx, parsed.Location, postgres.Options{Options: opts, MaxConns: 2})
	}
}

// create opens the database, and creates the file if it is one of SQLite.
func (d *database) create(ctx context.Context, sys *system, opts dbstore.Options) (*dbstore.Store, error) {
	parsed, err := d.parse(sys)
	if err != nil {
		return nil, err
	}
	if parsed.Dialect == dbstore.SQLite {
		opts.Table = d.table
		return sqlite.Open(ctx, parsed.Location, sqlite.Options{Options: opts, Readers: 1, SyncFull: true})
	}
	return d.open(ctx, sys, opts)
}

// parse reads the URL. Errors do not quote it, since it may contain a password.
func (d *database) parse(sys *system) (opendb.Database, error) {
	text := d.text(sys)
	if text == "" {
		return opendb.Database{}, usagef("which database? Give its URL in -db or %s", databaseVariable)
	}
	parsed, err := opendb.Parse(text)
	if errors.Is(err, opendb.ErrScheme) {
		err = openredis.ErrScheme
	}
	if err != nil {
		return opendb.Database{}, usagef("the database's URL: %v", err)
	}
	return parsed, nil
}
