package dbstore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

var errNoOwners = fmt.Errorf("dbstore: %w: owners are not kept: set Options.Owners: %w", session.ErrMisuse,
	errors.ErrUnsupported)

// owners keeps who the sessions belong to in a table beside the sessions'.
//
// A row there is a hint, for each owner that the session has had: the session's
// own data says whose it is. The row is written before the session is, and takes
// no other's place, so that no session lacks the row of its owner, whichever of
// several saves at the same time is made. It goes with the session. A row whose
// session was not saved or has become somebody else's says nothing; it goes when
// the list is read an hour later, or with the cleanup.
//
// Each row has a generation, a number that an owner's sessions have in common
// with those that began between two calls of EndSessions; a session that is
// renewed keeps it. Other rows are fences: none of the owner's sessions of an
// earlier generation can be renewed any more. So no clock tells which sessions
// have begun before others, and no session gets away by being renewed faster than
// it is found. A fence is there for an hour, after which nothing can be on its way
// that has begun before it.
//
// All times are in UTC, whatever Options.TimeZone is: no hour comes twice.
//
//	session_key  of the session; '' for a fence of the owner's sessions, an id for
//	             that of one, '*' for the row that says that no session is missing
//	owner
//	id           '-' and the session's id, which a renewed one keeps; '' for a fence
//	generation
//	label, created, last_seen, expire_date
//
// This file writes and deletes the rows of single sessions; ownersend.go ends
// sessions, ownerslist.go lists them, and ownersindex.go notes those from before
// the table was there.
type owners struct {
	*shared
	table  sqlkit.Table
	quoted string

	note, renew, renewSession, drop         *sqlkit.Statement // one session
	standing, fenced, raiseTo, before       *sqlkit.Statement // all of an owner's
	copy, move, ofSession                   *sqlkit.Statement
	list, expired, complete, markAsComplete *sqlkit.Statement

	insert, row, ignore string // a statement that notes several sessions, see noteMissing

	isComplete atomic.Bool // known from now on
}

const (
	maxOwner = session.MaxOwnerBytes // the width of the column

	idPrefix    = "-"
	completeKey = "*"

	ownerColumns = "session_key, owner, id, generation, label, created, last_seen, expire_date"

	// inFlight is longer than any statement, with the differences of clocks.
	inFlight = time.Hour
)

// sessionID returns the id of a session that is first noted under key.
func sessionID(key string) string {
	sum := sha256.Sum256([]byte(key)) // with raw keys the key is the token
	return idPrefix + hex.EncodeToString(sum[:16])
}

// isID reports whether a text is a session's id as Sessions returns it: what a
// client sends may be a text that no column holds.
func isID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 16
}

// ownersTable is the name of the table of owners.
func (s *shared) ownersTable() (sqlkit.Table, error) {
	table := sqlkit.Table{Schema: s.table.Schema, Name: s.table.Name + "_owner"}
	if len(table.Name) > maxTableName {
		return table, fmt.Errorf("dbstore: the name of the table is too long to have %q put after it", "_owner")
	}
	return table, nil
}

