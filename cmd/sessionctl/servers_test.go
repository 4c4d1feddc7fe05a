package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/internal/testserver"
	"sessionengine/session"
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
		open   func(ctx context.Context, url string, opts dbstore.Options) (*dbstore.Store, error)
	}{
		{
			"PostgreSQL", postgresServer,
			func(s *testserver.Server) string { return s.URL },
			func(ctx context.Context, url string, opts dbstore.Options) (*dbstore.Store, error) {
				return postgres.Open(ctx, url, postgres.Options{Options: opts})
			},
		},
		{
			"MariaDB", mysqlServer,
			func(s *testserver.Server) string { return "mysql://root@" + s.Addr + "/test" },
			func(ctx context.Context, url string, opts dbstore.Options) (*dbstore.Store, error) {
				return mysql.Open(ctx, url, mysql.Options{Options: opts})
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

			if _, err := sessionctl("", "clearsessions"); exitStatus(err) != 1 ||
				!strings.Contains(err.Error(), "Migrate") {
				t.Errorf("without the table: %v", err)
			}
			want("the table django_session is ready\n", "migrate")
			want("the table django_session is ready\n", "migrate")

			store, err := tc.open(t.Context(), url, dbstore.Options{})
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
				if err != nil || !strings.Contains(out, "row, found by its "+how+"\n") ||
					!strings.Contains(out, `"red"`) {
					t.Errorf("show of the %s prints %q and gives the error %v", how, out, err)
				}
			}

			if _, err := sessionctl("", "list", "-owner", "alice"); exitStatus(err) != 1 ||
				!strings.Contains(err.Error(), `run "sessionctl migrate -owners"`) {
				t.Errorf("without the table of owners: %v", err)
			}
			want("the table django_session is ready\nthe table django_session_owner is ready\n", "migrate", "-owners")
			want("the owner has no sessions\n", "list", "-owner", "alice")

			owners, err := tc.open(t.Context(), url, dbstore.Options{Owners: true})
			if err != nil {
				t.Fatal(err)
			}
			defer owners.Close()
			for _, s := range []struct {
				owner, label string
				life         time.Duration
			}{
				{"alice", "phone", time.Hour}, {"alice", "laptop", time.Hour}, {"alice", "tablet", time.Hour},
				{"alice", "gone", -time.Hour}, {"Alice", "other", time.Hour},
			} {
				if _, err := saveOwned(owners, s.owner, s.label, s.life); err != nil {
					t.Fatal(err)
				}
			}
			labels := func(owner string) string {
				t.Helper()
				out, err := sessionctl("", "list", "-owner", owner)
				if err != nil {
					t.Fatal(err)
				}
				var labels []string
				for line := range strings.Lines(out) {
					columns := strings.Fields(line)
					labels = append(labels, columns[len(columns)-1])
				}
				slices.Sort(labels)
				return strings.Join(labels, " ")
			}
			if got := labels("alice"); got != "LABEL laptop phone tablet" {
				t.Errorf("the owner has the sessions %q", got)
			}
			infos, err := allSessions(t.Context(), owners, "alice")
			if err != nil {
				t.Fatal(err)
			}
			phone := infos[slices.IndexFunc(infos,
				func(info session.SessionInfo) bool { return info.Label == "phone" })]
			want("ended 1 session\n", "revoke", "-owner", "alice", "-id", phone.ID)
			if got := labels("alice"); got != "LABEL laptop tablet" {
				t.Errorf("after one was ended, the owner has the sessions %q", got)
			}
			want("deleted 1 expired session\n", "clearsessions", "-owners")
			want("ended 2 sessions\n", "revoke", "-owner", "alice", "-all")
			want("the owner has no sessions\n", "list", "-owner", "alice")
			if got := labels("Alice"); got != "LABEL other" {
				t.Errorf("somebody else has the sessions %q", got)
			}

			if out, err := sessionctl(token, "revoke"); err != nil || out != "ended 1 session\n" {
				t.Errorf("revoke of a token prints %q and gives the error %v", out, err)
			}
			if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("then loading it gives %v", err)
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
