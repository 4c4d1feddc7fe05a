package dbstore

import (
	"crypto/fips140"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Dialect is the kind of database behind a *sql.DB, whatever its driver.
type Dialect int

const (
	// SQLite is SQLite 3, and what reads its files.
	SQLite Dialect = iota + 1
	// Postgres is PostgreSQL 12 or later, and what speaks its protocol.
	Postgres
	// MySQL is MySQL 8 or later and MariaDB 10.5 or later, and what speaks
	// their protocol.
	MySQL
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case Postgres:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// queries is the text of every statement that serves requests. The package
// documentation says what they rely on.
type queries struct {
	load, insert, update, renew, touch, delete, deleteUnchanged string

	// expired finds a batch of expired rows, from a moment on.
	expired string
	// deleteExpired is followed by a list of placeholders, from the second on,
	// and a bracket.
	deleteExpired string

	// count counts the living sessions and all of them.
	count string
	// expiries is followed by a list of placeholders and a bracket.
	expiries string
}

func (d Dialect) queries(table tableName, batch int) queries {
	t := table.quoted(d)

	// Django's expire_date is read as the text that it is stored as, where it
	// is stored without a time zone: the driver may be set up to guess one.
	expires := "expire_date"
	switch d {
	case SQLite:
		expires = "CAST(expire_date AS TEXT)"
	case MySQL:
		expires = "CAST(expire_date AS CHAR)"
	}

	// The comparison of what was read with what is stored is one of bytes,
	// whatever the collation of the column. MySQL's collations, its binary ones
	// included, ignore the case, the accents or the spaces at the end.
	// A value that another program stored as a BLOB in SQLite is equal to no text.
	same := "session_data = ?"
	switch d {
	case SQLite:
		same = "CAST(session_data AS TEXT) = ?"
	case Postgres:
		same = `session_data = ? COLLATE "C"`
	case MySQL:
		same = "CAST(CONVERT(session_data USING utf8mb4) AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY)"
	}
	where := " WHERE session_key = ? AND " + same + " AND expire_date > ?"

	q := queries{
		load:            "SELECT session_data, " + expires + " FROM " + t + " WHERE session_key = ?",
		insert:          "INSERT INTO " + t + " (session_key, session_data, expire_date) VALUES (?, ?, ?)",
		update:          "UPDATE " + t + " SET session_data = ?, expire_date = ?" + where,
		renew:           "UPDATE " + t + " SET session_key = ?, session_data = ?, expire_date = ?" + where,
		touch:           "UPDATE " + t + " SET expire_date = ?" + where,
		delete:          "DELETE FROM " + t + " WHERE session_key = ?",
		deleteUnchanged: "DELETE FROM " + t + where,
		expired:         "SELECT session_key, " + expires + " FROM " + t + " WHERE expire_date >= ? AND expire_date <= ? ORDER BY expire_date LIMIT " + strconv.Itoa(batch),
		deleteExpired:   "DELETE FROM " + t + " WHERE expire_date <= " + d.placeholder(1) + " AND session_key IN (",
		count:           "SELECT COALESCE(SUM(CASE WHEN expire_date > ? THEN 1 ELSE 0 END), 0), COUNT(*) FROM " + t,
		expiries:        "SELECT session_key, " + expires + " FROM " + t + " WHERE session_key IN (",
	}
	if d == Postgres {
		for _, s := range []*string{&q.load, &q.insert, &q.update, &q.renew, &q.touch, &q.delete, &q.deleteUnchanged, &q.expired, &q.count} {
			*s = numbered(*s)
		}
	}
	return q
}

// placeholder returns the n-th placeholder of a statement, counted from one.
func (d Dialect) placeholder(n int) string {
	if d == Postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// numbered replaces the question marks of a statement by $1, $2, and so on.
func numbered(query string) string {
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString(Postgres.placeholder(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// tableName is the name of a table, with or without the schema it is in.
type tableName struct{ schema, name string }

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

func parseTableName(s string) (tableName, error) {
	var t tableName
	schema, name, ok := strings.Cut(s, ".")
	if ok {
		t.schema, t.name = schema, name
	} else {
		t.name = s
	}
	if !identifier.MatchString(t.name) || ok && !identifier.MatchString(t.schema) {
		return t, fmt.Errorf("dbstore: %q is no name of a table: letters, digits and underscores, at most 63, after a schema and a dot if need be", s)
	}
	return t, nil
}

func (t tableName) quoted(d Dialect) string {
	if t.schema == "" {
		return d.quote(t.name)
	}
	return d.quote(t.schema) + "." + d.quote(t.name)
}

func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

// index returns the name that Django gives to the index on a column
// (django/db/backends/base/schema.py, _create_index_name), so that Django and
// this package recognise each other's.
func (t tableName) index(d Dialect, column string) string {
	limit := 200
	switch d {
	case Postgres:
		limit = 63
	case MySQL:
		limit = 64
	}
	var sum [md5.Size]byte
	fips140.WithoutEnforcement(func() { // a name, and no matter of security
		sum = md5.Sum([]byte(t.name + column))
	})
	suffix := hex.EncodeToString(sum[:])[:8]
	name := t.name + "_" + column + "_" + suffix
	if len(name) <= limit {
		return name
	}
	rest := (limit-len(suffix))/2 - 1
	return t.name[:min(rest, len(t.name))] + "_" + column[:min(rest, len(column))] + "_" + suffix
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
func (d Dialect) timeArg(t time.Time, zone *time.Location) any {
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

// dbTime scans an expire_date: a time, or its text.
type dbTime struct {
	time.Time
	zone *time.Location // of a text without an offset; nil is UTC
}

func (t *dbTime) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		t.Time = v.UTC()
		return nil
	case string:
		return t.parse(v)
	case []byte:
		return t.parse(string(v))
	}
	return errUnreadable
}

func (t *dbTime) parse(s string) error {
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
			t.Time = parsed.UTC()
			return nil
		}
	}
	return errUnreadable
}
