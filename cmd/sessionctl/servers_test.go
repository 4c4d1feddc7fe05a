package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sessionengine/dbstore"
	"sessionengine/dbstore/mysql"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/testserver"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/signedcookie"
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

func (t tests) Run() int { return testserver.Main(t.M, postgresServer, mysqlServer, redisServer) }

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
			want("1 session alive, and 2 expired\n", "count")
			want("nothing found\n", "check")
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

// A site ends the sessions in its cookies by a list, and so does the command.
func TestRevocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.db")
	for name, tc := range map[string]struct {
		dialect dbstore.Dialect
		start   func() (url string, db *sql.DB)
	}{
		"SQLite": {dbstore.SQLite, func() (string, *sql.DB) {
			db, err := sqlite.OpenDB(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return "sqlite:" + path, db
		}},
		"PostgreSQL": {dbstore.Postgres, func() (string, *sql.DB) {
			s := postgresServer.Start(t)
			return s.URL, s.Open(t)
		}},
		"MariaDB": {dbstore.MySQL, func() (string, *sql.DB) {
			s := mysqlServer.Start(t)
			return "mysql://root@" + s.Addr + "/test", s.Open(t)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			url, db := tc.start()
			sessionctl := func(want string, args ...string) {
				t.Helper()
				got, err := execute(t.Context(), map[string]string{databaseVariable: url}, "",
					append([]string{"revocations"}, args...)...)
				if err != nil {
					got = err.Error()
				}
				if !strings.Contains(got, want) {
					t.Fatalf("revocations %q: %s, want %s", args, got, want)
				}
			}
			for _, args := range [][]string{nil, {"-clear"}, {"-owner", "alice"}} {
				sessionctl(`there is no table session_revocation; "sessionctl revocations -migrate" creates it`, args...)
			}
			sessionctl("the table session_revocation is ready\n", "-migrate")
			sessionctl("\n0        sessions that were ended\n0        owners whose")

			list, err := revocation.NewSQLList(db, tc.dialect, revocation.SQLOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer list.Close()
			cookies, err := signedcookie.New([]byte("b2NjYXNpb25hbGx5IHJlcGxhY2VkIHNlY3JldCBObzEK"), signedcookie.Options{})
			if err != nil {
				t.Fatal(err)
			}
			site, err := revocation.New(cookies, list, revocation.Options{})
			if err != nil {
				t.Fatal(err)
			}
			begin := func(owner string) (token string) {
				t.Helper()
				token, err := site.Save(t.Context(), "", &session.Record{
					Data: fmt.Appendf(nil, `{"_session_owner":%q}`, owner), Owner: owner, Expires: time.Now().Add(time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			phone, laptop, bobs := begin("alice"), begin("alice"), begin("bob")
			if err := site.Delete(t.Context(), phone); err != nil {
				t.Fatal(err)
			}
			if _, err := list.End(t.Context(), strings.Repeat("0", 24), time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			sessionctl("ended the sessions of the owner\n", "-owner", "alice")
			if _, err := site.Load(t.Context(), laptop); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("her session: %v", err)
			}
			if _, err := site.Load(t.Context(), bobs); err != nil {
				t.Errorf("somebody else's: %v", err)
			}
			sessionctl("\n2        sessions that were ended\n1        owners whose sessions were ended\n1        of both")
			sessionctl("deleted 1 expired row\n", "-clear")
			sessionctl("\n1        sessions that were ended\n1        owners whose sessions were ended\n0        of both")
			sessionctl("is no name of a table", "-table", "a b")
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
