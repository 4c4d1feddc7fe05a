package sqlkit

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
)

// Errors of drivers that the tests do not use.
type (
	pqError     struct{ state string }
	mattnError  struct{ Code, ExtendedCode int }
	mysqlError  struct{ Number uint16 }
	numberlessE struct{ Number string }
)

func (e pqError) Error() string     { return "pq: hunter2" }
func (e pqError) SQLState() string  { return e.state }
func (e mattnError) Error() string  { return "database is locked" }
func (e *mysqlError) Error() string { return "hunter2" }
func (e numberlessE) Error() string { return "no number" }

func TestErrorsAreKnownWithoutTheirDrivers(t *testing.T) {
	for _, tc := range []struct {
		dialect Dialect
		err     error
		want    Class
		text    string
	}{
		{Postgres, pqError{"40001"}, Transient, "pq: hunter2"},
		{Postgres, fmt.Errorf("wrapped: %w", pqError{"40P01"}), Transient, "wrapped: pq: hunter2"},
		{Postgres, pqError{"23505"}, Duplicate, "unique violation (SQLSTATE 23505)"},
		{Postgres, pqError{"22021"}, NoCharacter, "SQLSTATE 22021"},
		{Postgres, pqError{"57P01"}, Lost, "pq: hunter2"},
		{Postgres, pqError{"08006"}, Lost, "pq: hunter2"},
		{Postgres, pqError{"40003"}, Lost, "pq: hunter2"},
		{Postgres, pqError{"25006"}, Moved, "pq: hunter2"},
		{Postgres, pqError{"25P02"}, Moved, "pq: hunter2"},
		{Postgres, pqError{"57P03"}, Moved, "pq: hunter2"},
		{Postgres, pqError{"53300"}, Transient, "pq: hunter2"},
		{Postgres, pqError{"57014"}, Other, "pq: hunter2"},
		{Postgres, pqError{"0A000"}, Other, "pq: hunter2"},
		{Postgres, fmt.Errorf("cached plan must not change result type: %w", pqError{"0A000"}), Moved,
			"cached plan must not change result type: pq: hunter2"},
		{Postgres, fmt.Errorf("receive: %w", io.ErrUnexpectedEOF), Lost, "receive: unexpected EOF"},
		{Postgres, fmt.Errorf("write: %w", syscall.EPIPE), Lost, "write: broken pipe"},
		{Postgres, fmt.Errorf("dial: %w", syscall.ECONNREFUSED), Other, "dial: connection refused"},
		{Postgres, pqError{"42P01"}, NoTable, "pq: hunter2"},
		{Postgres, pqError{"42P07"}, Exists, "pq: hunter2"},
		{Postgres, errors.New("dial"), Other, "dial"},
		{SQLite, mattnError{5, 517}, Transient, "database is locked"},
		{SQLite, mattnError{19, 1555}, Duplicate, "database is locked"},
		{SQLite, mattnError{13, 13}, Other, "database is locked"},
		{SQLite, errors.New("closed"), Other, "closed"},
		{MySQL, &mysqlError{1213}, Transient, "hunter2"},
		{MySQL, &mysqlError{1205}, Transient, "hunter2"},
		{MySQL, &mysqlError{1040}, Transient, "hunter2"},
		{MySQL, &mysqlError{1047}, Moved, "hunter2"},
		{MySQL, &mysqlError{1053}, Moved, "hunter2"},
		{MySQL, &mysqlError{1290}, Moved, "hunter2"},
		{MySQL, &mysqlError{1836}, Moved, "hunter2"},
		{MySQL, &mysqlError{1927}, Moved, "hunter2"},
		{MySQL, &mysqlError{3101}, Transient, "hunter2"},
		{MySQL, &mysqlError{3024}, Other, "hunter2"},
		{MySQL, driver.ErrBadConn, Lost, "driver: bad connection"},
		{MySQL, errors.New("invalid connection"), Lost, "invalid connection"},
		{MySQL, fmt.Errorf("wrapped: %w", &mysqlError{1062}), Duplicate, "error 1062: duplicate entry"},
		{MySQL, &mysqlError{1064}, Other, "error 1064: syntax error"},
		{MySQL, &mysqlError{9999}, Other, "error 9999"},
		{MySQL, numberlessE{"1213"}, Other, "no number"},
		{MySQL, (*mysqlError)(nil), Other, "hunter2"},
	} {
		got, text := Classify(tc.dialect, tc.err)
		if got != tc.want || text != tc.text {
			t.Errorf("%v, %T %+v: %d %q, want %d %q", tc.dialect, tc.err, tc.err, got, text, tc.want, tc.text)
		}
	}
}
