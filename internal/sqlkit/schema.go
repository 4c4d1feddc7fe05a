package sqlkit

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"sessionengine/session"
)

// Define creates a table unless it is there, and the indexes that it lacks. What
// is there is not created again: "IF NOT EXISTS" asks for rights, and an index for
// a lock on the table, even where it then does nothing. Several machines may do so
// at once. A table that cannot serve in the place of the new one is an error.
func (db *DB) Define(ctx context.Context, def Definition) error {
	var names, columns []string
	for _, c := range def.Columns {
		names = append(names, c.Name)
		columns = append(columns, c.Name+" "+c.Type+" NOT NULL")
	}
	ok, err := db.HasTable(ctx, def.Table, names...)
	switch {
	case err != nil:
		return err
	case ok:
		if err := db.check(ctx, def); err != nil {
			return err
		}
	default:
		err := db.Create(ctx, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s, PRIMARY KEY (%s))%s",
			def.Table.Quote(db.Dialect), strings.Join(columns, ", "), def.Key, def.Options))
		if err != nil {
			return err
		}
	}
	for _, index := range def.Indexes {
		if ok, err := db.hasIndex(ctx, def.Table, index.Columns[0]); err != nil {
			return err
		} else if !ok {
			if err := db.Create(ctx, db.createIndex(def.Table, index)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Definition is what a table has to be like.
type Definition struct {
	Table   Table
	Columns []Column
	Key     string // the columns of the primary key, separated by commas
	Options string // behind the last bracket
	Indexes []Index
}

// Column is a column of a table.
type Column struct {
	Name, Type string
	Width      int  // how many characters it has to hold at least, or 0
	Exact      bool // texts that are not the same are not equal
}

// Index is an index of a table. One that begins with the same column is as good.
type Index struct {
	Name    string
	Columns []string
}

// check returns an error if a table that is there does not do.
func (db *DB) check(ctx context.Context, def Definition) error {
	found, err := db.columns(ctx, def.Table)
	if err != nil {
		if class, _ := Classify(db.Dialect, err); class == Other && ctx.Err() == nil {
			return nil // a database that has another catalogue
		}
		return err
	}
	for _, c := range found {
		i := slices.IndexFunc(def.Columns, func(want Column) bool { return want.Name == c.name })
		switch {
		case i < 0 && c.required:
			return fmt.Errorf("%w: the column %s of the table %s is NOT NULL, has no default, and nothing is put"+
				" there: give it a default, or drop it", session.ErrMisuse, c.name, def.Table.Name)
		case i < 0:
		case c.width > 0 && c.width < def.Columns[i].Width:
			return fmt.Errorf("%w: the column %s of the table %s holds %d characters, and needs %d:"+
				" give it the type %s",
				session.ErrMisuse, c.name, def.Table.Name, c.width, def.Columns[i].Width, def.Columns[i].Type)
		case def.Columns[i].Exact && c.vague:
			return fmt.Errorf("%w: the column %s of the table %s takes texts for equal that are not the same:"+
				" give it the type %s and no collation of its own", session.ErrMisuse, c.name, def.Table.Name,
				def.Columns[i].Type)
		}
	}
	return nil
}

// column is what the database says of one.
type column struct {
	name     string
	width    int  // in characters; 0 if there is no limit
	required bool // each INSERT has to say what to put there
	vague    bool // texts that are not the same may be equal
}

// columns returns the columns of a table.
func (db *DB) columns(ctx context.Context, table Table) ([]column, error) {
	args, of, in, schema := db.catalogue(table)
	var query string
	switch db.Dialect {
	case SQLite: // which has no limits
		query = `SELECT t.name, 0, t."notnull" = 1 AND t.dflt_value IS NULL AND NOT (t.pk > 0 AND ` +
			"upper(t.type) = 'INTEGER'), EXISTS (SELECT 1 FROM pragma_index_list(" + of + ") AS i," +
			" pragma_index_xinfo(i.name" + in + ") AS c" +
			" WHERE c.name = t.name AND c.coll <> 'BINARY') FROM pragma_table_info(" + of + ") AS t"
	case Postgres:
		query = "SELECT a.attname, CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 " +
			"THEN a.atttypmod - 4 ELSE 0 END," +
			" a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', NOT COALESCE(c.collisdeterministic, true)" +
			" FROM pg_attribute AS a LEFT JOIN pg_collation AS c ON c.oid = a.attcollation" +
			" WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = '" + table.Quote(db.Dialect) + "'::regclass"
	case MySQL:
		query = "SELECT column_name, COALESCE(character_maximum_length, 0), is_nullable = 'NO' " +
			"AND column_default IS NULL AND extra NOT LIKE '%auto_increment%'" +
			" AND extra NOT LIKE '%GENERATED%', collation_name IS NOT NULL" +
			" FROM information_schema.columns WHERE table_name = ? AND table_schema = " + schema
	}
	return Collect(ctx, db, db.Once(query), args, func(rows *sql.Rows) (c column, err error) {
		err = rows.Scan(&c.name, &c.width, &c.required, &c.vague)
		return c, err
	})
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
	args, of, in, schema := db.catalogue(table)
	var query string
	switch db.Dialect {
	case SQLite:
		query = "SELECT COUNT(*) FROM pragma_index_list(" + of + ") AS i, pragma_index_info(i.name" + in + ") AS c" +
			" WHERE c.seqno = 0 AND c.name = '" + column + "'"
	case Postgres:
		query = "SELECT COUNT(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid" +
			" AND a.attnum = i.indkey[0]" +
			" WHERE a.attname = '" + column + "' AND i.indrelid = '" + table.Quote(db.Dialect) + "'::regclass"
	case MySQL:
		query = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_name = ? AND table_schema = " + schema +
			" AND column_name = '" + column + "' AND seq_in_index = 1"
	}
	n, err := Value[int](ctx, db, db.Once(query), args...)
	return n > 0, err
}

// catalogue returns how a query of the catalogue names a table: its arguments,
// those of SQLite's functions about a table and, behind a name, about an index, and
// the schema for MySQL. PostgreSQL's have the name in their text.
func (db *DB) catalogue(table Table) (args []any, of, in, schema string) {
	switch {
	case db.Dialect == Postgres:
		return nil, "", "", ""
	case table.Schema == "":
		return []any{table.Name}, "?1", "", "DATABASE()"
	}
	return []any{table.Name, table.Schema}, "?1, ?2", ", ?2", "?"
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

// Create runs a statement that creates something. That another machine has
// created it meanwhile is no error; PostgreSQL, in spite of "IF NOT EXISTS",
// then reports a unique violation in its own catalogue.
func (db *DB) Create(ctx context.Context, text string) error {
	_, err := db.Exec(ctx, db.Once(text))
	if err != nil {
		if class, _ := Classify(db.Dialect, err); class == Exists || class == Duplicate {
			return nil
		}
	}
	return err
}
