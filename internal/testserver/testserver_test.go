package testserver_test

import (
	"os"
	"strings"
	"testing"

	"sessionengine/internal/testserver"
)

var (
	postgres = testserver.Postgres()
	mysql    = testserver.MySQL()
	mysql9   = testserver.MySQL9()
	standby  = testserver.PostgresStandby(postgres)
	bouncer  = testserver.PgBouncer(postgres)
	redis    = testserver.Redis()
	valkey   = testserver.Valkey()
)

func TestMain(m *testing.M) {
	servers := []*testserver.Server{bouncer, standby, postgres, mysql, mysql9, redis, valkey}
	for _, g := range groups {
		servers = append(servers, g.Servers()...)
	}
	os.Exit(testserver.Main(m, servers...))
}

func TestServersKeepWhatWasCommittedWhenTheyAreKilled(t *testing.T) {
	for name, server := range map[string]*testserver.Server{"postgres": postgres, "mysql": mysql, "mysql9": mysql9} {
		t.Run(name, func(t *testing.T) {
			db := server.Start(t).Open(t)
			for _, statement := range []string{"CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)"} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			server.Kill(t)
			if err := db.Ping(); err == nil {
				t.Error("the server answers after it was killed")
			}
			server.Restart(t)
			var n int
			// The pool may hand out a connection to the server that was killed.
			err := server.Open(t).QueryRow("SELECT n FROM kept").Scan(&n)
			if err != nil || n != 7 {
				t.Errorf("after a restart: %d, %v; want 7", n, err)
			}
		})
	}
}

func TestStandbyFollowsUntilItIsPromoted(t *testing.T) {
	primary := postgres.Start(t).Open(t)
	db := standby.Start(t).Open(t)
	if _, err := primary.Exec("CREATE TABLE followed (n int); INSERT INTO followed VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	for n := 0; n == 0; {
		if db.QueryRow("SELECT n FROM followed").Scan(&n); t.Context().Err() != nil {
			t.Fatal("the standby does not follow")
		}
	}
	if _, err := db.Exec("INSERT INTO followed VALUES (8)"); err == nil {
		t.Error("a standby accepts writes")
	}
	standby.Promote(t)
	if _, err := db.Exec("INSERT INTO followed VALUES (8)"); err != nil {
		t.Errorf("a standby that was promoted: %v", err)
	}
}

func TestPoolerSharesConnections(t *testing.T) {
	postgres.Start(t)
	db := bouncer.Start(t).Open(t)
	var n int
	if err := db.QueryRow("SELECT 7").Scan(&n); err != nil || n != 7 {
		t.Errorf("%d, %v; want 7", n, err)
	}
}

func TestRedisForgetsWhatItHeldWhenItEnds(t *testing.T) {
	for name, server := range map[string]*testserver.Server{"Redis": redis, "Valkey": valkey} {
		t.Run(name, func(t *testing.T) {
			c := server.Start(t).Client(t)
			if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			server.Kill(t)
			if err := c.Ping(t.Context()).Err(); err == nil {
				t.Error("it answers after it was killed")
			}
			server.Restart(t)
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("after a restart: %d keys, %v", n, err)
			}
			if info, err := c.Info(t.Context(), "server").Result(); err != nil || strings.Contains(info, "valkey_version:8.") !=
				(name == "Valkey") {
				t.Errorf("it is something else: %s, %v", info, err)
			}
		})
	}
}
