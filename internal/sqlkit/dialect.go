package sqlkit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Dialect is the kind of database behind a *sql.DB, whatever its driver.
type Dialect int

const (
	SQLite Dialect = iota + 1
	Postgres
	MySQL
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case Postgres:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// Quote returns the name of a column or an index as it stands in a statement.
func (d Dialect) Quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

// placeholders writes the question marks of a statement as the database wants
// them: as $1, $2 and so on in PostgreSQL.
func (d Dialect) placeholders(query string) string {
	if d != Postgres {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// In returns the condition that a column has one of n values, which is never
// true if n is 0.
func In(column string, n int) string {
	if n == 0 {
		return "1 = 0"
	}
	return column + " IN (" + strings.Repeat("?, ", n-1) + "?)"
}

// Table is the name of a table, with or without the schema that it is in.
type Table struct{ Schema, Name string }

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// ParseTable reads a name of at most longest characters, after a schema and a dot
// if need be.
func ParseTable(s string, longest int) (Table, error) {
	t := Table{Name: s}
	schema, name, ok := strings.Cut(s, ".")
	if ok {
		t = Table{schema, name}
	}
	if !identifier.MatchString(t.Name) || len(t.Name) > longest || ok && !identifier.MatchString(t.Schema) {
		return t, fmt.Errorf("%q is no name of a table: letters, digits and underscores, at most %d,"+
			" after a schema and a dot if need be", s, longest)
	}
	return t, nil
}

// Quote returns a table's name as it stands in a statement.
func (t Table) Quote(d Dialect) string {
	if t.Schema == "" {
		return d.Quote(t.Name)
	}
	return d.Quote(t.Schema) + "." + d.Quote(t.Name)
}
