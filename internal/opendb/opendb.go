// Package opendb opens databases that are given as URLs on a command line.
package opendb

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb/mysqldsn"
	"sessionengine/internal/opendb/pgdsn"
	"sessionengine/internal/opendb/quiet"
	"sessionengine/internal/opendb/sqlitedsn"
)

// A Database is a database as its URL tells it. Printing it may show a password.
type Database struct {
	Dialect dbstore.Dialect

	// Location is the path of an SQLite database, or the URL of a server.
	Location string
}

// Is reports whether text begins as a database's URL does.
func Is(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	return ok && dialects[scheme] != 0
}

var dialects = map[string]dbstore.Dialect{
	"sqlite":     dbstore.SQLite,
	"postgres":   dbstore.Postgres,
	"postgresql": dbstore.Postgres,
	"mysql":      dbstore.MySQL,
}

// ErrScheme is what [Parse] says of a text that is no URL of any database.
var ErrScheme = errors.New("the URL of a database begins with sqlite:, postgres:// or mysql://")

// Parse reads the URL of a database, which is one of
//
//	sqlite:PATH, sqlite:///PATH, sqlite:////PATH
//	postgres://user:password@host/database, with what else pgx takes
//	mysql://user:password@host/database?param=value, as package mysql takes it
//
// After "sqlite:" every character is part of the path; after "sqlite://" the
// path is absolute, however many slashes it begins with. Errors do not quote the
// URL, which may contain a password.
func Parse(text string) (Database, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	d := Database{Dialect: dialects[scheme], Location: text}
	var err error
	switch d.Dialect {
	case dbstore.SQLite:
		d.Location, err = sqlitePath(rest)
	case dbstore.Postgres:
		if !strings.HasPrefix(rest, "//") {
			err = errors.New("the URL begins with postgres://")
		} else {
			_, _, err = pgdsn.Parse(text)
		}
	case dbstore.MySQL:
		if !strings.HasPrefix(rest, "//") {
			err = errors.New("the URL begins with mysql://")
		} else {
			_, _, err = mysqldsn.Parse(text)
		}
	default:
		return Database{}, ErrScheme
	}
	if err != nil {
		return Database{}, fmt.Errorf("that is no URL of %v: %w", d.Dialect, err)
	}
	return d, nil
}

func sqlitePath(rest string) (string, error) {
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return "", errors.New("it is sqlite:PATH, or sqlite:// with a path that begins with a slash")
		}
		rest = after
	}
	if rest == "" || rest == ":memory:" {
		return "", errors.New("it needs the path of a file")
	}
	if strings.HasPrefix(rest, "//") {
		rest = "/" + strings.TrimLeft(rest, "/")
	}
	return rest, nil
}

func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return &oneLineError{err}
}

type oneLineError struct{ error }

func (e *oneLineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e *oneLineError) Unwrap() error { return e.error }

// Exists returns an error if the database is a file that is not there.
func (d Database) Exists() error {
	if d.Dialect != dbstore.SQLite {
		return nil
	}
	_, err := os.Stat(d.Location)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", d.Location, err)
	}
	return nil
}

// Source returns what sql.Open takes for the database. An SQLite file is opened
// in that mode, "ro" or "rw".
func (d Database) Source(mode string) (driver, dataSource string) {
	switch d.Dialect {
	case dbstore.SQLite:
		return "sqlite", sqlitedsn.File(d.Location, url.Values{"mode": {mode}, "_pragma": {"busy_timeout(250)"}})
	case dbstore.Postgres:
		return "pgx", d.Location
	}
	config, _, err := mysqldsn.Parse(d.Location)
	if err != nil {
		return "mysql", "" // Parse has succeeded, so it cannot fail
	}
	return "mysql", config.FormatDSN()
}

// Open opens a pool of connections, of one for SQLite. Nothing has been sent to
// the database yet.
func (d Database) Open(mode string) (*sql.DB, error) {
	if err := d.Exists(); err != nil {
		return nil, err
	}
	db, err := sql.Open(d.Source(mode))
	if err != nil {
		return nil, d.Error(err)
	}
	if d.Dialect == dbstore.SQLite {
		db.SetMaxOpenConns(1)
	}
	return db, nil
}

// Error returns an error of the database in one line, which pgx's are not, and
// without any part of a password.
func (d Database) Error(err error) error {
	var secrets []string
	switch d.Dialect {
	case dbstore.Postgres:
		_, secrets, _ = pgdsn.Parse(d.Location)
	case dbstore.MySQL:
		_, secrets, _ = mysqldsn.Parse(d.Location)
	}
	return oneLine(quiet.Error(err, secrets...))
}

// Quote returns the name of a table, or of a schema and a table with a dot in
// between, as it stands in a statement; it is an error if that could be anything
// but a name.
func (d Database) Quote(table string) (string, error) {
	quote := `"`
	if d.Dialect == dbstore.MySQL {
		quote = "`"
	}
	parts := strings.Split(table, ".")
	if len(parts) > 2 {
		return "", fmt.Errorf("%q is no name of a table", table)
	}
	for i, part := range parts {
		if part == "" || strings.ContainsAny(part, "\"`'\x00\\") {
			return "", fmt.Errorf("%q is no name of a table", table)
		}
		parts[i] = quote + part + quote
	}
	return strings.Join(parts, "."), nil
}
