// Package sqlite opens an SQLite database for package dbstore, through
// modernc.org/sqlite, which needs no C compiler.
//
// It is the embedded default: one file, no server, and as many processes on one
// machine as need be. The file must be on a local disk, since SQLite's
// write-ahead log does not work across a network.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb/sqlitedsn"
)

// Options configures [Open]. The zero value has the default of every field.
type Options struct {
	dbstore.Options // Reader and OwnDB are set by Open

	// Readers is the number of connections that read at the same time; 0 is
	// the number of processors, and at least four.
	Readers int

	// SyncFull makes each commit wait until the disk has it, so that a power
	// loss undoes nothing that was acknowledged. Without it, a power loss may
	// undo the last moments, though it never damages the database; that the
	// process or the program in it is killed undoes nothing either way.
	SyncFull bool
}

// Open opens the database in the file of that path, and creates what is
// missing: the file, readable by its owner only, and the table. The path
// ":memory:" stands for a database that lives as long as the store. Close
// closes it.
//
// The database is put into WAL mode, in which readers and the one writer do not
// wait for each other; it stays in that mode for other programs as well.
func Open(ctx context.Context, path string, opts Options) (*dbstore.Store, error) {
	if opts.Reader != nil {
		return nil, errors.New("sqlite: the store opens its own readers")
	}
	if opts.Readers < 0 {
		return nil, fmt.Errorf("sqlite: the number of readers is negative: %d", opts.Readers)
	}
	if opts.Readers == 0 {
		opts.Readers = max(4, runtime.GOMAXPROCS(0))
	}
	writer, reader, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	opts.OwnDB = true
	opts.Reader = reader
	store, err := dbstore.New(writer, dbstore.SQLite, opts.Options)
	if err != nil {
		return nil, errors.Join(err, reader.Close(), writer.Close())
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

func open(path string, opts Options) (writer, reader *sql.DB, err error) {
	if path == "" {
		return nil, nil, errors.New("the path is empty")
	}
	if path == ":memory:" {
		// Each connection would have a database of its own.
		db, err := pool(":memory:", opts, 1)
		return db, db, err
	}
	if err := create(path); err != nil {
		return nil, nil, err
	}
	if writer, err = pool(path, opts, 1); err != nil {
		return nil, nil, err
	}
	if reader, err = pool(path, opts, opts.Readers); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	return writer, reader, nil
}

// create creates the file, which SQLite would make readable by everyone; its
// log and its shared memory get the permissions of the file. A file that exists
// is not even opened: closing it would release the locks that this process has
// on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// pool opens a pool of n connections, which it keeps: opening one again would
// cost more than all the queries of a request.
func pool(path string, opts Options, n int) (*sql.DB, error) {
	sync := "NORMAL"
	if opts.SyncFull {
		sync = "FULL"
	}
	params := url.Values{"_pragma": {
		// Other processes may hold the lock. The store tries again after this,
		// and looks at its context in between.
		"busy_timeout(100)",
		"journal_mode(WAL)",
		"synchronous(" + sync + ")",
		// The log keeps the size that it had at its largest, up to this one.
		"journal_size_limit(67108864)",
	}}
	db, err := sql.Open("sqlite", sqlitedsn.File(path, params))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}
