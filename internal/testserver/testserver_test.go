package testserver_test

import (
	"os"
	"testing"

	"sessionengine/internal/testserver"
)

var (
	postgres = testserver.Postgres()
	mysql    = testserver.MySQL()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgres, mysql)) }

func TestServersKeepWhatWasCommittedWhenTheyAreKilled(t *testing.T) {
	for name, server := range map[string]*testserver.Server{"postgres": postgres, "mysql": mysql} {
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
