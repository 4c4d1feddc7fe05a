package sqlkit

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"syscall"

	"sessionengine/session"
)

// Class is what an error of a database means to its user.
type Class int

const (
	Other Class = iota
	// Transient: the statement has done nothing, and may succeed if it is
	// run again: the database was locked, or chose it to break a deadlock, or
	// had no connection to spare.
	Transient
	// Moved: the statement has done nothing, and its connection is of no use
	// any more: the server has become a replica, has left its cluster or shuts
	// down, or has lost what was prepared there. Another connection may lead to
	// another server.
	Moved
	// Lost: the connection broke, and nobody knows whether the statement was
	// run.
	Lost
	// Duplicate: the key of a new row is taken.
	Duplicate
	// Exists: a table, an index or the like that was to be created is there.
	Exists
	// NoTable: the table is not there.
	NoTable
	// TooLarge: a value, or the statement with it, is longer than the database
	// takes.
	TooLarge
	// NoCharacter: the column's character set lacks a character of a value.
	NoCharacter
)

// Classify returns what err means, and returns the text of it that is safe to
// show: the messages of some databases quote the values of the statement. The
// text is empty if err has none.
//
// This package imports no driver, so it knows their errors by what they offer:
// a method SQLState (pgx, lib/pq), a method Code (modernc.org/sqlite), or a
// field Number (go-sql-driver/mysql) or ExtendedCode (mattn/go-sqlite3).
func Classify(d Dialect, err error) (Class, string) {
	switch d {
	case SQLite:
		return classifySQLite(err)
	case Postgres:
		if e, ok := errors.AsType[interface {
			error
			SQLState() string
		}](err); ok {
			return classifyPostgres(e.SQLState(), err.Error())
		}
	case MySQL:
		if number, ok := errorField(err, "Number"); ok {
			return classifyMySQL(number, err.Error())
		}
		if strings.HasSuffix(err.Error(), "invalid connection") { // go-sql-driver's ErrInvalidConn
			return Lost, err.Error()
		}
	}
	for _, broken := range []error{
		driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, broken) {
			return Lost, err.Error()
		}
	}
	if strings.Contains(err.Error(), "packet for query is too large") { // go-sql-driver/mysql's ErrPktTooLarge
		return TooLarge, "longer than max_allowed_packet"
	}
	return Other, err.Error()
}

// classifySQLite goes by https://www.sqlite.org/rescode.html. SQLite's messages
// name tables and columns, never values.
func classifySQLite(err error) (Class, string) {
	code, ok := errorField(err, "ExtendedCode")
	if e, is := errors.AsType[interface {
		error
		Code() int
	}](err); is {
		code, ok = uint64(e.Code()), true
	}
	text := err.Error()
	switch {
	case !ok:
		return Other, text
	case code == 1555 || code == 2067: // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE
		return Duplicate, text
	case code&0xff == 5 || code&0xff == 6: // SQLITE_BUSY, SQLITE_LOCKED
		return Transient, text
	case code&0xff == 18: // SQLITE_TOOBIG
		return TooLarge, text
	case code&0xff == 1 && strings.Contains(text, "no such table"):
		return NoTable, text
	}
	return Other, text
}

// classifyPostgres goes by appendix A of PostgreSQL's documentation. Messages
// of the classes 22 and 23 may quote values.
func classifyPostgres(state, text string) (Class, string) {
	switch state {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return Transient, text
	case "53300": // too many connections
		return Transient, text
	case "25006", "25P02", "57P03": // read-only, in a failed transaction, cannot connect now
		return Moved, text
	case "26000", "42P05": // no such prepared statement, or there is one already
		return Moved, text
	case "0A000":
		if strings.Contains(text, "cached plan must not change result type") { // the table was altered
			return Moved, text
		}
		return Other, text
	case "40003", "57P01", "57P02", "57P05": // completion unknown, shutdown, crash, idle for too long
		return Lost, text
	case "23505":
		return Duplicate, "unique violation (SQLSTATE 23505)"
	case "42P07", "42710", "42723": // duplicate table, duplicate object, duplicate function
		return Exists, text
	case "42P01":
		return NoTable, text
	case "54000": // program limit exceeded
		return TooLarge, "SQLSTATE " + state
	case "22021", "22P05": // character not in repertoire, untranslatable character
		return NoCharacter, "SQLSTATE " + state
	}
	switch state[:min(2, len(state))] {
	case "08":
		return Lost, text
	case "22", "23":
		return Other, "SQLSTATE " + state
	}
	return Other, text
}

