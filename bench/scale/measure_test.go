package scale

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/opendb"
)

// A bed is where tables are measured: a database, and a table in it that is the bed's own.
type bed struct {
	database opendb.Database
	table    string
	store    *dbstore.Store
	db       *sql.DB // to fill the table quickly, and to ask for sizes
}

// newBed makes the table. It is dropped when the test ends.
func newBed(t testing.TB, database opendb.Database) *bed {
	t.Helper()
	ctx := t.Context()
	b := &bed{database: database, table: "sessionengine_scale_" + strings.ToLower(rand.Text()[:12])}
	opts := dbstore.Options{Table: b.table}
	var err error
	switch database.Dialect {
	case dbstore.SQLite:
		b.store, err = sqlite.Open(ctx, database.Location, sqlite.Options{Options: opts})
	case dbstore.Postgres:
		b.store, err = postgres.Open(ctx, database.Location, postgres.Options{Options: opts})
	case dbstore.MySQL:
		b.store, err = mysql.Open(ctx, database.Location, mysql.Options{Options: opts})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	if b.db, err = database.Open("rw"); err != nil {
		t.Fatal(err)
	}
	b.db.SetMaxOpenConns(1) // what it is told once holds for all of its statements
	if database.Dialect == dbstore.SQLite {
		// To fill it quickly: the store has connections of its own, with the settings that it always has.
		if _, err := b.db.ExecContext(ctx, "PRAGMA cache_size = -500000; PRAGMA temp_store = memory;"+
			"PRAGMA synchronous = off"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		var err error
		if database.Dialect != dbstore.SQLite { // whose file is deleted
			_, err = b.db.Exec("DROP TABLE " + b.table)
		}
		if err := errors.Join(err, b.db.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := b.store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// sqliteBed returns a bed in a file of its own.
func sqliteBed(t testing.TB) *bed {
	return newBed(t, opendb.Database{Dialect: dbstore.SQLite, Location: filepath.Join(t.TempDir(), "sessions.db")})
}

// version returns the database's name and version.
func (b *bed) version(t testing.TB) (name, version string) {
	t.Helper()
	statement := map[dbstore.Dialect]string{dbstore.SQLite: "SELECT sqlite_version()",
		dbstore.Postgres: "SHOW server_version", dbstore.MySQL: "SELECT version()"}[b.database.Dialect]
	if err := b.db.QueryRowContext(t.Context(), statement).Scan(&version); err != nil {
		t.Fatal(err)
	}
	return b.database.Dialect.String(), version
}

// perInsert is how many rows go into a statement, and perCommit into a transaction.
const perInsert, perCommit = 200, 100_000

// fill saves n new sessions as dbstore does, but many in a statement. Session i lives until expires(i).
func (b *bed) fill(ctx context.Context, n int, text func() string, expires func(i int) time.Time) error {
	for from := 0; from < n; from += perCommit {
		tx, err := b.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for i := from; i < min(n, from+perCommit); i += perInsert {
			if err := b.insert(ctx, tx, i, min(n, from+perCommit, i+perInsert), text, expires); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) insert(ctx context.Context, tx *sql.Tx, from, to int, text func() string,
	expires func(i int) time.Time) error {
	var values []string
	var args []any
	for i := from; i < to; i++ {
		key := make([]byte, 25)
		rand.Read(key)
		place := "(?, ?, ?)"
		if b.database.Dialect == dbstore.Postgres {
			place = fmt.Sprintf("($%d, $%d, $%d)", len(args)+1, len(args)+2, len(args)+3)
		}
		values = append(values, place)
		args = append(args, strings.ToLower(base32.HexEncoding.EncodeToString(key)), text(), b.moment(expires(i)))
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+b.table+" (session_key, session_data, expire_date) VALUES "+
		strings.Join(values, ", "), args...)
	return err
}

// moment returns a moment as an argument of a statement. Those of the middleware are whole seconds.
func (b *bed) moment(t time.Time) any {
	t = t.UTC().Truncate(time.Second)
	if b.database.Dialect == dbstore.Postgres {
		return t
	}
	return t.Format(time.DateTime)
}

// life is how long the sessions of a table live, and margin keeps them from expiring while they are measured.
const life, margin = 14 * 24 * time.Hour, time.Hour

// texts returns texts of sessions of so many bytes on average, from half of it to one and a half. To a database they are
// text: whether they begin and end as JSON does is all the same.
func texts(t testing.TB, mean int) func() string {
	t.Helper()
	sessions, err := bench.Corpus()
	if err != nil {
		t.Fatal(err)
	}
	var corpus []byte
	for _, s := range sessions {
		corpus = append(corpus, s.JSON()...)
	}
	corpus = bytes.Repeat(corpus, 2+2*mean/len(corpus))
	return func() string {
		from := mathrand.N(len(corpus) - 2*mean)
		text := corpus[from : from+mean/2+mathrand.N(mean+1)]
		return string(bytes.ToValidUTF8(text, []byte("?"))) // where a character was cut
	}
}

// maxCleanup is about how many rows the cleanup deletes at most: how long a row takes depends on how large the table is,
// and not on how many are deleted.
const maxCleanup = 20_000

// measure fills the empty table with rows, has those cleaned up that have expired, deletes more until half of all are
// deleted, and saves as many new ones. Which they are is left to chance.
func (b *bed) measure(t testing.TB, size, rows int) Point {
	t.Helper()
	ctx, p := t.Context(), Point{Size: size, Rows: rows}
	now, text := time.Now(), texts(t, size)
	end := now.Add(margin + life) // before which those expire that are deleted
	expired := 0
	if err := b.fill(ctx, rows, text, func(i int) time.Time {
		switch {
		case i%2 == 1:
			return end.Add(time.Second + mathrand.N(life))
		case mathrand.N(rows/2) < maxCleanup:
			expired++
			return now.Add(-time.Second - mathrand.N(life))
		}
		return now.Add(margin + mathrand.N(life))
	}); err != nil {
		t.Fatal(err)
	}
	p.Fill = time.Since(now).Seconds() / float64(rows)
	start := time.Now()
	cleaned, err := b.store.DeleteExpired(ctx)
	if err != nil || int(cleaned) != expired {
		t.Fatalf("%d were deleted of %d that have expired: %v", cleaned, expired, err)
	}
	p.Deleted, p.Cleanup = int(cleaned), time.Since(start).Seconds()
	deleted := p.Deleted + b.deleteBefore(t, end)
	if deleted != rows/2 {
		t.Fatalf("%d were deleted of %d", deleted, rows)
	}
	if b.database.Dialect == dbstore.Postgres {
		// What autovacuum does within minutes: it makes the room of deleted rows free.
		if _, err := b.db.ExecContext(ctx, "VACUUM "+b.table); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func(int) time.Time { return now.Add(margin + mathrand.N(2*life)) }
	if err := b.fill(ctx, deleted, text, fresh); err != nil {
		t.Fatal(err)
	}
	if err := b.sizes(ctx, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// deleteBefore deletes the rows that expire before then, and returns how many.
func (b *bed) deleteBefore(t testing.TB, then time.Time) int {
	t.Helper()
	place := "?"
	if b.database.Dialect == dbstore.Postgres {
		place = "$1"
	}
	result, err := b.db.ExecContext(t.Context(), "DELETE FROM "+b.table+" WHERE expire_date <= "+place, b.moment(then))
	if err != nil {
		t.Fatal(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// sizes asks for the bytes of the table, its indexes, and of all of it on the disk.
func (b *bed) sizes(ctx context.Context, p *Point) error {
	switch b.database.Dialect {
	case dbstore.SQLite: // https://www.sqlite.org/dbstat.html
		return b.db.QueryRowContext(ctx, `SELECT
			SUM(CASE WHEN name = ?1 THEN pgsize ELSE 0 END),
			SUM(CASE WHEN name = 'sqlite_autoindex_' || ?1 || '_1' THEN pgsize ELSE 0 END),
			SUM(CASE WHEN name LIKE ?1 || '_expire_date_%' THEN pgsize ELSE 0 END),
			(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)
			FROM dbstat`, b.table).Scan(&p.Table, &p.KeyIndex, &p.ExpiryIndex, &p.File)
	case dbstore.Postgres: // https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-DBSIZE
		return b.db.QueryRowContext(ctx, `
			WITH t AS (SELECT $1::text::regclass AS id)
			SELECT pg_table_size(id), pg_total_relation_size(id),
			(SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = id AND indisprimary),
			(SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = id AND NOT indisprimary) FROM t`,
			b.table).Scan(&p.Table, &p.File, &p.KeyIndex, &p.ExpiryIndex)
	}
	// InnoDB keeps the rows in the index on the key. Sizes are those of the last ANALYZE
	// (https://mariadb.com/kb/en/information-schema-tables-table/); MySQL caches them for a day unless told not to.
	b.db.ExecContext(ctx, "SET SESSION information_schema_stats_expiry = 0") // MariaDB does not know it
	if _, err := b.db.ExecContext(ctx, "ANALYZE TABLE "+b.table); err != nil {
		return err
	}
	return b.db.QueryRowContext(ctx, `SELECT data_length, index_length, data_length + index_length + data_free
		FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?`, b.table).Scan(
		&p.Table, &p.ExpiryIndex, &p.File)
}
