package bench

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/opendb/sqlitedsn"
	"sessionengine/session"
)

// rowEngine is dbstore on an SQLite database as opts set it up, in a file of
// that name or in memory.
func rowEngine(name, file string, opts sqlite.Options) Engine {
	at := func(dir string) string {
		if file == memory {
			return memory
		}
		return filepath.Join(dir, file)
	}
	e := Engine{Name: name}
	e.Open = func(ctx context.Context, dir string, count *Counter) (Site, error) {
		if count != nil {
			return openCountedRows(ctx, count)
		}
		store, err := sqlite.Open(ctx, at(dir), opts)
		if err != nil {
			return nil, err
		}
		return NewSite(store, store.Close)
	}
	e.Floor = func(ctx context.Context, dir string, s Session) (*Floor, error) {
		return rowFloor(ctx, at(dir), opts, s)
	}
	return e
}

// memory is the name of an SQLite database that is in no file.
const memory = ":memory:"

// openCountedRows opens a store on a counted connection. The statements that a
// store sends do not depend on how its database is set up.
func openCountedRows(ctx context.Context, count *Counter) (Site, error) {
	db, err := count.OpenDB("sqlite", memory)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	store, err := dbstore.New(db, dbstore.SQLite, dbstore.Options{OwnDB: true})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return NewSite(store, store.Close)
}

// dataSource is a database with the settings that package sqlite gives each
// connection.
func dataSource(path string, opts sqlite.Options) string {
	if path == memory {
		return path
	}
	synchronous := "synchronous(NORMAL)"
	if opts.SyncFull {
		synchronous = "synchronous(FULL)"
	}
	settings := url.Values{"_pragma": {"busy_timeout(250)", "journal_mode(WAL)", synchronous,
		"journal_size_limit(67108864)"}}
	return sqlitedsn.File(path, settings)
}

// rowFloor is the floor of an SQLite database with these settings.
func rowFloor(ctx context.Context, path string, opts sqlite.Options, s Session) (*Floor, error) {
	db, err := sql.Open("sqlite", dataSource(path, opts))
	if err != nil {
		return nil, err
	}
	return newRowFloor(ctx, db, dbstore.SQLite, "django_session", s, nil)
}

// newRowFloor returns a prepared SELECT by primary key, and the same followed by
// an UPDATE, of a row as dbstore makes it in that table. It takes over db, with
// one connection. Closing the floor calls release in the end, unless that is nil.
func newRowFloor(ctx context.Context, db *sql.DB, dialect dbstore.Dialect, table string, s Session,
	release func() error) (*Floor, error) {
	db.SetMaxOpenConns(1)
	f := &rowFloorDB{db: db, dialect: dialect, table: table, data: string(s.JSON()), release: release}
	f.expires = &f.expiresText
	if dialect == dbstore.Postgres {
		f.expires = &f.expiresTime
	}
	if err := errors.Join(f.fill(ctx), f.prepare(ctx)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return &Floor{Read: f.read, Write: f.write, Close: f.close}, nil
}

type rowFloorDB struct {
	db             *sql.DB
	dialect        dbstore.Dialect
	table          string
	release        func() error
	selectRow, set *sql.Stmt
	keys           []string
	next           int
	data           string
	written        int

	// What was read last; expires points to one of the two.
	text        string
	expires     any
	expiresText string
	expiresTime time.Time
}

// fill makes the table and the rows, through a store that leaves the database
// open.
func (f *rowFloorDB) fill(ctx context.Context) error {
	store, err := dbstore.New(f.db, f.dialect, dbstore.Options{Table: f.table})
	if err != nil {
		return err
	}
	err = store.Migrate(ctx)
	for range ring {
		rec := &session.Record{Data: []byte(f.data), Expires: time.Now().Add(time.Hour)}
		if err == nil {
			_, err = store.Save(ctx, "", rec)
		}
	}
	return errors.Join(err, store.Close())
}

func (f *rowFloorDB) prepare(ctx context.Context) error {
	rows, err := f.db.QueryContext(ctx, "SELECT session_key FROM "+f.table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return err
		}
		f.keys = append(f.keys, key)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	expires, key, values := "CAST(expire_date AS TEXT)", "?", [...]string{"?", "?", "?"}
	switch f.dialect {
	case dbstore.MySQL:
		expires = "CAST(expire_date AS CHAR)"
	case dbstore.Postgres:
		expires, key, values = "expire_date", "$1", [...]string{"$1", "$2", "$3"}
	}
	if f.selectRow, err = f.db.PrepareContext(ctx, "SELECT session_data, "+expires+" FROM "+f.table+
		" WHERE session_key = "+key); err != nil {
		return err
	}
	f.set, err = f.db.PrepareContext(ctx, "UPDATE "+f.table+" SET session_data = "+values[0]+", expire_date = "+
		values[1]+" WHERE session_key = "+values[2])
	return err
}

func (f *rowFloorDB) read() error {
	f.next = (f.next + 1) % len(f.keys)
	return f.selectRow.QueryRow(f.keys[f.next]).Scan(&f.text, f.expires)
}

// write makes the text longer by what the requests write, with other digits each
// time.
func (f *rowFloorDB) write() error {
	if err := f.read(); err != nil {
		return err
	}
	f.written++
	text := f.data + CountKey + strconv.Itoa(firstCount+f.written)
	_, err := f.set.Exec(text, f.expires, f.keys[f.next]) // database/sql follows the pointer
	return err
}

func (f *rowFloorDB) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{f.selectRow, f.set} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	errs = append(errs, f.db.Close())
	if f.release != nil {
		errs = append(errs, f.release())
	}
	return errors.Join(errs...)
}