func newOwners(s *shared) (*owners, error) {
	table, err := s.ownersTable()
	if err != nil {
		return nil, err
	}
	o := &owners{shared: s, table: table, quoted: table.Quote(s.dialect)}
	t, sessions, st := o.quoted, s.quoted, s.db.Statement

	// PostgreSQL wants to be told the types of what is selected.
	str, num, moment, dual := "?", "?", "?", ""
	as, conflict, here := " AS o", " ON CONFLICT (session_key, owner) DO UPDATE SET ", "o."
	given := func(column string) string { return "excluded." + column }
	switch s.dialect {
	case Postgres:
		str, num, moment = "CAST(? AS varchar)", "CAST(? AS bigint)", "CAST(? AS timestamp with time zone)"
	case MySQL:
		as, conflict, here, dual = "", " ON DUPLICATE KEY UPDATE ", "", " FROM DUAL"
		given = func(column string) string { return "VALUES(" + column + ")" }
	}
	o.ignore = " ON CONFLICT DO NOTHING"
	if s.dialect == MySQL {
		o.ignore = " ON DUPLICATE KEY UPDATE owner = VALUES(owner)"
	}
	set := func(columns ...string) string {
		var parts []string
		for _, column := range columns {
			parts = append(parts, column+" = "+given(column))
		}
		return conflict + strings.Join(parts, ", ")
	}
	insert := "INSERT INTO " + t + as + " (" + ownerColumns + ") "
	// blocked is a condition on a row n: it is behind a fence.
	blocked := "EXISTS (SELECT 1 FROM " + t + " AS f WHERE f.owner = n.owner AND f.session_key IN ('', n.id)" +
		" AND f.generation > n.generation)"
	free := " AND EXISTS (SELECT 1 FROM " + t + " AS n WHERE n.session_key = ? AND n.owner = ? AND NOT " +
		blocked + ")"
	fence := "COALESCE((SELECT f.generation FROM " + t + " AS f WHERE f.session_key = '' AND f.owner = ?), 0)"
	batch := strconv.Itoa(s.opts.CleanupBatch)

	o.insert = insert
	o.row = "SELECT " + str + ", " + str + ", " + str + ", " + fence + ", " + str + ", " + moment + ", " +
		moment + ", " + moment + dual + " WHERE 1 = 1"
	o.note = st(insert + o.row + set("label", "last_seen", "expire_date"))
	o.renew = st(insert + "SELECT " + str + ", " + str + ", COALESCE(MAX(n.id), " + str + ")," +
		" COALESCE(" + num + ", MAX(n.generation), " + fence + "), COALESCE(" + str + ", MAX(n.label), '')," +
		" COALESCE(MAX(n.created), " + moment + "), " + moment + ", " + moment +
		" FROM " + t + " AS n WHERE n.session_key = ? AND n.owner = ?")
	o.renewSession = st(s.renewText() + free)
	o.drop = st("DELETE FROM " + t + " WHERE session_key = ?")

	o.standing = st("SELECT COALESCE(MAX(n.generation), 0)," +
		" COALESCE(MAX(CASE WHEN n.session_key = ? AND " + blocked + " THEN 1 ELSE 0 END), 0)" +
		" FROM " + t + " AS n WHERE n.owner = ? AND (n.id <> '' OR n.session_key = '')")
	o.fenced = st("SELECT COALESCE(MAX(generation), 0) FROM " + t + " WHERE session_key = ? AND owner = ?")
	greater, old := given("generation"), here+"generation"
	o.raiseTo = st(insert + "VALUES (?, ?, '', ?, '', ?, ?, ?)" + set("last_seen", "expire_date") +
		", generation = CASE WHEN " + greater + " > " + old + " THEN " + greater +
		" WHEN " + old + " = " + strconv.FormatInt(math.MaxInt64, 10) + " THEN " + old + " ELSE " + old + " + 1 END")
	o.before = st("SELECT session_key FROM " + t + " WHERE owner = ? AND id <> '' AND generation < ?")
	o.ofSession = st("SELECT session_key FROM " + t + " WHERE owner = ? AND id = ?")

	o.copy = st(insert + "SELECT " + str + ", n.owner, n.id, n.generation, n.label, n.created, " +
		moment + ", " + moment + " FROM " + t + " AS n WHERE n.session_key = ?" + o.ignore)
	o.move = st("UPDATE " + sessions + " SET session_key = ? WHERE session_key = ? AND expire_date > ?" + free +
		" AND NOT EXISTS (SELECT 1 FROM " + t + " AS p WHERE p.session_key = ?" +
		" AND NOT EXISTS (SELECT 1 FROM " + t + " AS n WHERE n.session_key = ? AND n.owner = p.owner))")

	o.list = st("SELECT session_key, id, label, " + s.asText("created") + ", " + s.asText("last_seen") + " FROM " + t +
		" WHERE owner = ? AND id <> '' AND (created < ? OR created = ? AND (id > ? OR id = ? AND session_key > ?))" +
		" ORDER BY created DESC, id, session_key LIMIT " + batch)
	o.expired = st("SELECT session_key, " + s.asText("expire_date") + " FROM " + t +
		" WHERE expire_date >= ? AND (expire_date > ? OR session_key > ?) AND expire_date <= ?" +
		" ORDER BY expire_date, session_key LIMIT " + batch)
	o.expired.Alone = true
	o.complete = st("SELECT COUNT(*) FROM " + t + " WHERE session_key = '" + completeKey + "'")
	o.markAsComplete = st(insert + "VALUES ('" + completeKey + "', ?, '', 0, '', ?, ?, ?)" + set("last_seen"))
	return o, nil
}

