package revocation_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/revocation"
	"sessionengine/session"
)

// testList checks what List promises, on two nodes.
func testList(t *testing.T, one, two revocation.List) {
	ctx := t.Context()
	lookup := func(l revocation.List, id, owner string) revocation.Entry {
		t.Helper()
		e, err := l.Lookup(ctx, id, owner)
		if err != nil {
			t.Fatalf("Lookup: %v", err)
		}
		return e
	}
	want := func(when string, got, want revocation.Entry) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	until := inAnHour()
	const other = "76543210fedcba9876543210"

	want("an empty list", lookup(one, id, "alice"), revocation.Entry{})
	if first, err := one.End(ctx, id, until); !first || err != nil {
		t.Errorf("End: %v, %v", first, err)
	}
	for _, l := range []revocation.List{one, two} {
		if first, err := l.End(ctx, id, until); first || err != nil {
			t.Errorf("End once more: %v, %v", first, err)
		}
		want("the session", lookup(l, id, ""), revocation.Entry{Ended: true})
		want("the session and an owner", lookup(l, id, "alice"), revocation.Entry{Ended: true})
		want("another session", lookup(l, other, "alice"), revocation.Entry{})
		want("no session", lookup(l, "", ""), revocation.Entry{})
		want("an owner with the session's name", lookup(l, "", id), revocation.Entry{})
	}

	endOwner := func(l revocation.List, generation, want int64) {
		t.Helper()
		if before, err := l.EndOwner(ctx, "alice", generation, until); err != nil || before != want {
			t.Fatalf("EndOwner: the generation was %d, %v; want %d", before, err, want)
		}
	}
	endOwner(one, 1000, 0)
	want("an owner", lookup(two, other, "alice"), revocation.Entry{Generation: 1000})
	want("both", lookup(two, id, "alice"), revocation.Entry{Ended: true, Generation: 1000})
	want("another owner", lookup(two, id, "Alice"), revocation.Entry{Ended: true})
	endOwner(two, 2000, 1000)
	want("a later generation", lookup(one, other, "alice"), revocation.Entry{Generation: 2000})
	endOwner(two, 1500, 2000)
	want("an earlier generation", lookup(one, other, "alice"), revocation.Entry{Generation: 2001})
	endOwner(one, 2001, 2001)
	want("the same generation", lookup(one, other, "alice"), revocation.Entry{Generation: 2002})

	race(16, func(i int) {
		l := one
		if i%2 == 0 {
			l = two
		}
		if _, err := l.EndOwner(ctx, "alice", 0, until); err != nil {
			t.Errorf("EndOwner beside others: %v", err)
		}
	})
	want("after sixteen more", lookup(one, other, "alice"), revocation.Entry{Generation: 2018})
	var befores [20]atomic.Int64
	race(16, func(i int) { // a new one
		before, err := one.EndOwner(ctx, "bob", 5, until)
		if err != nil || before < 0 || before > 19 {
			t.Errorf("EndOwner beside others: %d, %v", before, err)
			return
		}
		befores[before].Add(1)
	})
	for i := range befores {
		if want := int64(1); (i == 0 || i >= 5) && befores[i].Load() != want {
			t.Errorf("%d have raised an owner from the generation %d, want %d", befores[i].Load(), i, want)
		}
	}
	want("sixteen at once", lookup(two, "", "bob"), revocation.Entry{Generation: 20})
	for round := range rounds {
		var firsts atomic.Int64
		race(8, func(i int) {
			first, err := []revocation.List{one, two}[i%2].End(ctx, fmt.Sprintf("%024x", round), until)
			if err != nil {
				t.Errorf("End beside others: %v", err)
			}
			if first {
				firsts.Add(1)
			}
		})
		if n := firsts.Load(); n != 1 {
			t.Fatalf("%d were the first, want 1", n)
		}
	}

	if n, err := one.DeleteExpired(ctx); n != 0 || err != nil {
		t.Errorf("DeleteExpired: %d, %v; want 0", n, err)
	}
	past := time.Now().Add(-time.Minute)
	for i := range 1300 {
		if _, err := one.End(ctx, fmt.Sprintf("dead%020x", i), past); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := one.EndOwner(ctx, "carol", 1, past); err != nil {
		t.Fatal(err)
	}
	if _, err := one.EndOwner(ctx, "dave", 1, until); err != nil { // not shortened
		t.Fatal(err)
	}
	if _, err := one.EndOwner(ctx, "dave", 2, past); err != nil {
		t.Fatal(err)
	}
	var deleted atomic.Int64
	race(2, func(i int) {
		n, err := []revocation.List{one, two}[i].DeleteExpired(ctx)
		if err != nil {
			t.Errorf("DeleteExpired beside another: %v", err)
		}
		deleted.Add(n)
	})
	_, memory := one.(*revocation.MemoryList) // which also deletes as it grows
	if n := deleted.Load(); n != 1301 && !(memory && n < 1301) {
		t.Errorf("two DeleteExpired deleted %d, want 1301", n)
	}
	want("one that was deleted", lookup(one, fmt.Sprintf("dead%020x", 7), "carol"), revocation.Entry{})
	want("those that live", lookup(one, id, "dave"), revocation.Entry{Ended: true, Generation: 2})

	over, cancel := context.WithCancel(ctx)
	cancel()
	_, lookupErr := one.Lookup(over, id, "alice")
	_, endErr := one.End(over, other, until)
	_, deleteErr := one.DeleteExpired(over)
	_, ownerErr := one.EndOwner(over, "erin", 1, until)
	for call, err := range map[string]error{"Lookup": lookupErr, "End": endErr, "EndOwner": ownerErr,
		"DeleteExpired": deleteErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", call, err)
		}
	}
	want("after calls with a context that has ended", lookup(one, other, "erin"), revocation.Entry{})
}

