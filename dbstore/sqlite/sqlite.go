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
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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
// missing: the file, readable by its owner only, and the table. The folder has to
// exist, and the program has to be allowed to create files in it, since SQLite
// keeps two more beside the database. The path ":memory:" stands for a database
// that lives as long as the store. Close closes it.
//
// The database is put into WAL mode, in which readers and the one writer do not
// wait for each other; it stays in that mode for other programs as well.
//
// A file that is removed, or replaced by another, while it is open would take
// with it what is saved from then on, and nobody would notice. So each write looks
// whether the file is still there, and so do reads now and then; as long as it is
// not, operations give an error. Opening it again, as restarting the program does,
// goes on with what is there then.
func Open(ctx context.Context, path string, opts Options) (*dbstore.Store, error) {
	if opts.Reader != nil {
		return nil, errors.New("sqlite: the store opens its own readers")
	}
	if opts.Readers < 0 {
		return nil, fmt.Errorf("sqlite: the number of readers is negative: %d", opts.Readers)
	}
	if opts.Readers == 0 {
		opts.Readers = defaultConns()
	}
	writer, reader, err := open(path, opts)
	if err != nil {
		return nil, openError(path, err)
	}
	opts.OwnDB = true
	opts.Reader = reader
	store, err := dbstore.New(writer, dbstore.SQLite, opts.Options)
	if err != nil {
		return nil, errors.Join(err, reader.Close(), writer.Close())
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(openError(path, err), store.Close())
	}
	return store, nil
}

// OpenDB opens the database in the file of that path for others than a store, such
// as a list of package revocation, with what [Open] says of the file and its mode:
// it creates the file, but no table. The pool belongs to the caller, who closes it.
// Its connections both read and write, and wait 100 ms for each other's locks.
func OpenDB(ctx context.Context, path string) (*sql.DB, error) {
	db, reader, err := open(path, Options{})
	if err != nil {
		return nil, openError(path, err)
	}
	if reader != db {
		reader.Close()
		db.SetMaxOpenConns(defaultConns())
		db.SetMaxIdleConns(defaultConns())
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(openError(path, err), db.Close())
	}
	return db, nil
}

// defaultConns is how many connections read at the same time.
func defaultConns() int { return max(4, runtime.GOMAXPROCS(0)) }

// errURL says what Open takes instead.
var errURL = errors.New("that is a URL; give the path of the file, without the scheme")

// openError adds to an error the name of the file, and what can be done.
func openError(path string, err error) error {
	folder := filepath.Dir(path)
	hint := ""
	var code int
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code = e.Code() & 0xff
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the name is there already
	}
	info, statErr := os.Stat(path)
	_, folderErr := os.Stat(folder)
	switch {
	case errors.Is(err, errReplaced), errors.Is(err, errURL):
	case statErr == nil && info.IsDir():
		hint = "it is a folder, and has to be a file"
	case errors.Is(folderErr, fs.ErrNotExist):
		hint = "the folder " + folder + " does not exist; create it"
	case errors.Is(err, fs.ErrPermission):
		hint = "the program must be allowed to create files in the folder " + folder
	case code == sqlite3.SQLITE_NOTADB, code == sqlite3.SQLITE_CORRUPT:
		hint = "the file holds something else, or is damaged; give it another name"
	case code == sqlite3.SQLITE_READONLY, errors.Is(err, syscall.EROFS):
		hint = "the program must be allowed to write the file, and to create files in the folder " + folder
	case code == sqlite3.SQLITE_FULL, errors.Is(err, syscall.ENOSPC):
		hint = "there is no space left on the disk"
	case code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_IOERR:
		hint = "the program must be allowed to read and write the file, and to create files in the folder " + folder +
			", which has to be on a local disk"
	}
	if hint != "" {
		return fmt.Errorf("sqlite: open %s: %w (%s)", path, err, hint)
	}
	return fmt.Errorf("sqlite: open %s: %w", path, err)
}

func open(path string, opts Options) (writer, reader *sql.DB, err error) {
	if path == "" {
		return nil, nil, errors.New("the path is empty")
	}
	if strings.HasPrefix(path, "sqlite:") || strings.HasPrefix(path, "file:") {
		return nil, nil, errURL
	}
	if path == ":memory:" {
		// Each connection would have a database of its own.
		db := pool(&connector{dsn: sqlitedsn.File(path, params(opts))}, 1)
		return db, db, nil
	}
	// Connections are opened when they are needed, and the program may have
	// another working directory by then.
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	if err := create(path); err != nil {
		return nil, nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	p := params(opts)
	p.Set("mode", "rw") // SQLite would create a file that everyone can read
	dsn := sqlitedsn.File(path, p)
	writer = pool(&connector{dsn: dsn, path: path, info: info}, 1)
	reader = pool(&connector{dsn: dsn, path: path, info: info, reads: true}, opts.Readers)
	return writer, reader, nil
}

// create creates the file, which SQLite would make readable by everyone; its
// log and its shared memory get the permissions of the file. A file that exists
// is not even opened: closing it would release the locks that this process has
// on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
func create(path string) error {
	for range 40 { // as many symbolic links as Linux follows
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// A symbolic link to a file that is not there yet.
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return errors.New("too many symbolic links")
}

// params are the settings of each connection.
func params(opts Options) url.Values {
	sync := "NORMAL"
	if opts.SyncFull {
		sync = "FULL"
	}
	return url.Values{"_pragma": {
		// Other processes may hold the lock. The store tries again after this,
		// and looks at its context in between.
		"busy_timeout(100)",
		"journal_mode(WAL)",
		"synchronous(" + sync + ")",
		// The log keeps the size that it had at its largest, up to this one.
		"journal_size_limit(67108864)",
	}}
}

// pool opens a pool of n connections, which it keeps: opening one again would
// cost more than all the queries of a request.
func pool(c *connector, n int) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db
}
