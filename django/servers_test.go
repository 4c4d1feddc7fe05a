package django_test

import (
	"net"
	"os"
	"reflect"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var (
	postgresServer = testserver.Postgres()
	mysqlServer    = testserver.MySQL()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgresServer, mysqlServer)) }

// TestRowsOnServers shares Django's table on the databases that have types of
// their own for what is in it. Django needs a driver for each, which not every
// machine has.
func TestRowsOnServers(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		for _, tc := range []struct {
			dialect dbstore.Dialect
			server  *testserver.Server
			driver  string // the Python module
			setting ask    // in DATABASES
		}{
			{dbstore.Postgres, postgresServer, "psycopg2",
				ask{"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"}},
			{dbstore.MySQL, mysqlServer, "MySQLdb",
				ask{"ENGINE": "django.db.backends.mysql", "NAME": "test", "USER": "root",
					"OPTIONS": ask{"charset": "utf8mb4"}}},
		} {
			t.Run(tc.dialect.String(), func(t *testing.T) {
				if err := d.Command("-c", "import "+tc.driver).Run(); err != nil {
					t.Skipf("Python has no %s", tc.driver)
				}
				server := tc.server.Start(t)
				host, port, err := net.SplitHostPort(server.Addr)
				if err != nil {
					t.Fatal(err)
				}
				tc.setting["HOST"], tc.setting["PORT"] = host, port
				p := newPeer(t, d, ask{"database": tc.setting})

				opts, err := django.Rows(secretKey, django.Options{})
				if err != nil {
					t.Fatal(err)
				}
				store, err := dbstore.New(server.Open(t), tc.dialect, opts)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { store.Close() })
				s := newSite(t, store, session.Options{})

				var answer randomAnswer
				p.do("random_sessions", ask{"seed": seed, "count": 100}, &answer)
				for i, sent := range answer.Sessions {
					want := decode(t, sent.Session)
					got := decode(t, encode(t, s.entries(sent.Keys[rows])))
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("session %d:\ngot  %q\nwant %q", i, encode(t, got), sent.Session)
					}
					want["added"] = "in Go ✓"
					token := s.visit(sent.Keys[rows], func(s *session.Session) { s.Set("added", "in Go ✓") })
					if got := p.read(rows, token, encode(t, want)); !got.Equal {
						t.Fatalf("session %d back at Django: %q, want %q", i, got.Session, encode(t, want))
					}
				}

				token := s.visit("", func(s *session.Session) { s.Set("tên", "Ánh 🥠"); s.SetExpiry(time.Hour) })
				if got := p.read(rows, token, `{"tên":"Ánh 🥠","_session_expiry":3600}`); !got.Equal {
					t.Errorf("Django reads %q", got.Session)
				}
				var row struct{ Expires time.Time }
				p.do("raw_row", ask{"key": token}, &row)
				if life := time.Until(row.Expires); life < 59*time.Minute || life > 61*time.Minute {
					t.Errorf("Django sees a session of an hour that lives for %v", life)
				}
				key := p.write(rows, `{"n":1}`, ask{"expiry": 3600})
				s.visit(key, func(s *session.Session) {
					if life := s.ExpiryAge(); life < 59*time.Minute || life > 61*time.Minute {
						t.Errorf("Go sees a session of an hour that lives for %v", life)
					}
					s.Flush()
				})
				if got := p.read(rows, key, ""); !got.Empty {
					t.Errorf("Django reads %q after the logout in Go", got.Session)
				}
				p.do("delete", ask{"engine": rows, "key": token}, nil)
				if n := len(s.entries(token)); n != 0 {
					t.Errorf("Go reads %d entries after the logout at Django", n)
				}
			})
		}
	})
}
