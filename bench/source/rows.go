package source

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sessionengine/bench"
	"sessionengine/dbstore"
	"sessionengine/django"
	"sessionengine/internal/opendb"
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
		switch {
		case strings.HasPrefix(strings.TrimSpace(text), "{"):
			return []byte(text), nil
		case encoding == nil:
			return nil, errors.New("not a JSON object; what Django wrote needs its SECRET_KEY")
		}
		data, err := encoding.Decode(text)
		if err == session.ErrInvalidToken {
			err = errors.New("not signed with this SECRET_KEY")
		}
		return data, err
	}, nil
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
		return nil, fmt.Errorf("%s: %w", opts.Table, database.Error(err))
	}
	return sample.sessions(ctx, opts.Name, decode)
}

func queryRows(ctx context.Context, db *sql.DB, table string, limit int, sample *sampler) error {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY session_key LIMIT %d", dataColumn, table, limit))
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

// readRows reads a file with rows through read, which adds them to a sampler.
func readRows(ctx context.Context, r *bufio.Reader, opts Options, read func(context.Context, *bufio.Reader, Options, *sampler) error) (*Sessions, error) {
	decode, err := rowDecoder(opts)
	if err != nil {
		return nil, err
	}
	sample := newSampler(opts.Limit)
	if err := read(ctx, r, opts, sample); err != nil {
		return nil, withoutPath(err)
	}
	return sample.sessions(ctx, opts.Name, decode)
}

// isHeader reports whether a line of a CSV file (RFC 4180) names the column
// that holds sessions.
func isHeader(line string) bool {
	header, err := csv.NewReader(strings.NewReader(line)).Read()
	return err == nil && columnIndex(header) >= 0
}

func columnIndex(header []string) int {
	return slices.IndexFunc(header, func(name string) bool {
		return strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")), dataColumn)
	})
}

// readCSV reads the rows of a CSV file with a header.
func readCSV(ctx context.Context, r *bufio.Reader, _ Options, sample *sampler) error {
	if bom, err := r.Peek(3); err == nil && string(bom) == "\ufeff" {
		r.Discard(len(bom)) // it has been read into the buffer
	}
	records := csv.NewReader(r)
	records.ReuseRecord = true
	column := -1
	for ctx.Err() == nil {
		record, err := records.Read()
		if err == io.EOF {
			return nil
		}
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			return &bench.LineError{Line: e.Line, Reason: e.Err.Error()}
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
