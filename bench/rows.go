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
	settings := url.Values{"_pragma": {"busy_timeout(250)", "journal_mode(WAL)", synchronous, "journal_size_limit(67108864)"}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}

// rowFloor is a prepared SELECT by primary key, and the same followed by an
// UPDATE, of a row as dbstore makes it.
func rowFloor(ctx context.Context, path string, opts sqlite.Options, s Session) (*Floor, error) {
	db, err := sql.Open("sqlite", dataSource(path, opts))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	f := &rowFloorDB{db: db, data: string(s.json())}
	if err := errors.Join(f.fill(ctx), f.prepare(ctx)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return &Floor{Read: f.read, Write: f.write, Close: f.close}, nil
}

type rowFloorDB struct {
	db             *sql.DB
	selectRow, set *sql.Stmt
	keys           []string
	next           int
	data           string
	written        int
	text, expires  string // what was read last
}

// fill makes the table and the rows, through a store that leaves the database
// open.
func (f *rowFloorDB) fill(ctx context.Context) error {
	store, err := dbstore.New(f.db, dbstore.SQLite, dbstore.Options{})
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
	rows, err := f.db.QueryContext(ctx, "SELECT session_key FROM django_session")
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
	if f.selectRow, err = f.db.PrepareContext(ctx, "SELECT session_data, CAST(expire_date AS TEXT) FROM django_session WHERE session_key = ?"); err != nil {
		return err
	}
	f.set, err = f.db.PrepareContext(ctx, "UPDATE django_session SET session_data = ?, expire_date = ? WHERE session_key = ?")
	return err
}

func (f *rowFloorDB) read() error {
	f.next = (f.next + 1) % len(f.keys)
	return f.selectRow.QueryRow(f.keys[f.next]).Scan(&f.text, &f.expires)
}

// write makes the text longer by what the requests write, with other digits each
// time.
func (f *rowFloorDB) write() error {
	if err := f.read(); err != nil {
		return err
	}
	f.written++
	text := f.data + CountKey + strconv.Itoa(firstCount+f.written)
	_, err := f.set.Exec(text, f.expires, f.keys[f.next])
	return err
}

func (f *rowFloorDB) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{f.selectRow, f.set} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(append(errs, f.db.Close())...)
}
