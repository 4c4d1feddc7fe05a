package source

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// sqliteMagic begins each SQLite file (https://www.sqlite.org/fileformat.html,
// section 1.3).
const sqliteMagic = "SQLite format 3\x00"

// unreadable says what to do with a file that begins like this, if it is not to
// be read.
func unreadable(start []byte) error {
	// gzip, zip, bzip2, xz, zstd
	for _, compressed := range []string{"\x1f\x8b", "PK\x03\x04", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(start, []byte(compressed)) {
			return errors.New("it is compressed: unpack it first, or save it as CSV if it is a spreadsheet")
		}
	}
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return errors.New("it is in UTF-16: write it in UTF-8")
	}
	if bytes.HasPrefix(start, []byte(sqliteMagic)) {
		return nil
	}
	if bytes.IndexByte(start, 0) >= 0 && !bytes.HasPrefix(start, []byte("PGDMP")) {
		return errors.New("it is no text, and no SQLite file: write one JSON object a line, or CSV")
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(bytes.TrimPrefix(start, []byte(bom))), []byte("\n"))
	if isSQL(line) {
		return errors.New("it is a dump of SQL: make a CSV file of the table instead, with " +
			`psql -c "\copy django_session to sessions.csv csv header", ` +
			`mysql --batch -e "select * from django_session" DATABASE > sessions.csv, or ` +
			`sqlite3 -csv -header FILE "select * from django_session" > sessions.csv`)
	}
	return nil
}

// isSQL reports whether a dump begins with this line.
func isSQL(line []byte) bool {
	for _, mark := range []string{"--", "/*", `\`, "PGDMP"} { // comments, commands of psql, pg_dump -Fc
		if bytes.HasPrefix(line, []byte(mark)) {
			return true
		}
	}
	word, _, _ := bytes.Cut(line, []byte(" "))
	switch strings.ToUpper(string(word)) {
	case "PRAGMA", "BEGIN", "BEGIN;", "START", "SET", "CREATE", "INSERT", "REPLACE", "COPY", "DROP", "USE", "LOCK":
		return true
	}
	return false
}

// noHeader says what to do with a file whose first line is neither JSON nor a
// header that names the column of sessions.
func noHeader(line string) error {
	for _, separator := range ",\t;|" {
		r := csv.NewReader(strings.NewReader(line))
		r.Comma = separator
		columns, err := r.Read()
		switch {
		case err != nil || len(columns) < 2 || slices.ContainsFunc(columns, isContent):
		case columnIndex(columns) >= 0: // with a separator that readCSV does not know
			return fmt.Errorf("its columns are separated by %q: write them with commas, as sqlite3 -csv -header does",
				separator)
		default:
			return noColumn(columns)
		}
	}
	return errors.New("it is neither one JSON object a line nor CSV with a column " + dataColumn +
		"; if these are cookies, say in -scheme how they were made")
}

// columnName is what a column is usually called.
var columnName = regexp.MustCompile(`^ *[A-Za-z_][A-Za-z0-9_]{0,30} *\r?$`)

// isContent reports whether a field may be anything but the name of a column,
// which errors may quote.
func isContent(field string) bool { return !columnName.MatchString(field) }

// noColumn says which columns there are instead of the one that is needed.
func noColumn(columns []string) error {
	var names []string
	for _, name := range columns[:min(len(columns), 12)] {
		names = append(names, strings.TrimSpace(name))
	}
	if len(columns) > len(names) {
		names = append(names, "…")
	}
	return fmt.Errorf("no column is called %s; there are %s. Give this name to the column that holds the sessions",
		dataColumn, strings.Join(names, ", "))
}

// notASession says what is wrong with a value that is no JSON object.
func notASession(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) > 0 && raw[0] == '[':
		return errors.New("not a JSON object but an array: write one object a line, as jq -c '.[]' does")
	case !json.Valid(raw):
		return errors.New("not a JSON object: write one a line, with nothing in between, as jq -c . does")
	}
	return errors.New("not a JSON object")
}
