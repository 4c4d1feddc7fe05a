package bench

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/opendb"
	"sessionengine/internal/openredis"
	"sessionengine/session"
)

// DatabaseEngines returns the engines that keep sessions in a database of the
// user's own. For sqlite:PATH, postgres://user:password@host/database and
// mysql://user:password@host/database that is package dbstore, called "dbstore-" and
// the scheme, postgres for example. For Redis and Valkey it is package redisstore,
// with the URLs that redisstore.Open takes.
//
// On PostgreSQL and Redis there is the same engine behind a near cache, too, with
// "+nearcache" after its name.
//
// Each site, and each floor, has a table of its own, which is dropped when it is
// closed. Tables are called "sessionengine_bench_" and some random characters,
// and none that is there already is touched. An SQLite database has to exist, and
// is in WAL mode meanwhile, or for good if another program has it open. In Redis and
// Valkey it is a prefix of keys instead of a table, and keys with it are deleted.
func DatabaseEngines(url string) ([]Engine, error) {
	if openredis.Is(url) {
		server, err := openredis.Parse(url)
		if err != nil {
			return nil, err
		}
		return redisEngines(server), nil
	}
	if !opendb.Is(url) {
		return nil, errors.New("the URL of a database begins with sqlite:, postgres://, mysql:// or redis://")
	}
	parsed, err := opendb.Parse(url)
	if errors.Is(err, opendb.ErrScheme) {
		err = openredis.ErrScheme
	}
	if err == nil {
		err = parsed.Exists()
	}
	if err != nil {
		return nil, err
	}
	d := &database{Database: parsed}
	names := map[dbstore.Dialect]string{dbstore.SQLite: "sqlite", dbstore.Postgres: "postgres", dbstore.MySQL: "mysql"}
	e := Engine{
		Name:   "dbstore-" + names[d.Dialect],
		Remote: d.Dialect != dbstore.SQLite,
		Open:   func(ctx context.Context, _ string, count *Counter) (Site, error) { return d.site(ctx, count) },
		Floor: func(ctx context.Context, _ string, s Session) (*Floor, error) {
			return d.floor(ctx, s)
		},
	}
	if d.Dialect != dbstore.Postgres {
		return []Engine{e}, nil
	}
	return []Engine{e, withNearCache(e, func(ctx context.Context, count *Counter) (session.SessionStore, func() error, error) {
		return d.made(ctx, count, true)
	})}, nil
}

// A database is one of the user's own. It is safe for concurrent use.
type database struct {
	opendb.Database

	mu      sync.Mutex
	tables  int    // of ours that are there
	journal string // of an SQLite database, before the first of them
}

// A benchTable is one of ours in such a database.
type benchTable struct {
	database *database
	name     string
	db       *sql.DB // to look whether it is there, and to drop it
}

// tableName returns a new name.
func tableName() string { return "sessionengine_bench_" + strings.ToLower(rand.Text()[:12]) }

// claim makes sure that there is no table of that name. It is made by what
// uses it, and has to be dropped.
func (d *database) claim(ctx context.Context, name string) (*benchTable, error) {
	db, err := d.Open("rw")
	if err != nil {
		return nil, err
	}
	t := &benchTable{d, name, db}
	if err := t.check(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return t, nil
}

func (t *benchTable) check(ctx context.Context) error {
	if err := t.db.PingContext(ctx); err != nil {
		return t.database.Error(err)
	}
	rows, err := t.db.QueryContext(ctx, "SELECT 1 FROM "+t.name)
	if err == nil {
		rows.Close()
		return fmt.Errorf("the table %s is there already; it was left alone", t.name)
	}
	d := t.database
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Dialect == dbstore.SQLite && d.tables == 0 {
		if err := t.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&d.journal); err != nil {
			return err
		}
	}
	d.tables++
	return nil
}

// dropTimeout bounds the time for what is done in the end, which the end of a
// run's context does not stop.
const dropTimeout = 10 * time.Second

// drop drops the table, if it was made, and puts an SQLite database back into
// the mode that it was in.
func (t *benchTable) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	_, err := t.db.ExecContext(ctx, "DROP TABLE IF EXISTS "+t.name)
	if t.database.Dialect == dbstore.Postgres {
		// The function of triggers that tell of changes. It stays while a table uses
		// it, of ours or of the user's.
		t.db.ExecContext(ctx, "DROP FUNCTION IF EXISTS sessionengine_changed()")
	}
	d := t.database
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tables--
	if err == nil && d.Dialect == dbstore.SQLite && d.tables == 0 {
		// It fails while another program has the database open.
		t.db.ExecContext(ctx, "PRAGMA journal_mode="+d.journal)
	}
	return errors.Join(err, t.db.Close())
}

func (d *database) site(ctx context.Context, count *Counter) (Site, error) {
	if count != nil && d.Dialect == dbstore.SQLite {
		return openCountedRows(ctx, count)
	}
	store, release, err := d.made(ctx, count, false)
	if err != nil {
		return nil, err
	}
	return NewSite(store, release)
}

// made makes a store with a table of its own, which tells of changes or not, and
// returns what closes it and drops the table.
func (d *database) made(ctx context.Context, count *Counter, changes bool) (session.SessionStore, func() error, error) {
	t, err := d.claim(ctx, tableName())
	if err != nil {
		return nil, nil, err
	}
	store, err := d.store(ctx, dbstore.Options{Table: t.name, Changes: changes}, count)
	if err != nil {
		return nil, nil, errors.Join(err, t.drop())
	}
	release := func() error { return errors.Join(store.Close(), t.drop()) }
	if err := store.Migrate(ctx); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return store, release, nil
}

// store opens a store as an application does or, with a Counter, on connections
// that count.
func (d *database) store(ctx context.Context, opts dbstore.Options, count *Counter) (*dbstore.Store, error) {
	if count != nil {
		if opts.Changes {
			listen, err := postgres.Listener(d.Location)
			if err != nil {
				return nil, err
			}
			opts.Listen = listen
		}
		driver, source := d.Source("rw")
		db, err := count.OpenDB(driver, source)
		if err != nil {
			return nil, err
		}
		opts.OwnDB = true
		opts.NoPrepare = d.Dialect == dbstore.Postgres // as package postgres does
		store, err := dbstore.New(db, d.Dialect, opts)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return store, nil
	}
	switch d.Dialect {
	case dbstore.SQLite:
		return sqlite.Open(ctx, d.Location, sqlite.Options{Options: opts})
	case dbstore.Postgres:
		return postgres.Open(ctx, d.Location, postgres.Options{Options: opts})
	}
	return mysql.Open(ctx, d.Location, mysql.Options{Options: opts})
}

func (d *database) floor(ctx context.Context, s Session) (*Floor, error) {
	t, err := d.claim(ctx, tableName())
	if err != nil {
		return nil, err
	}
	db, err := d.openAsStore()
	if err != nil {
		return nil, errors.Join(err, t.drop())
	}
	return newRowFloor(ctx, db, d.Dialect, t.name, s, t.drop)
}

// openAsStore opens connections with the settings that a store's have.
func (d *database) openAsStore() (*sql.DB, error) {
	if d.Dialect == dbstore.SQLite {
		return sql.Open("sqlite", dataSource(d.Location, sqlite.Options{}))
	}
	return d.Open("rw")
}
