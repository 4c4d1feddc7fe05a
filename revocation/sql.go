package revocation

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sessionengine/dbstore"
	"sessionengine/internal/sqlkit"
)

// SQLOptions configure an [SQLList]. The zero value has the default of every
// field.
type SQLOptions struct {
	// Table is the name of the table, after its schema and a dot if need be;
	// empty is "session_revocation".
	Table string

	// Timeout bounds each statement, with the wait for a connection and for
	// locks, and what is tried again; 0 is five seconds. A context that cannot
	// end, such as context.Background, is taken at its word: then only trying
	// again is bounded.
	Timeout time.Duration

	// NoPrepare sends each statement to the driver as it is, instead of
	// preparing it once for each connection: see [dbstore.Options].
	NoPrepare bool
}

// SQLList is a list in a table of a SQL database, which all nodes of a site
// share. The table has a row for each session and each owner on the list:
//
//	entry       varchar(40)  primary key: "s" and the session's id, or "o" and a hash of the owner's name
//	generation  bigint       of the owner; milliseconds since 1970, or one more than before
//	expires     bigint       Unix seconds; indexed
//
// [SQLList.Migrate] creates it. Nothing in it lets anybody make a token. Owners
// are known by 128 bits of the SHA-256 of their names.
//
// Lookup sends one statement, a SELECT of up to two rows by primary key; End one
// INSERT; EndOwner such a SELECT, and an INSERT or an UPDATE on the condition that
// nobody has raised the owner since, both again if somebody has. Each is a
// transaction of its own, on connections that commit each statement, as
// they do unless told otherwise.
//
// A statement that the database rejected because of a lock, a deadlock or a lack
// of connections has done nothing, and is tried again until its context ends, or
// [SQLOptions].Timeout has passed. One that a server has refused because it is not
// the primary any more, and a lookup that lost its connection, are tried three
// times more, on other connections. That End or EndOwner lost its connection is an
// error, since nobody knows whether it was run.
//
// On a database with replicas the list needs the primary: on a replica that lags
// behind, a session has ended only when the replica knows.
//
// It is safe for concurrent use.
type SQLList struct {
	db    *sqlkit.DB
	table sqlkit.Table

	lookup, insert, raise, expired *sqlkit.Statement
}

var _ List = (*SQLList)(nil)

// maxTableName leaves room for the name of the index.
const maxTableName = 50

// NewSQLList returns a list in a database that the application has opened, which
// stays the application's. It does not use the database yet: the table has to be
// there, or is made by [SQLList.Migrate], before the first lookup.
//
// An SQLite database should have a busy_timeout, so that writers wait for each
// other, and be in WAL mode, so that readers do not wait for them: OpenDB of package
// dbstore/sqlite opens one so.
func NewSQLList(db *sql.DB, dialect dbstore.Dialect, opts SQLOptions) (*SQLList, error) {
	if db == nil {
		return nil, errors.New("revocation: the database is nil")
	}
	if dialect < dbstore.SQLite || dialect > dbstore.MySQL {
		return nil, fmt.Errorf("revocation: unknown dialect %v", dialect)
	}
	if opts.Table == "" {
		opts.Table = "session_revocation"
	}
	table, err := sqlkit.ParseTable(opts.Table, maxTableName)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("revocation: SQLOptions.Timeout is negative: %v", opts.Timeout)
	}
	if opts.Timeout == 0 {
		opts.Timeout = 5 * time.Second
	}
	l := &SQLList{table: table, db: sqlkit.New(sqlkit.Config{
		Package: "revocation", Pool: db, Dialect: dialect, Timeout: opts.Timeout, NoPrepare: opts.NoPrepare,
	})}
	l.setStatements()
	return l, nil
}

// cleanupBatch is how many rows DeleteExpired deletes at a time.
const cleanupBatch = 500

func (l *SQLList) setStatements() {
	t, st := l.table.Quote(l.db.Dialect), l.db.Statement
	l.lookup = st("SELECT entry, generation FROM " + t + " WHERE entry IN (?, ?)")
	l.expired = st("SELECT entry FROM " + t + " WHERE expires <= ? ORDER BY expires LIMIT " +
		strconv.Itoa(cleanupBatch))

	l.raise = st("UPDATE " + t + " SET generation = ?, expires = CASE WHEN expires < ? THEN ? ELSE expires END" +
		" WHERE entry = ? AND generation = ?")
	const values = " (entry, generation, expires) VALUES (?, ?, ?)"
	if l.db.Dialect == dbstore.MySQL {
		l.insert = st("INSERT IGNORE INTO " + t + values)
	} else {
		l.insert = st("INSERT INTO " + t + values + " ON CONFLICT (entry) DO NOTHING")
	}
}

