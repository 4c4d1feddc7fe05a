package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
)

var (
	postgresServer = testserver.Postgres()
	mysqlServer    = testserver.MySQL()
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"sessionctl": main})
}

// tests stops the servers after the tests.
type tests struct{ *testing.M }

func (t tests) Run() int { return testserver.Main(t.M, postgresServer, mysqlServer) }

func TestServers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server *testserver.Server
		url    func(*testserver.Server) string
		open   func(ctx context.Context, url string) (*dbstore.Store, error)
	}{
		{
			"PostgreSQL", postgresServer,
			func(s *testserver.Server) string { return s.URL },
			func(ctx context.Context, url string) (*dbstore.Store, error) {
				return postgres.Open(ctx, url, postgres.Options{})
			},
		},
		{
			"MariaDB", mysqlServer,
			func(s *testserver.Server) string { return "mysql://root@" + s.Addr + "/test" },
			func(ctx context.Context, url string) (*dbstore.Store, error) {
				return mysql.Open(ctx, url, mysql.Options{})
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := tc.url(tc.server.Start(t))
			sessionctl := func(stdin string, args ...string) (string, error) {
				return execute(t.Context(), map[string]string{databaseVariable: url}, stdin, args...)
			}
			want := func(want string, args ...string) {
				t.Helper()
				if got, err := sessionctl("", args...); err != nil || got != want {
					t.Fatalf("sessionctl %q prints %q and gives the error %v, want %q", args, got, err, want)
				}
			}

			if _, err := sessionctl("", "clearsessions"); exitStatus(err) != 1 || !strings.Contains(err.Error(), "Migrate") {
				t.Errorf("without the table: %v", err)
			}
			want("the table django_session is ready\n", "migrate")
			want("the table django_session is ready\n", "migrate")

			store, err := tc.open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			for _, life := range []time.Duration{-time.Hour, -time.Minute} {
				if _, err := saveIn(store, `{"a":1}`, life); err != nil {
					t.Fatal(err)
				}
			}
			token, err := saveIn(store, `{"user_id":20,"team":"red"}`, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			want("deleted 2 expired sessions\n", "clearsessions")

			for how, id := range map[string]string{"token": token, "session_key": onlyKey(t, tc.server)} {
				out, err := sessionctl(id, "show", "-values")
				if err != nil || !strings.Contains(out, "row, found by its "+how+"\n") || !strings.Contains(out, `"red"`) {
					t.Errorf("show of the %s prints %q and gives the error %v", how, out, err)
				}
			}
		})
	}
}

// onlyKey returns the session_key of the only row.
func onlyKey(t *testing.T, server *testserver.Server) (key string) {
	t.Helper()
	if err := server.Open(t).QueryRow("SELECT session_key FROM django_session").Scan(&key); err != nil {
		t.Fatal(err)
	}
	return key
}