func TestLists(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		list := revocation.NewMemoryList()
		testList(t, list, list)
	})
	t.Run("without prepared statements", func(t *testing.T) {
		list := sqlList(t, openSQLite(t, sqlitePath(t)), dbstore.SQLite, revocation.SQLOptions{NoPrepare: true})
		testList(t, list, list)
	})
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) { testList(t, open(), open()) })
}

// The moment at which something may be deleted is not before it was asked for.
func TestTheListKeepsWhatItMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		for name, list := range map[string]revocation.List{"memory": revocation.NewMemoryList(),
			"sqlite": sqliteList(t)} {
			until := time.Now().Add(2500 * time.Millisecond)
			if _, err := list.End(ctx, id, until); err != nil {
				t.Fatal(err)
			}
			if _, err := list.EndOwner(ctx, "alice", 1, until); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if n, err := list.DeleteExpired(ctx); n != 0 || err != nil {
					t.Errorf("%s: DeleteExpired %v before: %d, %v", name, time.Until(until), n, err)
				}
				time.Sleep(500 * time.Millisecond)
			}
			time.Sleep(500 * time.Millisecond)
			if n, err := list.DeleteExpired(ctx); n != 2 || err != nil {
				t.Errorf("%s: DeleteExpired: %d, %v", name, n, err)
			}
		}
	})
}

