package revocation

import (
	"context"
	"fmt"
	"strings"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// Migrate creates the table if it is missing, and otherwise checks its columns.
// It may be run at every start, and by several nodes at once.
func (l *SQLList) Migrate(ctx context.Context) error {
	if l.closed.Load() {
		return failure(ctx, "migrate", session.ErrClosed)
	}
	var err error
	for range 3 {
		if err = l.check(ctx); err == nil {
			return nil
		}
		// In spite of IF NOT EXISTS, PostgreSQL reports an error if another
		// node creates the same table at this moment. It is there then.
		if err = l.createTable(ctx); err == nil {
			err = l.check(ctx)
		}
	}
	if err != nil {
		return failure(ctx, "migrate", err)
	}
	return nil
}

// createTable creates the table with its index, or neither.
func (l *SQLList) createTable(ctx context.Context) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, statement := range l.create {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// check returns an error unless the table is there.
func (l *SQLList) check(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, l.probe)
	if err != nil {
		return err
	}
	return rows.Close()
}

// setDefinition sets the statements that create the table, and the one that
// finds out whether it is there.
func (l *SQLList) setDefinition(table string) {
	t := l.quote(table)
	l.probe = "SELECT entry, generation, expires FROM " + t + " WHERE 1 = 0"

	schema, name, ok := strings.Cut(table, ".")
	if !ok {
		schema, name = "", table
	}
	text, end := "", ")"
	index, indexed := name+"_expires", t
	switch l.dialect {
	case dbstore.SQLite:
		end = ") WITHOUT ROWID"
		if schema != "" { // the index bears it, and the table must not
			index, indexed = schema+"."+index, l.quote(name)
		}
	case dbstore.MySQL:
		text = " CHARACTER SET ascii COLLATE ascii_bin"
		end = ", INDEX " + l.quote(index) + " (expires))"
	}
	l.create = []string{fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (entry varchar(40)%s NOT NULL PRIMARY KEY, generation bigint NOT NULL,"+
		" expires bigint NOT NULL%s", t, text, end)}
	if l.dialect != dbstore.MySQL {
		l.create = append(l.create, "CREATE INDEX IF NOT EXISTS "+l.quote(index)+" ON "+indexed+" (expires)")
	}
}