// migrate creates the table and its indexes where they are missing, and fills it.
func (o *owners) migrate(ctx context.Context) error {
	text, datetime, options := o.types()
	owner := "varchar(255)"
	if o.dialect == MySQL {
		// Owners are compared byte by byte, which MySQL does with bytes only:
		// its binary collation ignores spaces at the end.
		text, owner = "text", "varbinary(255)"
	}
	err := o.db.Define(ctx, sqlkit.Definition{
		Table: o.table,
		Columns: []sqlkit.Column{
			{Name: "session_key", Type: "varchar(40)", Width: maxRawTokenLen},
			{Name: "owner", Type: owner, Width: maxOwner, Exact: true},
			{Name: "id", Type: "varchar(40)", Width: len(sessionID(""))}, {Name: "generation", Type: "bigint"},
			{Name: "label", Type: text},
			{Name: "created", Type: datetime}, {Name: "last_seen", Type: datetime},
			{Name: "expire_date", Type: datetime},
		},
		Key:     "session_key, owner",
		Options: options,
		Indexes: []sqlkit.Index{o.index(o.table, "owner", "created"), o.index(o.table, "expire_date")},
	})
	if err != nil {
		return err
	}
	if n, err := sqlkit.Value[int](ctx, o.db, o.complete); err != nil || n > 0 {
		return err
	}
	_, err = o.noteAll(ctx)
	return err
}

// noteOwner writes down whose session rec is, before it is saved under key.
func (s *shared) noteOwner(ctx context.Context, key string, rec *session.Record) error {
	if s.owners == nil || rec.Owner == "" {
		return nil
	}
	if err := checkOwner(rec.Owner); err != nil {
		return err
	}
	o, owner := s.owners, s.ownerArg(rec.Owner)
	now := o.utc(time.Now())
	_, err := s.db.Exec(ctx, o.note, key, owner, sessionID(key), owner, storedLabel(rec.Label), now, now,
		o.utc(rec.Expires))
	return err
}

// noteRenewal notes the owner of a session that is to get another key. generation
// and label are nil if they stay.
func (o *owners) noteRenewal(ctx context.Context, newKey, key, owner string, generation, label any,
	expires time.Time) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	now, arg := o.utc(time.Now()), o.ownerArg(owner)
	_, err := o.db.Exec(ctx, o.renew, newKey, arg, sessionID(newKey), generation, arg, label, now, now,
		o.utc(expires), key, arg)
	return err
}

// renewAs gives a session another key, under which it is noted first, unless a
// fence is in the way.
func (s *shared) renewAs(ctx context.Context, newKey, key, text string, rec *session.Record) error {
	st, args := s.renew, []any{newKey, text, s.timeArg(rec.Expires), key, rec.Version, s.now()}
	o, owned := s.owners, s.owners != nil && rec.Owner != ""
	if owned {
		if err := o.noteRenewal(ctx, newKey, key, rec.Owner, nil, storedLabel(rec.Label), rec.Expires); err != nil {
			return err
		}
		st, args = o.renewSession, append(args, newKey, s.ownerArg(rec.Owner))
	}
	n, err := s.db.Exec(ctx, st, args...)
	if err != nil {
		return err
	}
	if n > 0 {
		s.forgetOwner(ctx, key)
		return nil
	}
	err = s.whyUnchanged(ctx, key, rec.Version, "", time.Time{})
	if owned {
		if err == errSame {
			if _, behind, failed := o.standingOf(ctx, rec.Owner, newKey); failed != nil || behind {
				err = cmp.Or(failed, session.ErrGone)
			}
		}
		s.forgetOwner(ctx, newKey)
	}
	return err
}

