package dbstore

import (
	"crypto/fips140"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"sessionengine/internal/sqlkit"
)

// A Dialect is the kind of database behind a *sql.DB, whatever its driver. Its
// String method returns the name of the database.
type Dialect = sqlkit.Dialect

const (
	// SQLite is SQLite 3, and what reads its files.
	SQLite Dialect = sqlkit.SQLite
	// Postgres is PostgreSQL 12 or later, and what speaks its protocol.
	Postgres Dialect = sqlkit.Postgres
	// MySQL is MySQL 8 or later and MariaDB 10.5 or later, and what speaks
	// their protocol.
	MySQL Dialect = sqlkit.MySQL
)

// statements are those that serve requests. The package documentation says what
// they rely on.
type statements struct {
	load, insert, update, renew, touch, delete, deleteUnchanged *sqlkit.Statement

	// current is load on the pool that writes, for the state that made an
	// update fail.
	current *sqlkit.Statement

	// expired finds a batch of expired rows, from a moment on.
	expired *sqlkit.Statement
}

func newStatements(s *shared) (q statements) {
	t, st := s.quoted, s.db.Statement
	where := s.unchanged()
	load := "SELECT session_data, " + s.asText("expire_date") + " FROM " + t + " WHERE session_key = ?"
	q.current = st(load)
	if q.load = q.current; s.opts.Reader != s.db.Pool {
		q.load = st(load)
		q.load.Pool = s.opts.Reader
	}
	q.insert = st("INSERT INTO " + t + " (session_key, session_data, expire_date) VALUES (?, ?, ?)")
	q.update = st("UPDATE " + t + " SET session_data = ?, expire_date = ?" + where)
	q.renew = st(s.renewText())
	q.touch = st("UPDATE " + t + " SET expire_date = ?" + where)
	q.deleteUnchanged = st("DELETE FROM " + t + where)
	q.delete = st("DELETE FROM " + t + " WHERE session_key = ?")
	q.delete.Repeats = true
	q.expired = st("SELECT session_key, " + s.asText("expire_date") + " FROM " + t +
		" WHERE expire_date >= ? AND expire_date <= ? ORDER BY expire_date LIMIT " + strconv.Itoa(s.opts.CleanupBatch))
	q.expired.Alone = true
	return q
}

// renewText is a statement that gives a session another key.
func (s *shared) renewText() string {
	return "UPDATE " + s.quoted + " SET session_key = ?, session_data = ?, expire_date = ?" + s.unchanged()
}

// asText returns a column with a time as the text that it is stored as, where it
// is stored without a time zone: the driver may be set up to guess one.
func (s *shared) asText(column string) string {
	switch s.dialect {
	case SQLite:
		return "CAST(" + column + " AS TEXT)"
	case MySQL:
		return "CAST(" + column + " AS CHAR)"
	}
	return column
}

// unchanged is the condition that a row holds a living session of some version.
//
// The comparison of what was read with what is stored is one of bytes, whatever
// the collation of the column. MySQL's collations, its binary ones included,
// ignore the case, the accents or the spaces at the end. A value that another
// program stored as a BLOB in SQLite is equal to no text.
func (s *shared) unchanged() string {
	same := "CAST(session_data AS TEXT) = ? COLLATE BINARY"
	switch s.dialect {
	case Postgres:
		same = `session_data = ? COLLATE "C"`
	case MySQL:
		same = "CAST(CONVERT(session_data USING utf8mb4) AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY)"
	}
	return " WHERE session_key = ? AND " + same + " AND " + s.expires() + " > ?"
}

// expires is the column expire_date in a comparison for which no index is needed.
// In SQLite, a BLOB that another program stored is greater than any text.
func (s *shared) expires() string {
	if s.dialect == SQLite {
		return s.asText("expire_date")
	}
	return "expire_date"
}

// maxTableName is how long the name of a table may be in every database.
const maxTableName = 63

// indexName returns the name that Django gives to the index on a column
// (django/db/backends/base/schema.py, _create_index_name), so that Django and
// this package recognise each other's.
func indexName(d Dialect, table, column string) string {
	limit := 200
	switch d {
	case Postgres:
		limit = 63
	case MySQL:
		limit = 64
	}
	var sum [md5.Size]byte
	fips140.WithoutEnforcement(func() { // a name, and no matter of security
		sum = md5.Sum([]byte(table + column))
	})
	suffix := hex.EncodeToString(sum[:])[:8]
	name := table + "_" + column + "_" + suffix
	if len(name) <= limit {
		return name
	}
	rest := (limit-len(suffix))/2 - 1
	return table[:min(rest, len(table))] + "_" + column[:min(rest, len(column))] + "_" + suffix
}

// The moments that a column can hold in every database.
var (
	minTime = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// clamp returns t in UTC as precisely as the column holds it, rounded down.
func clamp(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Before(minTime) {
		return minTime
	}
	if t.After(maxTime) {
		return maxTime
	}
	return t
}

// timeArg returns the value that stands for t in a statement.
//
// SQLite and MySQL have no type of their own for a moment: Django, with USE_TZ,
// keeps the text of the UTC time there (adapt_datetimefield_value in
// django/db/backends/sqlite3/operations.py and mysql/operations.py). It is
// bound as text, so that no driver puts another time zone or format in its
// place. Python writes a fraction of a second as six digits, or not at all; so
// written, the text's order is the order of time.
//
// zone is [Options.TimeZone]; nil is UTC.
func timeArg(d Dialect, t time.Time, zone *time.Location) any {
	t = clamp(t)
	if d == Postgres {
		return t
	}
	if zone != nil {
		if t = t.In(zone); t.Year() > maxTime.Year() {
			t = maxTime
		}
	}
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("2006-01-02 15:04:05.000000")
}

// errUnreadable says that a row holds something that is no session.
var errUnreadable = errors.New("the stored row cannot be read")

// dbTime scans a time, or its text. One that cannot be read is the zero Time: a
// session that another program gave it does not live, and is in nobody's way.
type dbTime struct {
	time.Time
	zone *time.Location // of a text without an offset; nil is UTC
}

func (t *dbTime) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		t.Time = v.UTC()
	case string:
		t.Time = t.parse(v)
	case []byte:
		t.Time = t.parse(string(v))
	default:
		t.Time = time.Time{}
	}
	return nil
}

func (t *dbTime) parse(s string) time.Time {
	zone := t.zone
	if zone == nil {
		zone = time.UTC
	}
	for _, layout := range [...]string{
		"2006-01-02 15:04:05", // with or without a fraction
		"2006-01-02 15:04:05Z07:00",
		"2006-01-02T15:04:05",
		time.RFC3339,
	} {
		if parsed, err := time.ParseInLocation(layout, s, zone); err == nil {
			return parsed.UTC()
		}
	}
	return time.Time{}
}
