package source

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sessionengine/dbstore"
	"sessionengine/django"
	"sessionengine/internal/opendb"
	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// dataColumn is the column of Django's table, and of package dbstore's, that
// holds a session.
const dataColumn = "session_data"

// rowDecoder returns what decodes that column: JSON as it is, and anything else
// as Django writes it.
func rowDecoder(opts Options) (func(text string) ([]byte, error), error) {
	var encoding dbstore.Encoding
	if len(opts.Secrets) > 0 {
		key, o := djangoKeys(opts)
		rows, err := django.Rows(key, o)
		if err != nil {
			return nil, err
		}
		encoding = rows.Encoding
	}
	return func(text string) ([]byte, error) {
		text = inner(text)
		switch {
		case strings.HasPrefix(text, "{"):
			return []byte(text), nil
		case encoding == nil:
			return nil, errors.New("not a JSON object; what Django wrote needs its SECRET_KEY in -secret-file")
		}
		data, err := encoding.Decode(text)
		if err == session.ErrInvalidToken {
			err = errors.New("not signed with this SECRET_KEY")
		}
		return data, err
	}, nil
}

// inner returns what a column holds, without what databases put around it: it
// may be JSON in a string of JSON, or bytes as PostgreSQL writes them.
func inner(text string) string {
	text = strings.TrimSpace(text)
	if digits, ok := strings.CutPrefix(text, `\x`); ok {
		if b, err := hex.DecodeString(digits); err == nil {
			text = strings.TrimSpace(string(b))
		}
	}
	var s string
	if json.Unmarshal([]byte(text), &s) == nil {
		text = strings.TrimSpace(s)
	}
	return text
}

// readDatabase reads the table of a database.
func readDatabase(ctx context.Context, location string, opts Options) (*Sessions, error) {
	if opts.Scheme != "" {
		return nil, errors.New("a table holds no cookies; leave the scheme out")
	}
	db, err := opendb.Parse(location)
	if err != nil {
		return nil, err
	}
	return readTable(ctx, db, opts)
}

// readTable reads the first rows in the order of their keys. Keys are random, so
// that this is a random choice that the primary key's index finds quickly.
func readTable(ctx context.Context, database opendb.Database, opts Options) (*Sessions, error) {
	decode, err := rowDecoder(opts)
	if err != nil {
		return nil, err
	}
	table, err := database.Quote(opts.Table)
	if err != nil {
		return nil, err
	}
	db, err := database.Open("ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	sample := newSampler(opts.Limit)
	if err := queryRows(ctx, db, table, opts.Limit, sample); err != nil {
		return nil, fmt.Errorf("%s: %w", opts.Table, database.Error(explainTable(ctx, db, database, table, err)))
	}
	return sample.sessions(ctx, opts.Name, decode)
}

// explainTable says what to do if err is that there is no such table, or that it
// is not a table of sessions.
func explainTable(ctx context.Context, db *sql.DB, database opendb.Database, table string, err error) error {
	if class, _ := sqlkit.Classify(database.Dialect, err); class == sqlkit.NoTable {
		return errors.New("there is no such table; -table names the one with the sessions")
	}
	rows, queryErr := db.QueryContext(ctx, "SELECT * FROM "+table+" WHERE 1 = 0")
	if queryErr != nil {
		return err
	}
	defer rows.Close()
	columns, queryErr := rows.Columns()
	for _, name := range []string{dataColumn, "session_key"} {
		if queryErr == nil && !slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) }) {
			return fmt.Errorf("the table has no column %s; there are %s. Write its sessions to a file, one JSON object a "+
				"line, or make a view with that column and name it in -table", name, strings.Join(columns, ", "))
		}
	}
	return err
}

func queryRows(ctx context.Context, db *sql.DB, table string, limit int, sample *sampler) error {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY session_key LIMIT %d", dataColumn, table,
		limit))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("row %d: %w", sample.found+1, err)
		}
		sample.add(item{text: string(text), where: position{row: sample.found + 1}})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || sample.found < int64(limit) {
		return err
	}
	// There may be more.
	return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&sample.found)
}

// separatorOf returns what separates the columns of a file whose first line, a
// header, names the column that holds sessions; it is 0 if there is none.
func separatorOf(line string) rune {
	for _, separator := range ",\t;" {
		r := csv.NewReader(strings.NewReader(line))
		r.Comma = separator
		if header, err := r.Read(); err == nil && columnIndex(header) >= 0 {
			return separator
		}
	}
	return 0
}

func columnIndex(header []string) int {
	return slices.IndexFunc(header, func(name string) bool {
		return strings.EqualFold(strings.TrimSpace(name), dataColumn)
	})
}

// readCSV reads the rows of a file with a header: CSV (RFC 4180), or what mysql
// --batch writes, with tabs and escapes.
func readCSV(ctx context.Context, r *bufio.Reader, separator rune, opts Options) (*Sessions, error) {
	decode, err := rowDecoder(opts)
	if err != nil {
		return nil, err
	}
	sample := newSampler(opts.Limit)
	if separator == '\t' {
		err = readTabs(ctx, r, sample)
	} else {
		err = readRecords(ctx, r, separator, sample)
	}
	if err != nil {
		return nil, err
	}
	return sample.sessions(ctx, opts.Name, decode)
}

// quoting is what most lines lack that are no CSV.
const quoting = ": a field with a comma, a quote or a line break stands in quotes, and its quotes are doubled"

func readRecords(ctx context.Context, r *bufio.Reader, separator rune, sample *sampler) error {
	limited := &limitedReader{r: r}
	records := csv.NewReader(limited)
	records.Comma = separator
	records.ReuseRecord = true
	column := -1
	for ctx.Err() == nil {
		limited.left = maxValue
		record, err := records.Read()
		if err == io.EOF {
			return nil
		}
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			return lineError(e.Line, e.Err.Error()+quoting)
		} else if err != nil {
			return err
		}
		if column < 0 {
			column = columnIndex(record)
			continue
		}
		line, _ := records.FieldPos(0)
		sample.add(item{text: strings.Clone(record[column]), where: position{line: line}})
	}
	return ctx.Err()
}

// unescape undoes what mysql --batch does to a value
// (https://dev.mysql.com/doc/refman/8.4/en/mysql-command-options.html, --raw).
var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\0`, "\x00")

func readTabs(ctx context.Context, r *bufio.Reader, sample *sampler) error {
	column := -1
	for n := 1; ctx.Err() == nil; n++ {
		line, err := readLine(r)
		switch {
		case err == io.EOF:
			return nil
		case err == errTooLong:
			return lineError(n, err.Error())
		case err != nil:
			return err
		case len(line) == 0:
			continue
		}
		values := strings.Split(string(line), "\t")
		if column < 0 {
			column = columnIndex(values)
			continue
		}
		if len(values) <= column {
			return lineError(n, "fewer fields than the header has")
		}
		// The shell of SQLite separates by tabs, too, and does not escape.
		text := unescape.Replace(values[column])
		if !json.Valid([]byte(text)) && json.Valid([]byte(values[column])) {
			text = values[column]
		}
		sample.add(item{text: text, where: position{line: n}})
	}
	return ctx.Err()
}
