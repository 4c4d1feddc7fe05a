package dbstore

import (
	"context"
	"fmt"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// Migrate creates the table and its index where they are missing, as Django's
// own migration does, and leaves alone what is there: a table that Django made
// is ready for use. It may be run at every start, and by several machines at
// once. A table on which saving would fail, because of a key that is too narrow or
// another column that is NOT NULL and has no default, is an error that matches
// [session.ErrMisuse] and says what to do.
//
// Django's second index on PostgreSQL, for LIKE queries on session_key, is left
// out, since nothing uses it. On MySQL the table is created with the character
// set utf8mb4, whatever the database's own.
//
// With [Options.Owners] it creates the table of owners as well, and then fills it,
// which reads the whole table of sessions once. Without the option, that there is
// a table of owners is an error that matches [session.ErrMisuse].
//
// With [Options.Changes] it creates triggers, which takes the rights of the table's
// owner, and a function in the table's schema that they call. It leaves them
// alone without the option.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.db.Begin(); err != nil {
		return err
	}
	defer s.db.End()
	if err := s.migrate(ctx); err != nil {
		return s.db.Failure(ctx, "migrate", err)
	}
	return nil
}

// migrate creates what "manage.py sqlmigrate sessions 0001" prints.
func (s *Store) migrate(ctx context.Context) error {
	text, datetime, options := s.types()
	err := s.db.Define(ctx, sqlkit.Definition{
		Table: s.table,
		Columns: []sqlkit.Column{
			{Name: "session_key", Type: "varchar(40)", Width: s.keyWidth()},
			{Name: "session_data", Type: text},
			{Name: "expire_date", Type: datetime},
		},
		Key:     "session_key",
		Options: options,
		Indexes: []sqlkit.Index{s.index(s.table, "expire_date")},
	})
	if err != nil {
		return err
	}
	if s.opts.Changes {
		if err := s.migrateChanges(ctx); err != nil {
			return err
		}
	}
	if s.owners != nil {
		return s.owners.migrate(ctx)
	}
	return s.refuseOwners(ctx)
}

// keyWidth is how many characters the keys of new sessions have.
func (s *shared) keyWidth() int {
	if s.opts.RawKeys {
		return tokenLen
	}
	return keyLen
}

// types returns the types of a long text and of a time, and what a new table's
// definition ends with.
func (s *shared) types() (text, datetime, options string) {
	switch s.dialect {
	case Postgres:
		return "text", "timestamp with time zone", ""
	case MySQL:
		return "longtext", "datetime(6)", " DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	return "text", "datetime", ""
}

// index is an index with the name that Django gives it.
func (s *shared) index(table sqlkit.Table, columns ...string) sqlkit.Index {
	return sqlkit.Index{Name: indexName(s.dialect, table.Name, columns[0]), Columns: columns}
}

// refuseOwners returns an error if the table has one of owners beside it, and the
// store would save sessions that it does not note there.
func (s *Store) refuseOwners(ctx context.Context) error {
	table, err := s.ownersTable()
	if err != nil {
		return nil // too long to be there
	}
	ok, err := s.db.HasTable(ctx, table, "session_key", "owner", "id", "generation")
	if err != nil || !ok {
		return nil
	}
	return fmt.Errorf("%w: the table %s is there, and sessions that are saved without Options.Owners would not be"+
		" found by their owner: set it, or drop that table",
		session.ErrMisuse, table.Name)
}
