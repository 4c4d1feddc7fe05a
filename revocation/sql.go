package revocation

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sessionengine/dbstore"
)

// SQLOptions configure an [SQLList]. The zero value has the default of every
// field.
type SQLOptions struct {
	// Table is the name of the table, after its schema and a dot if need be;
	// empty is "session_revocation".
	Table string

	// Timeout bounds each statement that serves a request, with the wait for a
	// connection; 0 is five seconds.
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
// INSERT, and EndOwner one that becomes an UPDATE if the owner is there already.
// Each is a transaction of its own, on connections that commit each statement, as
// they do unless told otherwise. A statement that fails is not tried again.
//
// On a database with replicas the list needs the primary: on a replica that lags
// behind, a session is over only when the replica knows.
//
// It is safe for concurrent use.
type SQLList struct {
	db      *sql.DB
	dialect dbstore.Dialect
	timeout time.Duration
	closed  atomic.Bool

	lookup, end, endOwner, expired statement
	create                         []string // the table and its index
	probe                          string
	deleteExpired                  string // followed by a list of placeholders and a bracket
}

var _ List = (*SQLList)(nil)

const defaultTimeout = 5 * time.Second

var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}$`)

// NewSQLList returns a list in a database that the application has opened, which
// stays the application's. It does not use the database yet: the table has to be
// there, or is made by [SQLList.Migrate], before the first lookup.
//
// An SQLite database needs a busy_timeout, so that writers wait for each other,
// and should be in WAL mode, so that readers do not wait for them.
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
	if !tableName.MatchString(opts.Table) {
		return nil, fmt.Errorf("revocation: %q is no name of a table: letters, digits and underscores, at most 50, after a schema and a dot if need be", opts.Table)
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("revocation: SQLOptions.Timeout is negative: %v", opts.Timeout)
	}
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	l := &SQLList{db: db, dialect: dialect, timeout: opts.Timeout}
	l.setQueries(opts.Table)
	l.setDefinition(opts.Table)
	for _, st := range l.statements() {
		st.list, st.prepare = l, !opts.NoPrepare
	}
	return l, nil
}

// cleanupBatch is how many rows DeleteExpired deletes at a time.
const cleanupBatch = 500

func (l *SQLList) setQueries(table string) {
	t := l.quote(table)
	l.lookup.text = "SELECT entry, generation FROM " + t + " WHERE entry IN (?, ?)"
	l.expired.text = "SELECT entry FROM " + t + " WHERE expires <= ? ORDER BY expires LIMIT " + strconv.Itoa(cleanupBatch)
	l.deleteExpired = "DELETE FROM " + t + " WHERE expires <= ? AND entry IN ("

	const columns = " (entry, generation, expires) VALUES "
	// The row that is there goes by the name of l, where names can be given.
	raise := " expires = CASE WHEN l.expires < ? THEN ? ELSE l.expires END," +
		" generation = CASE WHEN l.generation < ? THEN ? ELSE l.generation + 1 END"
	switch l.dialect {
	case dbstore.SQLite, dbstore.Postgres:
		l.end.text = "INSERT INTO " + t + columns + "(?, 0, ?) ON CONFLICT (entry) DO NOTHING"
		l.endOwner.text = "INSERT INTO " + t + " AS l" + columns + "(?, ?, ?) ON CONFLICT (entry) DO UPDATE SET" + raise
	case dbstore.MySQL:
		raise = strings.ReplaceAll(raise, "l.", "")
		l.end.text = "INSERT IGNORE INTO " + t + columns + "(?, 0, ?)"
		l.endOwner.text = "INSERT INTO " + t + columns + "(?, ?, ?) ON DUPLICATE KEY UPDATE" + raise
	}
	if l.dialect == dbstore.Postgres {
		for _, st := range l.statements() {
			st.text = numbered(st.text)
		}
		l.deleteExpired = numbered(l.deleteExpired)
	}
}

// quote returns the name of a table or an index, with its schema if it has one,
// as it stands in a statement.
func (l *SQLList) quote(name string) string {
	mark := `"`
	if l.dialect == dbstore.MySQL {
		mark = "`"
	}
	return mark + strings.ReplaceAll(name, ".", mark+"."+mark) + mark
}