func TestMigrate(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			ctx := t.Context()
			open := d.place(t)
			list := func(db *sql.DB, table string) *revocation.SQLList {
				l, err := revocation.NewSQLList(db, d.dialect, revocation.SQLOptions{Table: table})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				return l
			}
			table := newTable()
			if _, err := list(open(), table).Lookup(ctx, id, ""); err == nil || errors.Is(err, session.ErrNotFound) {
				t.Errorf("Lookup without the table: %v", err)
			}
			nodes := make([]*revocation.SQLList, 6)
			for i := range nodes {
				nodes[i] = list(open(), table)
			}
			race(len(nodes), func(i int) {
				if err := nodes[i].Migrate(ctx); err != nil {
					t.Errorf("Migrate beside others: %v", err)
				}
			})
			if _, err := nodes[0].End(ctx, id, inAnHour()); err != nil {
				t.Fatal(err)
			}
			if err := nodes[1].Migrate(ctx); err != nil {
				t.Errorf("Migrate once more: %v", err)
			}
			if e, err := nodes[2].Lookup(ctx, id, ""); !e.Ended || err != nil {
				t.Errorf("after Migrate: %+v, %v", e, err)
			}

			db, foreign := open(), newTable()
			if _, err := db.Exec("CREATE TABLE " + foreign + " (entry varchar(40))"); err != nil {
				t.Fatal(err)
			}
			if err := list(db, foreign).Migrate(ctx); err == nil {
				t.Error("Migrate of a table with other columns: no error")
			}

			schema := map[dbstore.Dialect]string{dbstore.SQLite: "main", dbstore.Postgres: "public",
				dbstore.MySQL: "test"}[d.dialect]
			qualified := list(db, schema+"."+newTable())
			if err := qualified.Migrate(ctx); err != nil {
				t.Fatalf("Migrate in a schema: %v", err)
			}
			testList(t, qualified, qualified)
		})
	}
}

// TestOneQueryPerCheck counts what is sent to PostgreSQL.
func TestOneQueryPerCheck(t *testing.T) {
	postgres.Start(t)
	config, err := pgx.ParseConfig(postgres.URL)
	if err != nil {
		t.Fatal(err)
	}
	var sent tracer
	config.Tracer = &sent
	db := stdlib.OpenDB(*config)
	defer db.Close()
	db.SetMaxOpenConns(1)
	store := wrap(t, cookies(t), sqlList(t, db, dbstore.Postgres, revocation.SQLOptions{Table: newTable()}),
		revocation.Options{})

	for range 2 { // the second time all is prepared
		var token string
		var rec *session.Record
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		ctx := t.Context()
		for _, step := range []struct {
			name string
			want int64
			do   func()
		}{
			{"a new session without an owner", 0, func() { token, rec = begin(t, store, "", inAnHour()) }},
			{"a new session", 1, func() { token, rec = begin(t, store, "alice", inAnHour()) }},
			{"a load", 1, func() { wantAlive(t, "", store, token) }},
			{"a save", 1, func() { _, err := store.Save(ctx, token, rec); must(err) }},
			{"a renewal", 2, func() { var err error; token, err = store.Renew(ctx, token, rec); must(err) }},
			{"a logout", 1, func() { must(store.Delete(ctx, token)) }},
			{"logging out everywhere", 2, func() { must(endAll(ctx, store, "alice")) }},
		} {
			sent.queries.Store(0)
			step.do()
			if got := sent.queries.Load(); got != step.want {
				t.Errorf("%s: %d queries, want %d", step.name, got, step.want)
			}
		}
	}
}

type tracer struct{ queries atomic.Int64 }

func (tr *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	tr.queries.Add(1)
	return ctx
}

func (*tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestTheTableHoldsNoSecrets(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t, sqlitePath(t))
	store := wrap(t, cookies(t), sqlList(t, db, dbstore.SQLite, revocation.SQLOptions{}), revocation.Options{})
	token, rec := begin(t, store, "alice@example.org", inAnHour())
	token, err := store.EndOtherSessions(ctx, "alice@example.org", token)
	if err != nil {
		t.Fatal(err)
	}
	rec.Owner = "alice@example.org"
	if _, err := store.Renew(ctx, token, rec); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT entry FROM session_revocation")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var entry string
		if err := rows.Scan(&entry); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(entry, "alice") || len(entry) > 40 {
			t.Errorf("the table holds %q", entry)
		}
		if _, err := store.Load(ctx, entry); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load with what the table shows: %v", err)
		}
	}
	if n != 3 || rows.Err() != nil {
		t.Errorf("%d rows, %v; want 3", n, rows.Err())
	}
}