// forgetOwner deletes what is noted of a session that is gone. If it fails, the
// cleanup does it.
func (s *shared) forgetOwner(ctx context.Context, key string) {
	if s.owners != nil {
		s.db.Exec(ctx, s.owners.drop, key)
	}
}

// forgetGone is forgetOwner if err is that the session is gone, and not only by
// this machine's clock.
func (s *shared) forgetGone(ctx context.Context, key string, err error) {
	if err == session.ErrGone {
		s.forgetOwner(ctx, key)
	}
}

// utc returns the value that stands for t in the table of owners.
func (o *owners) utc(t time.Time) any { return timeArg(o.dialect, t, nil) }

// ownerArg returns the value that stands for an owner in a statement.
func (s *shared) ownerArg(owner string) any {
	if s.dialect == MySQL {
		return []byte(owner)
	}
	return owner
}

// These do not contain the owner.
var (
	errOwnerTooLong = fmt.Errorf("%w: the owner has more than %d bytes", session.ErrMisuse, maxOwner)
	errOwnerNUL     = fmt.Errorf("%w: the owner contains a NUL character", session.ErrMisuse)
	errOwnerUTF8    = fmt.Errorf("%w: the owner is not valid UTF-8", session.ErrMisuse)
)

func checkOwner(owner string) error {
	if len(owner) > maxOwner {
		return errOwnerTooLong
	}
	if strings.Contains(owner, "\x00") { // PostgreSQL has no such text
		return errOwnerNUL
	}
	if !utf8.ValidString(owner) { // nor is it JSON
		return errOwnerUTF8
	}
	return nil
}

// storedLabel returns what is kept of a label. PostgreSQL has no NUL in a text.
func storedLabel(label string) string {
	return strings.ReplaceAll(session.CleanLabel(label), "\x00", "")
}

// deleteExpired deletes the rows whose session has expired and is gone. One
// whose session was extended without it stays.
func (o *owners) deleteExpired(ctx context.Context) error {
	from, now := o.beginning(), o.utc(time.Now())
	for after := ""; ; {
		keys, last, err := o.collectExpired(ctx, o.expired, from, from, after, now)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, key := range keys {
			if b, ok := key.([]byte); ok {
				keys[i] = string(b)
			}
		}
		there, err := o.present(ctx, keys)
		if err != nil {
			return err
		}
		batch := len(keys)
		from, after = last, keys[batch-1].(string)
		if gone := slices.DeleteFunc(keys, func(key any) bool { return there[key.(string)] }); len(gone) > 0 {
			st := o.db.Once("DELETE FROM " + o.quoted + " WHERE expire_date <= ? AND " +
				sqlkit.In("session_key", len(gone)))
			if _, err := o.db.Exec(ctx, st, append([]any{now}, gone...)...); err != nil {
				return err
			}
		}
		if batch < o.opts.CleanupBatch {
			return nil
		}
	}
}

// present looks up which sessions are in the table, expired or not.
func (o *owners) present(ctx context.Context, keys []any) (map[string]bool, error) {
	st := o.db.Once("SELECT session_key FROM " + o.shared.quoted + " WHERE " + sqlkit.In("session_key", len(keys)))
	found, err := sqlkit.Collect(ctx, o.db, st, keys, sqlkit.One[string])
	there := make(map[string]bool)
	for _, key := range found {
		there[key] = true
	}
	return there, err
}
