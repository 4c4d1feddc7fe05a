// Package dburl opens databases that are given as URLs on a command line.
package dburl

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"sessionengine/dbstore"
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

// Parse reads a URL: sqlite:PATH, postgres://user:password@host/database with
// what else pgx takes, or mysql://user:password@host/database?param=value with
// the parameters of go-sql-driver/mysql. An SQLite file has to exist. Errors do
// not quote the URL, which may contain a password.
func Parse(text string) (Database, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	d := Database{Dialect: dialects[scheme], Location: text}
	switch d.Dialect {
	case dbstore.SQLite:
		if after, ok := strings.CutPrefix(rest, "//"); ok {
			if !strings.HasPrefix(after, "/") {
				return Database{}, errors.New("an SQLite database is sqlite:PATH, or sqlite:// with a path that begins with a slash")
			}
			rest = after
		}
		if rest == "" || rest == ":memory:" {
			return Database{}, errors.New("sqlite: needs the path of a file")
		}
		if _, err := os.Stat(rest); err != nil {
			if e, ok := errors.AsType[*fs.PathError](err); ok {
				err = e.Err
			}
			return Database{}, fmt.Errorf("%s: %w", rest, err)
		}
		d.Location = rest
	case dbstore.Postgres:
		if _, err := pgx.ParseConfig(text); err != nil {
			return Database{}, errors.New("that is no URL of a PostgreSQL database; they are postgres://user:password@host/database")
		}
	case dbstore.MySQL:
		if _, err := d.mysql(); err != nil {
			return Database{}, errors.New("that is no URL of a MySQL database; they are mysql://user:password@host/database")
		}
	default:
		return Database{}, errors.New("the URL of a database begins with sqlite:, postgres:// or mysql://")
	}
	return d, nil
}

// OneLine returns an error with the same text in one line: pgx tells of each
// address that it tried in a line of its own.
func OneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return &oneLineError{err}
}

type oneLineError struct{ error }

func (e *oneLineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e *oneLineError) Unwrap() error { return e.error }

// Source returns what sql.Open takes for the database. An SQLite file is opened
// in that mode, "ro" or "rw".
func (d Database) Source(mode string) (driver, dataSource string) {
	switch d.Dialect {
	case dbstore.SQLite:
		return "sqlite", "file:" + (&url.URL{Path: d.Location}).EscapedPath() + "?mode=" + mode + "&_pragma=busy_timeout(250)"
	case dbstore.Postgres:
		return "pgx", d.Location
	}
	config, err := d.mysql()
	if err != nil {
		return "mysql", "" // Parse has succeeded, so it cannot fail
	}
	return "mysql", config.FormatDSN()
}

// Open opens a pool of connections, of one for SQLite. Nothing has been sent to
// the database yet.
func (d Database) Open(mode string) (*sql.DB, error) {
	db, err := sql.Open(d.Source(mode))
	if err == nil && d.Dialect == dbstore.SQLite {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func (d Database) mysql() (*mysql.Config, error) {
	u, err := url.Parse(d.Location)
	if err != nil {
		return nil, err
	}
	if u.Host == "" {
		return nil, errors.New("no host")
	}
	config, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	config.Net, config.Addr = "tcp", u.Host
	if u.Port() == "" {
		config.Addr += ":3306"
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	return config, nil
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