// Migrate creates the table if it is missing. One that is there and will not do is
// an error that says what to do.
// It may be run at every start, and by several nodes at once.
func (l *SQLList) Migrate(ctx context.Context) error {
	if err := l.db.Begin(); err != nil {
		return err
	}
	defer l.db.End()
	key, options := "varchar(40)", ""
	switch l.db.Dialect {
	case dbstore.SQLite:
		options = " WITHOUT ROWID"
	case dbstore.MySQL:
		key += " CHARACTER SET ascii COLLATE ascii_bin"
	}
	err := l.db.Define(ctx, sqlkit.Definition{
		Table: l.table,
		Columns: []sqlkit.Column{{Name: "entry", Type: key, Width: 33}, {Name: "generation", Type: "bigint"},
			{Name: "expires", Type: "bigint"}},
		Key:     "entry",
		Options: options,
		Indexes: []sqlkit.Index{{Name: l.table.Name + "_expires", Columns: []string{"expires"}}},
	})
	if err != nil {
		return l.db.Failure(ctx, "migrate", err)
	}
	return nil
}

// Lookup implements [List].
func (l *SQLList) Lookup(ctx context.Context, id, owner string) (e Entry, err error) {
	if err := l.db.Begin(); err != nil {
		return e, err
	}
	defer l.db.End()
	ofSession := sessionEntry(id)
	_, err = sqlkit.Collect(ctx, l.db, l.lookup, []any{ofSession, ownerEntry(owner)},
		func(rows *sql.Rows) (struct{}, error) {
			var entry string
			var generation int64
			err := rows.Scan(&entry, &generation)
			if entry == ofSession {
				e.Ended = true
			} else {
				e.Generation = generation
			}
			return struct{}{}, err
		})
	if err != nil {
		return Entry{}, l.db.Failure(ctx, "lookup", err)
	}
	return e, nil
}

// End implements [List].
func (l *SQLList) End(ctx context.Context, id string, until time.Time) (first bool, err error) {
	n, err := l.exec(ctx, "end", l.insert, sessionEntry(id), 0, seconds(until))
	return n > 0, err
}

// EndOwner implements [List].
func (l *SQLList) EndOwner(ctx context.Context, owner string, generation int64, until time.Time) (int64, error) {
	entry, expires := ownerEntry(owner), seconds(until)
	for {
		found, err := l.Lookup(ctx, "", owner)
		if err != nil {
			return 0, err
		}
		before := found.Generation
		raised := max(generation, before+1)
		var n int64
		if before == 0 {
			n, err = l.exec(ctx, "end owner", l.insert, entry, raised, expires)
		} else {
			n, err = l.exec(ctx, "end owner", l.raise, raised, expires, expires, entry, before)
		}
		if n > 0 || err != nil {
			return before, err
		}
	}
}

func (l *SQLList) exec(ctx context.Context, op string, st *sqlkit.Statement, args ...any) (int64, error) {
	if err := l.db.Begin(); err != nil {
		return 0, err
	}
	defer l.db.End()
	n, err := l.db.Exec(ctx, st, args...)
	if err != nil {
		return 0, l.db.Failure(ctx, op, err)
	}
	return n, nil
}

// DeleteExpired implements [List]. It deletes in small batches, each in a
// transaction of its own, and rests after each as long as it took.
func (l *SQLList) DeleteExpired(ctx context.Context) (deleted int64, err error) {
	now := time.Now().Unix()
	for {
		start := time.Now()
		found, n, err := l.deleteBatch(ctx, now)
		deleted += n
		if err != nil || found < cleanupBatch {
			return deleted, err
		}
		if err := sqlkit.Pause(ctx, time.Since(start)); err != nil {
			return deleted, l.db.Failure(ctx, "delete expired", err)
		}
	}
}

// deleteBatch deletes those of a batch of expired rows that are still expired: an
// owner's may have got another life since they were found.
func (l *SQLList) deleteBatch(ctx context.Context, now int64) (found int, deleted int64, err error) {
	if err := l.db.Begin(); err != nil {
		return 0, 0, err
	}
	defer l.db.End()
	entries, err := sqlkit.Collect(ctx, l.db, l.expired, []any{now}, sqlkit.One[string])
	if err == nil && len(entries) > 0 {
		// In one order, so that two nodes do not wait for each other's rows.
		slices.Sort(entries)
		args := []any{now}
		for _, entry := range entries {
			args = append(args, entry)
		}
		st := l.db.Once("DELETE FROM " + l.table.Quote(l.db.Dialect) + " WHERE expires <= ? AND " +
			sqlkit.In("entry", len(entries)))
		st.Repeats = true
		deleted, err = l.db.Exec(ctx, st, args...)
	}
	if err != nil {
		return 0, deleted, l.db.Failure(ctx, "delete expired", err)
	}
	return len(entries), deleted, nil
}

// Close waits for the calls under way and releases what the list holds on the
// database, which it leaves open. Calls that come later give [session.ErrClosed].
func (l *SQLList) Close() error {
	l.db.Close()
	return nil
}

// seconds rounds up, so that nothing is deleted too early.
func seconds(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

func sessionEntry(id string) string { return "s" + id }

func ownerEntry(owner string) string {
	if owner == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(owner))
	return "o" + hex.EncodeToString(sum[:16])
}
