package dbstore

import (
	"context"
	"fmt"
	"strings"

	"sessionengine/session"
)

// Migrate creates the table and its index where they are missing, as Django's
// own migration does, and leaves alone what is there: a table that Django made
// is ready for use. It may be run at every start, and by several machines at
// once.
//
// Django's second index on PostgreSQL, for LIKE queries on session_key, is left
// out, since nothing uses it. On MySQL the table is created with the character
// set utf8mb4, whatever the database's own.
//
// With [Options.Owners] it creates the table of owners as well, and then fills it,
// which reads the whole table of sessions once. Without the option, that there is
// a table of owners is an error that matches [session.ErrMisuse].
func (s *Store) Migrate(ctx context.Context) error {
	if !s.begin() {
		return session.ErrClosed
	}
	defer s.end()
	if err := s.migrate(ctx); err != nil {
		return s.failure(ctx, "migrate", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	// What is there is not created again: "IF NOT EXISTS" asks for rights, and
	// an index for a lock on the table, even where it then does nothing.
	if ok, err := s.hasTable(ctx, s.table, "session_key, session_data, expire_date"); err != nil {
		return err
	} else if !ok {
		if err := s.define(ctx, s.createTable()); err != nil {
			return err
		}
	}
	if err := s.migrateIndex(ctx, s.table, "expire_date"); err != nil {
		return err
	}
	if s.owners != nil {
		return s.owners.migrate(ctx, s)
	}
	return s.refuseOwners(ctx)
}

// refuseOwners returns an error if the table has one of owners beside it, and the
// store would save sessions that it does not note there.
func (s *Store) refuseOwners(ctx context.Context) error {
	table := tableName{s.table.schema, s.table.name + "_owner"}
	if _, err := parseTableName(table.name); err != nil {
		return nil // too long to be there
	}
	ok, err := s.hasTable(ctx, table, "session_key, owner, id, generation")
	if err != nil || !ok {
		return nil
	}
	return fmt.Errorf("%w: the table %s is there, and sessions that are saved without Options.Owners would not be found by their owner: set it, or drop that table",
		session.ErrMisuse, table.name)
}

// hasTable tells whether a table is there. That it lacks a column is an error.
func (s *Store) hasTable(ctx context.Context, table tableName, columns string) (bool, error) {
	st := &statement{db: s.db, text: "SELECT " + columns + " FROM " + table.quoted(s.dialect) + " WHERE 1 = 0", alone: true}
	_, err := collect(ctx, s, st, nil, scanOne[any])
	if err == nil {
		return true, nil
	}
	if class, _ := classify(s.dialect, err); class == noTable {
		return false, nil
	}
	return false, err
}

// migrateIndex creates the index on some columns unless there is one that begins
// with the first.
func (s *Store) migrateIndex(ctx context.Context, table tableName, columns ...string) error {
	if ok, err := s.hasIndex(ctx, table, columns[0]); err != nil || ok {
		return err
	}
	return s.define(ctx, s.createIndex(table, columns))
}

// hasIndex tells whether an index of the table begins with the column.
func (s *Store) hasIndex(ctx context.Context, table tableName, column string) (bool, error) {
	var query string
	args := []any{table.name}
	if table.schema != "" {
		args = append(args, table.schema)
	}
	switch s.dialect {
	case SQLite:
		query = "SELECT COUNT(*) FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c WHERE c.seqno = 0 AND c.name = '" + column + "'"
		if table.schema != "" {
			query = "SELECT COUNT(*) FROM pragma_index_list(?1, ?2) AS i, pragma_index_info(i.name, ?2) AS c WHERE c.seqno = 0 AND c.name = '" + column + "'"
		}
	case Postgres:
		query = "SELECT COUNT(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]" +
			" WHERE a.attname = '" + column + "' AND i.indrelid = '" + table.quoted(s.dialect) + "'::regclass"
		args = nil
	case MySQL:
		schema := "DATABASE()"
		if table.schema != "" {
			schema = "?"
		}
		query = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_name = ? AND table_schema = " + schema +
			" AND column_name = '" + column + "' AND seq_in_index = 1"
	}
	n, err := collect(ctx, s, &statement{db: s.db, text: query, alone: true}, args, scanOne[int])
	return err == nil && n[0] > 0, err
}

// createTable is what "manage.py sqlmigrate sessions 0001" prints.
func (s *Store) createTable() string {
	text, datetime, options := "text", "datetime", ""
	switch s.dialect {
	case Postgres:
		datetime = "timestamp with time zone"
	case MySQL:
		text, datetime, options = "longtext", "datetime(6)", " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	q := s.dialect.quote
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s varchar(40) NOT NULL PRIMARY KEY, %s %s NOT NULL, %s %s NOT NULL)%s",
		s.table.quoted(s.dialect), q("session_key"), q("session_data"), text, q("expire_date"), datetime, options)
}

func (s *Store) createIndex(table tableName, columns []string) string {
	q := s.dialect.quote
	name, on := q(table.index(s.dialect, columns[0])), table.quoted(s.dialect)
	switch s.dialect {
	case SQLite:
		if table.schema != "" {
			name, on = q(table.schema)+"."+name, q(table.name)
		}
		name = "IF NOT EXISTS " + name
	case Postgres:
		name = "IF NOT EXISTS " + name
	}
	// YugabyteDB would make a hash index, which finds no ranges, without "ASC";
	// everywhere else it goes without saying.
	var ascending []string
	for _, column := range columns {
		ascending = append(ascending, q(column)+" ASC")
	}
	return fmt.Sprintf("CREATE INDEX %s ON %s (%s)", name, on, strings.Join(ascending, ", "))
}

// define runs a statement that creates something. That another machine has
// created it meanwhile is no error; PostgreSQL, in spite of "IF NOT EXISTS",
// then reports a unique violation in its own catalogue.
func (s *Store) define(ctx context.Context, text string) error {
	_, err := s.exec(ctx, &statement{db: s.db, text: text, alone: true})
	if err != nil {
		if class, _ := classify(s.dialect, err); class == exists || class == duplicate {
			return nil
		}
	}
	return err
}