// Refused reports whether err is PostgreSQL's answer that it has not run a
// statement. That the server shuts down, the connection is lost or something
// inside it has failed (the classes 57, 08, 58 and XX) may be said of one that
// it has run.
func Refused(err error) bool {
	e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err)
	if !ok || len(e.SQLState()) != 5 {
		return false
	}
	switch e.SQLState()[:2] {
	case "08", "57", "58", "XX":
		return false
	}
	return e.SQLState() != "40003" // statement completion unknown
}

// classifyMySQL goes by the error references of MySQL and MariaDB. Their
// messages quote values, and with the driver's interpolateParams the statement
// as it was sent, so that only those known not to are shown.
func classifyMySQL(number uint64, text string) (Class, string) {
	switch number {
	case 1205, 1213: // lock wait timeout, deadlock
		return Transient, text
	case 1020: // MariaDB with innodb_snapshot_isolation: row has changed since last read
		return Transient, text
	case 1040, 1203: // too many connections, of all users or of this one
		return Transient, text
	case 1047, 1053, 1290, 1792, 1836, 1927, 3168, 3169, 4031:
		// A node outside its cluster (Galera), shutdown, read-only servers and
		// transactions, killed (MariaDB), not available, killed (MySQL), idle
		// for too long.
		return Moved, text
	case 1158, 1159, 1160, 1161: // the server could not read or write
		return Lost, text
	case 3101: // MySQL's group replication has rolled it back for another's
		return Transient, text
	case 8005, 9007: // TiDB: write conflict
		return Transient, fmt.Sprintf("error %d: write conflict", number)
	case 1062:
		return Duplicate, "error 1062: duplicate entry"
	case 1064:
		return Other, "error 1064: syntax error"
	case 1153:
		return TooLarge, "error 1153: longer than max_allowed_packet"
	case 3988: // MySQL compares a text of utf8mb4 with a column that lacks its characters
		return NoCharacter, "error 3988: characters that the column's character set lacks"
	case 1105:
		if strings.Contains(text, "max_allowed_packet") { // a parameter that was sent on its own
			return TooLarge, "error 1105: longer than max_allowed_packet"
		}
		return Other, "error 1105"
	case 1366:
		return NoCharacter, "error 1366: incorrect value for the column's type or character set"
	case 1406:
		if !strings.Contains(text, "session_data") { // a narrow column of somebody else's
			return Other, "error 1406: too long for the column"
		}
		return TooLarge, "error 1406: too long for the column"
	case 1050, 1061: // table exists, duplicate key name
		return Exists, text
	case 1146:
		return NoTable, text
	case 1021, 1030, 1041, 1044, 1045, 1046, 1049, 1114, 1129, 1130, 1142, 1180, 1206, 1226, 1317, 1969, 3024:
		// Of the server's state, its limits and the user's rights.
		return Other, text
	}
	return Other, fmt.Sprintf("error %d", number)
}

// errorField returns the value of the number that err, or an error that it
// wraps, has as a field of that name.
func errorField(err error, name string) (uint64, bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			continue
		}
		switch f := v.FieldByName(name); {
		case f.CanUint():
			return f.Uint(), true
		case f.CanInt():
			return uint64(f.Int()), true
		}
	}
	return 0, false
}

// Failure returns err as the package reports it, without what it may quote.
func (db *DB) Failure(ctx context.Context, op string, err error) error {
	if errors.Is(err, session.ErrClosed) {
		return session.ErrClosed
	}
	class, text := Classify(db.Dialect, err)
	if class == NoTable {
		err = fmt.Errorf("%w (Migrate creates the table)", err)
	} else if class == Moved && db.Dialect == Postgres &&
		(strings.Contains(text, "26000") || strings.Contains(text, "42P05")) {
		err = fmt.Errorf("%w (a pooler that does not keep prepared statements, as pgbouncer in transaction mode, needs"+
			" default_query_exec_mode=cache_describe, exec or simple_protocol in the connection string)", err)
	} else if text != err.Error() {
		// What was left out stays out of reach of Unwrap, too.
		err = errors.New(text)
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		// Drivers report in their own words that the context ended.
		return fmt.Errorf("%s: %s: %w: %w", db.Package, op, cause, err)
	}
	return fmt.Errorf("%s: %s: %w", db.Package, op, err)
}