// numbered replaces the question marks of a statement by $1, $2, and so on.
func numbered(query string) string {
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// Lookup implements [List].
func (l *SQLList) Lookup(ctx context.Context, id, owner string) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	e, err := l.find(ctx, sessionEntry(id), ownerEntry(owner))
	if err != nil {
		return Entry{}, failure(ctx, "lookup", err)
	}
	return e, nil
}

func (l *SQLList) find(ctx context.Context, ofSession, ofOwner string) (e Entry, err error) {
	rows, err := l.lookup.query(ctx, ofSession, ofOwner)
	if err != nil {
		return e, err
	}
	defer rows.Close()
	for rows.Next() {
		var entry string
		var o Entry
		if err := rows.Scan(&entry, &o.Generation); err != nil {
			return e, err
		}
		if entry == ofSession {
			e.Ended = true
		} else {
			e.Generation = o.Generation
		}
	}
	return e, rows.Err()
}

// End implements [List].
func (l *SQLList) End(ctx context.Context, id string, until time.Time) (first bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	n, err := l.end.exec(ctx, sessionEntry(id), seconds(until))
	if err != nil {
		return false, failure(ctx, "end", err)
	}
	return n > 0, nil
}

// EndOwner implements [List].
func (l *SQLList) EndOwner(ctx context.Context, owner string, generation int64, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	expires := seconds(until)
	_, err := l.endOwner.exec(ctx, ownerEntry(owner), generation, expires, expires, expires, generation, generation)
	if err != nil {
		return failure(ctx, "end owner", err)
	}
	return nil
}

// DeleteExpired implements [List]. It deletes in small batches, each in a
// transaction of its own, and rests after each as long as it took.
func (l *SQLList) DeleteExpired(ctx context.Context) (deleted int64, err error) {
	now := time.Now().Unix()
	for {
		start := time.Now()
		entries, err := l.findExpired(ctx, now)
		if err == nil && len(entries) > 0 {
			var n int64
			n, err = l.deleteEntries(ctx, entries, now)
			deleted += n
		}
		if err == nil && len(entries) < cleanupBatch {
			return deleted, nil
		}
		if err == nil {
			err = pause(ctx, time.Since(start))
		}
		if err != nil {
			return deleted, failure(ctx, "delete expired", err)
		}
	}
}

func (l *SQLList) findExpired(ctx context.Context, now int64) (entries []any, err error) {
	rows, err := l.expired.query(ctx, now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var entry string
		if err := rows.Scan(&entry); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	// In one order, so that two nodes do not wait for each other's rows.
	slices.SortFunc(entries, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return entries, rows.Err()
}

// deleteEntries deletes the rows of these that are still expired: an owner's may
// have got another life since they were found.
func (l *SQLList) deleteEntries(ctx context.Context, entries []any, now int64) (int64, error) {
	var text strings.Builder
	text.WriteString(l.deleteExpired)
	for i := range entries {
		if i > 0 {
			text.WriteString(", ")
		}
		if l.dialect == dbstore.Postgres {
			text.WriteString("$" + strconv.Itoa(i+2))
		} else {
			text.WriteByte('?')
		}
	}
	text.WriteByte(')')
	return affected(l.db.ExecContext(ctx, text.String(), append([]any{now}, entries...)...))
}

// Close releases what the list holds on the database, and leaves it open. Calls
// that come later give [session.ErrClosed].
func (l *SQLList) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, st := range l.statements() {
		errs = append(errs, st.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("revocation: close: %w", err)
	}
	return nil
}

func (l *SQLList) statements() []*statement {
	return []*statement{&l.lookup, &l.end, &l.endOwner, &l.expired}
}

// failure returns err as the list reports it.
func failure(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		// Drivers report in their own words that the context ended.
		return fmt.Errorf("revocation: %s: %w: %w", op, cause, err)
	}
	return fmt.Errorf("revocation: %s: %w", op, err)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
