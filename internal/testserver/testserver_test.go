package testserver_test

import (
	"bufio"
	"fmt"
	"net"
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
)

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(m, bouncer, standby, postgres, mysql, mysql9, redis))
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

// say sends a server of Redis an inline command, and returns the first line of its answer.
func say(t *testing.T, server *testserver.Server, command string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func TestRedisForgetsWhatItHeldWhenItEnds(t *testing.T) {
	redis.Start(t)
	for _, q := range [][2]string{{"SET key value", "+OK"}, {"GET key", "$5"}} {
		if got, err := say(t, redis, q[0]); err != nil || got != q[1] {
			t.Fatalf("%s: %q, %v", q[0], got, err)
		}
	}
	redis.Kill(t)
	if got, err := say(t, redis, "PING"); err == nil {
		t.Errorf("it says %q after it was killed", got)
	}
	redis.Restart(t)
	if got, err := say(t, redis, "GET key"); err != nil || got != "$-1" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
}
