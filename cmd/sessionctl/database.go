package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
)

// databaseVariable is the environment variable that stands in for -db.
const databaseVariable = "SESSIONCTL_DB"

// database is a database as the flags tell it.
type database struct {
	url   string
	table string
}

func databaseFlags(flags *flag.FlagSet) *database {
	d := new(database)
	flags.StringVar(&d.url, "db", "", "the `URL` of the database; by default, what "+databaseVariable+" says")
	flags.StringVar(&d.table, "table", "django_session", "the `name` of the table")
	return d
}

// open opens the database as it is. Nothing in it is created or changed by
// that.
func (d *database) open(ctx context.Context, sys *system, opts dbstore.Options) (*dbstore.Store, error) {
	scheme, rest, err := d.parse(sys)
	if err != nil {
		return nil, err
	}
	opts.Table = d.table
	switch scheme {
	case "sqlite":
		return openSQLite(rest, opts)
	case "mysql":
		return mysql.Open(ctx, rest, mysql.Options{Options: opts, MaxConns: 2})
	default:
		return postgres.Open(ctx, rest, postgres.Options{Options: opts, MaxConns: 2})
	}
}

// create opens the database, and creates the file if it is one of SQLite.
func (d *database) create(ctx context.Context, sys *system, opts dbstore.Options) (*dbstore.Store, error) {
	scheme, rest, err := d.parse(sys)
	if err != nil {
		return nil, err
	}
	if scheme == "sqlite" {
		opts.Table = d.table
		return sqlite.Open(ctx, rest, sqlite.Options{Options: opts, Readers: 1, SyncFull: true})
	}
	return d.open(ctx, sys, opts)
}

// parse returns the URL's scheme, and with it the path of an SQLite database or
// the whole URL of a server. Errors do not quote the URL, which may contain a
// password.
func (d *database) parse(sys *system) (scheme, rest string, err error) {
	text := d.url
	if text == "" {
		text = sys.getenv(databaseVariable)
	}
	if text == "" {
		return "", "", usagef("which database? Give its URL in -db or %s", databaseVariable)
	}
	scheme, rest, _ = strings.Cut(text, ":")
	switch scheme {
	case "sqlite":
		if after, ok := strings.CutPrefix(rest, "//"); ok {
			if !strings.HasPrefix(after, "/") {
				return "", "", usagef("the database's URL: sqlite:PATH, or sqlite:// with a path that begins with a slash")
			}
			rest = after
		}
		if rest == "" || rest == ":memory:" {
			return "", "", usagef("the database's URL: sqlite: needs the path of a file")
		}
		return scheme, rest, nil
	case "postgres", "postgresql", "mysql":
		if !strings.HasPrefix(rest, "//") {
			return "", "", usagef("the database's URL: %s:// and the rest of it", scheme)
		}
		return scheme, text, nil
	}
	return "", "", usagef("the database's URL has to begin with sqlite:, postgres:// or mysql://")
}

// openSQLite opens the database in a file that is there. It is not sqlite.Open,
// which would make one of any path, put a table into any database, and switch
// its journal mode.
func openSQLite(path string, opts dbstore.Options) (*dbstore.Store, error) {
	if _, err := os.Stat(path); err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(250)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(1)
	opts.OwnDB = true
	store, err := dbstore.New(db, dbstore.SQLite, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}
