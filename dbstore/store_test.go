package dbstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func TestNewChecksItsArguments(t *testing.T) {
	db := sql.OpenDB(unreachable{})
	defer db.Close()
	for _, tc := range []struct {
		name    string
		db      *sql.DB
		dialect dbstore.Dialect
		opts    dbstore.Options
	}{
		{"no database", nil, dbstore.SQLite, dbstore.Options{}},
		{"no dialect", db, 0, dbstore.Options{}},
		{"an unknown dialect", db, 4, dbstore.Options{}},
		{"a table's name with a quote", db, dbstore.Postgres, dbstore.Options{Table: `a"b`}},
		{"a table's name with a space", db, dbstore.Postgres, dbstore.Options{Table: "a b"}},
		{"a schema without a table", db, dbstore.Postgres, dbstore.Options{Table: "a."}},
		{"a table without its schema", db, dbstore.Postgres, dbstore.Options{Table: ".a"}},
		{"a table in a schema in a database", db, dbstore.Postgres, dbstore.Options{Table: "a.b.c"}},
		{"a table's name of 64 characters", db, dbstore.Postgres, dbstore.Options{Table: strings.Repeat("a", 64)}},
		{"a negative batch", db, dbstore.Postgres, dbstore.Options{CleanupBatch: -1}},
		{"a batch of more than a statement takes", db, dbstore.Postgres, dbstore.Options{CleanupBatch: 10001}},
		{"a negative timeout", db, dbstore.Postgres, dbstore.Options{Timeout: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := dbstore.New(tc.db, tc.dialect, tc.opts); err == nil {
				t.Error("no error")
			} else if !strings.HasPrefix(err.Error(), "dbstore: ") {
				t.Errorf("an error without the package's name: %v", err)
			}
		})
	}
	if _, err := dbstore.New(db, dbstore.Postgres, dbstore.Options{}); err != nil {
		t.Errorf("New uses the database: %v", err)
	}
}

// unreachable is a database that cannot be reached.
type unreachable struct{}

var errUnreachable = errors.New("unreachable")

func (unreachable) Connect(context.Context) (driver.Conn, error) { return nil, errUnreachable }
func (unreachable) Driver() driver.Driver                        { return nil }

func TestDialectHasAName(t *testing.T) {
	for d, want := range map[dbstore.Dialect]string{
		dbstore.SQLite: "SQLite", dbstore.Postgres: "PostgreSQL", dbstore.MySQL: "MySQL", 9: "Dialect(9)",
	} {
		if got := fmt.Sprint(d); got != want {
			t.Errorf("%d is called %q, want %q", int(d), got, want)
		}
	}
}

