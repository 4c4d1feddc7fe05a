package revocation_test

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/internal/testserver"
	"sessionengine/revocation"
)

// In serializable transactions PostgreSQL fails statements that READ COMMITTED
// would let wait for each other.
func TestSerializationFailuresAreTriedAgain(t *testing.T) {
	postgres.Start(t)
	config, err := pgx.ParseConfig(postgres.URL + "&default_transaction_isolation=serializable")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { db.Close() })
	list := sqlList(t, db, dbstore.Postgres, revocation.SQLOptions{Table: newTable()})
	testList(t, list, list)
}

// A cleanup and somebody's transaction lock two rows in opposite order.
func TestADeadlockIsTriedAgain(t *testing.T) {
	ctx := t.Context()
	admin := postgres.Start(t).Open(t)
	// The list's connections are the first to look for a deadlock, and so to be
	// chosen. Each looks once: when it is there already, on a busy machine, too.
	config, err := pgx.ParseConfig(postgres.URL + "&deadlock_timeout=4s")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { db.Close() })
	table := newTable()
	list := sqlList(t, db, dbstore.Postgres, revocation.SQLOptions{Table: table})
	for _, id := range []string{"a", "b"} {
		if _, err := list.End(ctx, id, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := admin.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("SET LOCAL deadlock_timeout = '1min'; UPDATE " + table +
		" SET generation = 1 WHERE entry = 'sb'"); err != nil {
		t.Fatal(err)
	}
	cleaned := make(chan error, 1)
	var deleted int64
	go func() {
		var err error
		deleted, err = list.DeleteExpired(ctx)
		cleaned <- err
	}()
	for waiting := 0; waiting == 0; { // for the cleanup to hold a and to wait for b
		if err := admin.QueryRow("SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec("UPDATE " + table + " SET generation = 1 WHERE entry = 'sa'"); err != nil {
		t.Fatalf("the transaction was chosen as the victim: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-cleaned; err != nil || deleted != 2 {
		t.Errorf("DeleteExpired: %d, %v; want 2", deleted, err)
	}
}

// The connection is cut while a lookup is under way.
func TestALookupThatLostItsConnectionIsTriedAgain(t *testing.T) {
	for _, d := range databases {
		if d.dialect == dbstore.SQLite {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			ctx := t.Context()
			server := map[dbstore.Dialect]*testserver.Server{dbstore.Postgres: postgres,
				dbstore.MySQL: mariadb}[d.dialect]
			server.Start(t)
			proxy := testserver.NewProxy(t, server.Addr)
			driver := map[dbstore.Dialect]string{dbstore.Postgres: "pgx", dbstore.MySQL: "mysql"}[d.dialect]
			db, err := sql.Open(driver, strings.Replace(server.URL, server.Addr, proxy.Addr, 1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			list := sqlList(t, db, d.dialect, revocation.SQLOptions{Table: newTable()})
			if _, err := list.End(ctx, id, inAnHour()); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				var cuts atomic.Int64
				proxy.SetFilter(func(toServer bool, _ []byte) bool { return toServer && cuts.Add(1) == 1 })
				if e, err := list.Lookup(ctx, id, ""); err != nil || !e.Ended {
					t.Fatalf("Lookup, whose connection was cut: %+v, %v", e, err)
				}
			}
		})
	}
}

// The primary is killed and its standby promoted: the list is asked there, and
// what was acknowledged is on it.
func TestAPromotedStandby(t *testing.T) {
	primary := testserver.Postgres("synchronous_standby_names=*", "synchronous_commit=local")
	standby := testserver.PostgresStandby(primary)
	t.Cleanup(func() { standby.Stop(); primary.Stop() })
	primary.Start(t)
	standby.Start(t)
	ctx := context.Background()
	// Each commit waits until the standby has it.
	config, err := pgx.ParseConfig("postgres://postgres@" + primary.Addr + "," + standby.Addr +
		"/postgres?sslmode=disable&target_session_attrs=read-write&synchronous_commit=remote_apply")
	if err != nil {
		t.Fatal(err)
	}
	// As in a pool whose connections were used a moment ago.
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(
		func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	t.Cleanup(func() { db.Close() })
	list := sqlList(t, db, dbstore.Postgres, revocation.SQLOptions{})
	store := wrap(t, cookies(t), list, revocation.Options{})
	ended, _ := begin(t, store, "alice", inAnHour())
	goes, rec := begin(t, store, "bob", inAnHour())
	if err := store.Delete(ctx, ended); err != nil {
		t.Fatal(err)
	}

	primary.Kill(t)
	standby.Promote(t)
	wantEnded(t, "after the promotion", store, ended)
	wantAlive(t, "after the promotion", store, goes)
	if _, err := store.Renew(ctx, goes, rec); err != nil {
		t.Errorf("Renew after the promotion: %v", err)
	}
	wantEnded(t, "renewed after the promotion", store, goes)
}
