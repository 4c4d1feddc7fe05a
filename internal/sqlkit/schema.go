package sqlkit

import (
	"context"
	"fmt"
	"strings"
)

// Define creates a table unless it is there, and the indexes that it lacks. What
// is there is not created again: "IF NOT EXISTS" asks for rights, and an index for
// a lock on the table, even where it then does nothing. Several machines may do so
// at once. A table without one of the columns is an error.
func (db *DB) Define(ctx context.Context, def Definition) error {
	var names, columns []string
	for _, c := range def.Columns {
		names = append(names, c[0])
		columns = append(columns, c[0]+" "+c[1]+" NOT NULL")
	}
	if ok, err := db.HasTable(ctx, def.Table, names...); err != nil {
		return err
	} else if !ok {
		err := db.create(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s, PRIMARY KEY (%s))%s",
			def.Table.Quote(db.Dialect), strings.Join(columns, ", "), def.Key, def.Options))
		if err != nil {
			return err
		}
	}
	for _, index := range def.Indexes {
		if ok, err := db.hasIndex(ctx, def.Table, index.Columns[0]); err != nil {
			return err
		} else if !ok {
			if err := db.create(ctx, db.createIndex(def.Table, index)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Definition is what a table has to be like.
type Definition struct {
	Table   Table
	Columns [][2]string // each one's name and type
	Key     string      // the columns of the primary key, separated by commas
	Options string      // behind the last bracket
	Indexes []Index
}

// Index is an index of a table. One that begins with the same column is as good.
type Index struct {
	Name    string
	Columns []string
}

// HasTable reports whether a table is there. That it lacks a column is an error.
func (db *DB) HasTable(ctx context.Context, table Table, columns ...string) (bool, error) {
	// Not in quotes: SQLite would take a name that it does not know for a text.
	text := "SELECT " + strings.Join(columns, ", ") + " FROM " + table.Quote(db.Dialect) + " WHERE 1 = 0"
	_, err := Collect(ctx, db, db.Once(text), nil, One[any])
	if err == nil {
		return true, nil
	}
	if class, _ := Classify(db.Dialect, err); class == NoTable {
		return false, nil
	}
	return false, err
}

// hasIndex reports whether an index of the table begins with the column.
func (db *DB) hasIndex(ctx context.Context, table Table, column string) (bool, error) {
	var query string
	args := []any{table.Name}
	if table.Schema != "" {
		args = append(args, table.Schema)
	}
	switch db.Dialect {
	case SQLite:
		of, in := "?1", ""
		if table.Schema != "" {
			of, in = "?1, ?2", ", ?2"
		}
		query = "SELECT COUNT(*) FROM pragma_index_list(" + of + ") AS i, pragma_index_info(i.name" + in + ") AS c" +
			" WHERE c.seqno = 0 AND c.name = '" + column + "'"
	case Postgres:
		query = "SELECT COUNT(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]" +
			" WHERE a.attname = '" + column + "' AND i.indrelid = '" + table.Quote(db.Dialect) + "'::regclass"
		args = nil
	case MySQL:
		schema := "DATABASE()"
		if table.Schema != "" {
			schema = "?"
		}
		query = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_name = ? AND table_schema = " + schema +
			" AND column_name = '" + column + "' AND seq_in_index = 1"
	}
	n, err := Value[int](ctx, db, db.Once(query), args...)
	return n > 0, err
}

func (db *DB) createIndex(table Table, index Index) string {
	q := db.Dialect.Quote
	name, on := q(index.Name), table.Quote(db.Dialect)
	if db.Dialect == SQLite && table.Schema != "" { // the index bears it, and the table must not
		name, on = q(table.Schema)+"."+name, q(table.Name)
	}
	if db.Dialect != MySQL {
		name = "IF NOT EXISTS " + name
	}
	// YugabyteDB would make a hash index, which finds no ranges, without "ASC";
	// everywhere else it goes without saying.
	var ascending []string
	for _, column := range index.Columns {
		ascending = append(ascending, column+" ASC")
	}
	return fmt.Sprintf("CREATE INDEX %s ON %s (%s)", name, on, strings.Join(ascending, ", "))
}

// create runs a statement that creates something. That another machine has
// created it meanwhile is no error; PostgreSQL, in spite of "IF NOT EXISTS",
// then reports a unique violation in its own catalogue.
func (db *DB) create(ctx context.Context, text string) error {
	_, err := db.Exec(ctx, db.Once(text))
	if err != nil {
		if class, _ := Classify(db.Dialect, err); class == Exists || class == Duplicate {
			return nil
		}
	}
	return err
}