func TestSQLListOptions(t *testing.T) {
	db := openSQLite(t, sqlitePath(t))
	for name, opts := range map[string]revocation.SQLOptions{
		"a table that is none":  {Table: "a b"},
		"SQL":                   {Table: `x"; DROP TABLE y; --`},
		"a schema without name": {Table: "a."},
		"too long":              {Table: strings.Repeat("x", 51)},
		"a negative time-out":   {Timeout: -1},
	} {
		if _, err := revocation.NewSQLList(db, dbstore.SQLite, opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := revocation.NewSQLList(nil, dbstore.SQLite, revocation.SQLOptions{}); err == nil {
		t.Error("no database: no error")
	}
	if _, err := revocation.NewSQLList(db, 0, revocation.SQLOptions{}); err == nil {
		t.Error("no dialect: no error")
	}
}

func TestAClosedListLogsNobodyOut(t *testing.T) {
	ctx := t.Context()
	list := sqliteList(t)
	store := wrap(t, cookies(t), list, revocation.Options{})
	token, rec := begin(t, store, "alice", inAnHour())
	for range 2 {
		if err := list.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	_, loadErr := store.Load(ctx, token)
	_, saveErr := store.Save(ctx, token, rec)
	_, cleanErr := store.DeleteExpired(ctx)
	for call, err := range map[string]error{
		"Load": loadErr, "Save": saveErr, "Delete": store.Delete(ctx, token),
		"EndSessions":   endAll(ctx, store, "alice"),
		"DeleteExpired": cleanErr, "Migrate": list.Migrate(ctx),
	} {
		if !errors.Is(err, session.ErrClosed) || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: %v, want %v", call, err, session.ErrClosed)
		}
	}
}

// A list whose database does not answer.
func TestTimeout(t *testing.T) {
	db := openSQLite(t, sqlitePath(t))
	db.SetMaxOpenConns(1)
	list := sqlList(t, db, dbstore.SQLite, revocation.SQLOptions{Timeout: 20 * time.Millisecond})
	conn, err := db.Conn(t.Context()) // the only one
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Lookup(t.Context(), id, "alice"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lookup: %v, want %v", err, context.DeadlineExceeded)
	}
	conn.Close()
	if _, err := list.Lookup(t.Context(), id, "alice"); err != nil {
		t.Errorf("Lookup afterwards: %v", err)
	}
}

// The database is killed while visitors are logged in.
func TestAServerThatIsKilledLogsNobodyOut(t *testing.T) {
	for name, server := range map[string]struct {
		start   func(testing.TB) *sql.DB
		kill    func(testing.TB)
		restart func(testing.TB)
		dialect dbstore.Dialect
	}{
		"postgres": {func(t testing.TB) *sql.DB { return postgres.Start(t).Open(t) }, postgres.Kill, postgres.Restart,
			dbstore.Postgres},
		"mariadb": {func(t testing.TB) *sql.DB { return mariadb.Start(t).Open(t) }, mariadb.Kill, mariadb.Restart,
			dbstore.MySQL},
	} {
		t.Run(name, func(t *testing.T) {
			list := sqlList(t, server.start(t), server.dialect, revocation.SQLOptions{Table: newTable()})
			n := serve(t, wrap(t, cookies(t), list, revocation.Options{}))
			alice, gone := newBrowser(t), newBrowser(t)
			alice.get(n, "/login?user=alice")
			gone.get(n, "/login?user=bob")
			stolen := gone.thief(n)
			gone.get(n, "/logout")

			server.kill(t)
			for range 3 {
				if status, body := alice.try(n, "/user"); status != 503 {
					t.Errorf("while the server is down: %d %s", status, body)
				}
			}
			server.restart(t)
			alice.is("alice", n)
			stolen.is("", n)
		})
	}
}
