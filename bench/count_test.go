package bench_test

import (
	"context"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"sessionengine/bench"
)

func TestCounterCountsEveryRoundTrip(t *testing.T) {
	ctx := t.Context()
	var count bench.Counter
	db, err := count.OpenDB("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO t VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	sum := func(ctx context.Context) error {
		var n int
		return db.QueryRowContext(ctx, "SELECT sum(n) FROM t").Scan(&n)
	}
	tests := []struct {
		name string
		do   func() error
		want int64
	}{
		{"a statement that writes", func() error {
			_, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)")
			return err
		}, 1},
		{"a query", func() error { return sum(ctx) }, 1},
		{"a prepared statement", func() error { _, err := insert.ExecContext(ctx, 2); return err }, 1},
		{"preparing", func() error {
			stmt, err := db.PrepareContext(ctx, "SELECT 1")
			if err != nil {
				return err
			}
			return stmt.Close()
		}, 1},
		{"a transaction with two statements", func() error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			for range 2 {
				if _, err := tx.ExecContext(ctx, "INSERT INTO t VALUES (3)"); err != nil {
					return err
				}
			}
			return tx.Commit()
		}, 4},
		{"a transaction that is rolled back", func() error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		}, 2},
		{"a ping", func() error { return db.PingContext(ctx) }, 0},
	}
	for _, tt := range tests {
		before := count.Count()
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := count.Count() - before; got != tt.want {
			t.Errorf("%s: counted %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestNilCounterIsAPlainDatabase(t *testing.T) {
	var count *bench.Counter
	db, err := count.OpenDB("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
}
