package postgres_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// hosts is the URL of a database that is on whichever of the servers accepts
// writes.
func hosts(servers ...*testserver.Server) string {
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.Addr
	}
	return "postgres://postgres@" + strings.Join(addrs, ",") +
		"/postgres?sslmode=disable&target_session_attrs=read-write"
}

// setReadOnly makes a running server refuse writes, or accept them, on the
// connections that it has, too.
func setReadOnly(t *testing.T, db *sql.DB, readOnly bool) {
	t.Helper()
	for _, statement := range []string{
		fmt.Sprintf("ALTER SYSTEM SET default_transaction_read_only = %v", readOnly),
		"SELECT pg_reload_conf()",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for want := map[bool]string{true: "on", false: "off"}[readOnly]; ; time.Sleep(time.Millisecond) {
		var got string
		if err := db.QueryRow("SHOW default_transaction_read_only").Scan(&got); err != nil {
			t.Fatal(err)
		} else if got == want {
			return
		}
	}
}

// Two servers swap their roles while the store's connections live.
func TestSaveFindsTheNewPrimaryWhenRolesAreSwapped(t *testing.T) {
	ctx := t.Context()
	first, second := server.Start(t), other.Start(t)
	admin1, admin2 := first.Open(t), second.Open(t)
	opts := postgres.Options{Options: dbstore.Options{Table: "swapped"}, MaxConns: 16}
	for _, s := range []*testserver.Server{first, second} {
		if err := open(t, s.URL, opts).Migrate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	setReadOnly(t, admin2, true)
	defer setReadOnly(t, admin1, false)
	storetest.RunSwap(t, open(t, hosts(first, second), opts), "swapped", admin2, func() {
		setReadOnly(t, admin1, true)
		setReadOnly(t, admin2, false)
	})
}

// A server that accepts no writes is an error that says so, soon.
func TestReadOnlyServer(t *testing.T) {
	ctx := t.Context()
	admin := other.Start(t).Open(t)
	store := open(t, other.URL, postgres.Options{Options: dbstore.Options{Table: "readonly"}})
	token, rec := storetest.Begin(t, store, `{}`)
	setReadOnly(t, admin, true)
	defer setReadOnly(t, admin, false)
	start := time.Now()
	rec.Data = []byte(`{"n":1}`)
	_, err := store.Save(ctx, token, rec)
	if err == nil || !strings.Contains(err.Error(), "25006") || time.Since(start) > 5*time.Second {
		t.Errorf("Save, after %v: %v; want SQLSTATE 25006", time.Since(start), err)
	}
	if _, err := store.Load(ctx, token); err != nil {
		t.Errorf("Load: %v", err)
	}
}

// The primary is killed and its standby promoted. What was acknowledged, and
// had reached the standby, is there.
func TestPromotedStandby(t *testing.T) {
	primary := testserver.Postgres("synchronous_standby_names=*", "synchronous_commit=local")
	standby := testserver.PostgresStandby(primary)
	t.Cleanup(func() { standby.Stop(); primary.Stop() })
	primary.Start(t)
	standby.Start(t)
	ctx := t.Context()
	// Each commit waits until the standby has it.
	store := open(t, hosts(standby, primary)+"&synchronous_commit=remote_apply", postgres.Options{MaxConns: 16})
	token, _ := storetest.Begin(t, store, "0")
	if err := storetest.Increment(ctx, store, token); err != nil {
		t.Fatal(err)
	}
	storetest.FillPool(t, store, token)

	primary.Kill(t)
	standby.Promote(t)
	// The new primary has no standby of its own to wait for.
	rec, err := store.Load(ctx, token)
	if err != nil || string(rec.Data) != fmt.Sprint(storetest.Increments) {
		t.Fatalf("after the promotion: %v, %v; want %d", rec, err, storetest.Increments)
	}
	if err := storetest.Increment(ctx, store, token); err != nil {
		t.Errorf("after the promotion: %v", err)
	}
}

// The same while writers save.
func TestPromotedStandbyLosesNothing(t *testing.T) {
	primary := testserver.Postgres("synchronous_standby_names=*", "synchronous_commit=local")
	standby := testserver.PostgresStandby(primary)
	t.Cleanup(func() { standby.Stop(); primary.Stop() })
	primary.Start(t)
	standby.Start(t)
	b := backend
	b.Place = func(testing.TB) string { return hosts(standby, primary) + "&synchronous_commit=remote_apply" }
	storetest.RunFailover(t, b, func() {
		primary.Kill(t)
		standby.Promote(t)
	})
}

// The server shuts down and ends the connections while statements are under way.
func TestTerminatedConnections(t *testing.T) {
	ctx := t.Context()
	admin := server.Start(t).Open(t)
	store := open(t, server.URL+"&application_name=terminated",
		postgres.Options{Options: dbstore.Options{Table: "terminated"}})
	token, _ := storetest.Begin(t, store, "0")
	lock, err := admin.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if _, err := lock.Exec("LOCK TABLE terminated IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	storetest.RunEnded(t, store, token, func() {
		for n := 0; n < 2; {
			err := admin.QueryRow("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE" +
				" application_name = 'terminated' AND wait_event_type = 'Lock'" +
				" AND (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'terminated' AND" +
				" wait_event_type = 'Lock') = 2").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
	})
}

// A migration of the site's alters the table, and with it what a statement that
// is prepared already would return.
func TestTableIsAlteredUnderPreparedStatements(t *testing.T) {
	ctx := t.Context()
	admin := server.Start(t).Open(t)
	store := open(t, server.URL, postgres.Options{Options: dbstore.Options{Table: "altered"}, MaxConns: 1})
	token, _ := storetest.Begin(t, store, "0")
	for range 3 {
		if _, err := store.Load(ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.Exec("ALTER TABLE altered ALTER session_data TYPE varchar(1000)"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, token); err != nil {
		t.Errorf("Load: %v", err)
	}
}

// Behind a pooler that lends a connection for one transaction, each of the
// settings that Open names passes all tests.
func TestBehindPooler(t *testing.T) {
	server.Start(t)
	pooled := bouncer.Start(t).URL
	for _, mode := range []string{"cache_describe", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			if testing.Short() && mode != "cache_describe" {
				t.Skip("takes long")
			}
			b := backend
			b.NoPrepare = true
			b.Place = func(t testing.TB) string { return pooled + "&default_query_exec_mode=" + mode }
			storetest.Run(t, b)
		})
	}
	t.Run("without a setting", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), pooled, postgres.Options{})
		if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") {
			t.Errorf("Open: %v; want an error that names the setting", err)
		}
	})
	t.Run("a pooler that keeps connections", func(t *testing.T) {
		keeping := testserver.PgBouncer(server, "pool_mode=session")
		t.Cleanup(keeping.Stop)
		open(t, keeping.Start(t).URL, postgres.Options{})
	})
	t.Run("in a pool of the application's", func(t *testing.T) {
		opts := dbstore.Options{Table: "pooled", NoPrepare: true}
		if err := open(t, server.URL, postgres.Options{Options: opts}).Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		store, err := dbstore.New(bouncer.Open(t), dbstore.Postgres, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var wg sync.WaitGroup
		var failed atomic.Pointer[error]
		for range 20 {
			wg.Go(func() {
				for range 5 {
					_, err := store.Load(t.Context(), strings.Repeat("a", 32))
					if !errors.Is(err, session.ErrNotFound) {
						failed.Store(&err)
					}
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err == nil || !strings.Contains((*err).Error(), "default_query_exec_mode") {
			t.Error("no error, or one that does not name the setting")
		}
	})
}