// A database that cannot be reached is no reason to log anybody out, and
// malformed tokens do not even ask it.
func FuzzTokensOfClients(f *testing.F) {
	for _, raw := range []bool{false, true} {
		f.Add(raw, "")
		f.Add(raw, "0123456789abcdefghijklmnopqrstuv")
		f.Add(raw, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
		f.Add(raw, "ecpnuhsvs5odefijs93v619e891sp71a1vt6462j")
		f.Add(raw, "abcdefg8")
		f.Add(raw, "' OR 1=1 --")
		f.Add(raw, "\x00\xff")
	}
	db := sql.OpenDB(unreachable{})
	f.Cleanup(func() { db.Close() })
	stores := make(map[bool]*dbstore.Store)
	for _, raw := range []bool{false, true} {
		store, err := dbstore.New(db, dbstore.Postgres, dbstore.Options{RawKeys: raw})
		if err != nil {
			f.Fatal(err)
		}
		stores[raw] = store
	}
	f.Fuzz(func(t *testing.T, raw bool, token string) {
		wellFormed := strings.Trim(token, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
		if raw {
			wellFormed = wellFormed && len(token) >= 8 && len(token) <= 40
		} else {
			wellFormed = wellFormed && len(token) == 32
		}
		store, ctx := stores[raw], context.Background()
		_, err := store.Load(ctx, token)
		if wellFormed {
			if !errors.Is(err, errUnreachable) || errors.Is(err, session.ErrNotFound) {
				t.Errorf("Load of a token that may exist: %v, want %v", err, errUnreachable)
			}
		} else if !errors.Is(err, session.ErrInvalidToken) {
			t.Errorf("Load of a malformed token: %v, want %v", err, session.ErrInvalidToken)
		}
		if err := store.Delete(ctx, token); wellFormed != errors.Is(err, errUnreachable) {
			t.Errorf("Delete: %v", err)
		}
		if _, err := store.Renew(ctx, token, &session.Record{}); token != "" &&
			wellFormed == errors.Is(err, session.ErrGone) {
			t.Errorf("Renew: %v", err)
		}
	})
}

func TestTableInASchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("ATTACH ? AS other", filepath.Join(t.TempDir(), "other.db")); err != nil {
		t.Fatal(err)
	}
	store, err := dbstore.New(db, dbstore.SQLite, dbstore.Options{Table: "other.sessions"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := t.Context()
	for range 2 {
		if err := store.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	rec := &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
	token, err := store.Save(ctx, "", rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, token); err != nil {
		t.Error(err)
	}
	var n int
	if err := db.QueryRow("SELECT (SELECT COUNT(*) FROM other.sqlite_master WHERE name LIKE 'sessions_expire_date_%')" +
		" + (SELECT COUNT(*) FROM other.sessions)").Scan(&n); err != nil || n != 2 {
		t.Errorf("the schema has %d index and row, %v; want 1 and 1", n, err)
	}
}

// A row that another program has damaged is a session that does not exist: the
// visitor gets a new one instead of an error forever.
func TestDamagedRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rec := &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(time.Hour)}
	token, err := store.Save(t.Context(), "", rec)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE django_session SET expire_date = 'soon, hunter2'"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Load(t.Context(), token)
	if !errors.Is(err, session.ErrInvalidToken) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Load: %v, want %v and no part of the row", err, session.ErrInvalidToken)
	}
	if _, err := store.Save(t.Context(), token, rec); err != nil && !errors.Is(err, session.ErrConflict) {
		t.Errorf("Save: %v", err)
	}
}

// The bounds of a store that is not told any.
func TestBounds(t *testing.T) {
	ctx := t.Context()
	store, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	of := func(size int) *session.Record {
		data := `{"_session_owner":"ann"}`
		return &session.Record{Data: []byte(data + strings.Repeat(" ", size-len(data))), Owner: "ann", Expires: time.Now().Add(time.Hour)}
	}
	if _, err := store.Save(ctx, "", of(1<<20)); err != nil {
		t.Errorf("a session of 1 MiB: %v", err)
	}
	_, err = store.Save(ctx, "", of(1<<20+1))
	if tooLarge, ok := errors.AsType[*session.TooLargeError](err); !ok || tooLarge.Limit != 1<<20 {
		t.Errorf("a session of a byte more: %v", err)
	}
	for range 1000 {
		if _, err := store.Save(ctx, "", of(100)); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{0, 1000, 1001, 1 << 30} {
		page, next, err := store.Sessions(ctx, "ann", "", "", limit)
		if err != nil || len(page) != 1000 || next == "" {
			t.Errorf("a page of up to %d: %d sessions, %q, %v", limit, len(page), next, err)
		}
		if page, next, err = store.Sessions(ctx, "ann", "", next, limit); err != nil || len(page) != 1 || next != "" {
			t.Errorf("the page behind it: %d sessions, %q, %v", len(page), next, err)
		}
	}
}

// An owner is remembered for an hour after their sessions were ended.
func TestAnEndedOwnerIsForgottenAfterAnHour(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions.db")
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		db, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		store, err := sqlite.Open(ctx, file, sqlite.Options{Options: dbstore.Options{Owners: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		rec := &session.Record{Data: []byte(`{"_session_owner":"ann"}`), Owner: "ann", Expires: time.Now().Add(time.Hour)}
		if _, err := store.Save(ctx, "", rec); err != nil {
			t.Fatal(err)
		}
		if n, err := store.EndSessions(ctx, "ann"); n != 1 || err != nil {
			t.Fatalf("EndSessions: %d, %v", n, err)
		}
		owners := func() (n int) {
			if _, err := store.DeleteExpired(ctx); err != nil {
				t.Fatal(err)
			}
			if err := db.QueryRow("SELECT COUNT(*) FROM django_session_owner WHERE owner = 'ann'").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		time.Sleep(59 * time.Minute)
		if n := owners(); n != 1 {
			t.Errorf("after 59 minutes %d rows, want 1", n)
		}
		time.Sleep(2 * time.Minute)
		if n := owners(); n != 0 {
			t.Errorf("after 61 minutes %d rows, want none", n)
		}
	})
}
