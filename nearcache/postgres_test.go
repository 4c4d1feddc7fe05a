package nearcache_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/testserver"
	"sessionengine/nearcache"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

var (
	pgServer  = testserver.Postgres()
	pgBouncer = testserver.PgBouncer(pgServer)
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, pgBouncer, pgServer, redisServer)) }

var onPostgres = backend{
	server: pgServer,
	features: sessiontest.Features{Revocable: true, DetectsConflicts: true, StableToken: true, Toucher: true,
		UnchangedDeleter: true, AllEnder: true, ExpiredDeleter: true, CookieBound: true,
		Parallel: true},
	open: func(t testing.TB, name string, proxy *pushProxy) session.SessionStore {
		var opts postgres.Options
		url := pgServer.Start(t).URL
		if proxy != nil {
			var err error
			if opts.Listen, err = postgres.Listener(strings.Replace(url, pgServer.Addr, proxy.Addr, 1)); err != nil {
				t.Fatal(err)
			}
		}
		return openPostgres(t, url, name, opts)
	},
	watches: func([]byte) bool { return true },
	swallow: func(data []byte) bool { return strings.Contains(string(data), "sessionengine_near_") },
}

// openTable opens a table that tells of changes or not.
func openTable(t testing.TB, url, table string, changes bool) *dbstore.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Options: dbstore.Options{Table: table, Changes: changes}})
	if err == nil {
		t.Cleanup(func() { s.Close() })
		err = s.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openPostgres opens a table that tells of changes.
func openPostgres(t testing.TB, url, table string, opts postgres.Options) *dbstore.Store {
	t.Helper()
	opts.Table, opts.Changes = table, true
	s, err := postgres.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPostgres(t *testing.T) { onPostgres.run(t) }

func TestPostgresConformance(t *testing.T) { onPostgres.conformance(t) }

func BenchmarkPostgresLogout(b *testing.B) { onPostgres.latencies(b) }

// Whoever changes a row, a node learns of it.
func TestPostgresRowsChangedByOthers(t *testing.T) {
	for _, raw := range []bool{false, true} {
		t.Run(fmt.Sprint("raw keys ", raw), func(t *testing.T) {
			db := pgServer.Start(t).Open(t)
			name := newName()
			s := near(t, openPostgres(t, pgServer.URL, name, postgres.Options{Options: dbstore.Options{RawKeys: raw}}), long)
			for _, statement := range []string{
				"UPDATE %s SET session_data = '2'",
				"UPDATE %s SET expire_date = now() - interval '1 hour'",
				"UPDATE %s SET session_key = 'otherotherotherotherotherotherot'",
				"DELETE FROM %s", "TRUNCATE %s",
			} {
				token, _ := create(t, s, "1")
				holds(t, s, token, "1")
				if _, err := db.Exec(fmt.Sprintf(statement, name)); err != nil {
					t.Fatal(err)
				}
				for range 20000 {
					rec, err := s.Load(t.Context(), token)
					if errors.Is(err, session.ErrNotFound) || err == nil && string(rec.Data) == "2" {
						break
					}
					time.Sleep(time.Millisecond)
				}
				if rec, err := s.Load(t.Context(), token); err == nil && string(rec.Data) == "1" {
					t.Errorf("%s was not told", statement)
				}
				if _, err := db.Exec("DELETE FROM " + name); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What is told is no token, and what need not be told is not.
func TestPostgresWhatIsTold(t *testing.T) {
	ctx := t.Context()
	for _, raw := range []bool{false, true} {
		name := newName()
		s := openPostgres(t, pgServer.Start(t).URL, name, postgres.Options{Options: dbstore.Options{RawKeys: raw}})
		listen, err := postgres.Listener(pgServer.URL)
		if err != nil {
			t.Fatal(err)
		}
		l, err := listen(ctx, "sessionengine_"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		token, rec := create(t, s, "1")
		rec.Expires = rec.Expires.Add(time.Hour)
		if err := s.Touch(ctx, token, rec); err != nil { // not told
			t.Fatal(err)
		}
		old, _ := create(t, s, "1")
		db := pgServer.Open(t)
		for _, statement := range []string{
			"ALTER TABLE " + name + " DISABLE TRIGGER USER",
			"UPDATE " + name + " SET expire_date = now() - interval '1 hour' WHERE expire_date <" +
				" (SELECT max(expire_date) FROM " + name + ")",
			"ALTER TABLE " + name + " ENABLE TRIGGER USER",
		} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.DeleteExpired(ctx); n != 1 || err != nil { // not told
			t.Fatal(n, err)
		}
		rec.Data = []byte("2")
		if _, err := s.Save(ctx, token, rec); err != nil { // told
			t.Fatal(err)
		}
		payload, err := l.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		feed, err := s.Changes()
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := feed.Key(token); !ok || payload != key || strings.Contains(payload, token) || strings.Contains(payload,
			old) {
			t.Errorf("raw keys %v: the first that was told is %q, want %q", raw, payload, key)
		}
	}
}

// A pooler that lends connections for a transaction lets no notification through:
// nothing is remembered, and the log says what to do. With a connection of its own
// it works.
func TestPostgresBehindPooler(t *testing.T) {
	pgServer.Start(t)
	url := pgBouncer.Start(t).URL + "&default_query_exec_mode=cache_describe"
	name := newName()
	logger, log := logOf()
	s, err := nearcache.New(openPostgres(t, url, name, postgres.Options{}), nearcache.Options{
		MaxStale: time.Second, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 20000 {
		if log() != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(log(), "pgbouncer in transaction mode") || !strings.Contains(log(), "Options.Listen") ||
		s.Stats().Watching {
		t.Errorf("%+v, logged %s", s.Stats(), log())
	}
	token, _ := create(t, s, "1")
	for range 3 {
		holds(t, s, token, "1")
	}
	if st := s.Stats(); st.Hits != 0 {
		t.Errorf("%+v, want no hits", st)
	}

	listen, err := postgres.Listener(pgServer.URL)
	if err != nil {
		t.Fatal(err)
	}
	direct := near(t, openPostgres(t, url, name, postgres.Options{Options: dbstore.Options{Listen: listen}}), long)
	holds(t, direct, token, "1")
	if err := s.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	gone(t, direct, token)
}

// Without the triggers nothing is remembered, and the log says what to do; also
// when somebody drops them later.
func TestPostgresWithoutTriggers(t *testing.T) {
	db := pgServer.Start(t).Open(t)
	name := newName()
	logger, log := logOf()
	engine := openPostgres(t, pgServer.URL, name, postgres.Options{})
	s := near(t, engine, nearcache.Options{MaxStale: time.Second, Logger: logger})
	if _, err := db.Exec("DROP FUNCTION sessionengine_changed() CASCADE"); err != nil {
		t.Fatal(err)
	}
	for range 20000 {
		if log() != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(log(), "run Migrate with Options.Changes") {
		t.Errorf("logged %s", log())
	}
	if err := engine.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	watches(t, s)
}

// The primary is killed, and its standby promoted.
func TestPostgresFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	primary := testserver.Postgres() // its own: it ends
	standby := testserver.PostgresStandby(primary)
	t.Cleanup(func() { standby.Stop(); primary.Stop() })
	primary.Start(t)
	standby.Start(t)
	url := "postgres://postgres@" + primary.Addr + "," + standby.Addr +
		"/postgres?sslmode=disable&target_session_attrs=read-write"
	name := newName()
	here, there := near(t, openPostgres(t, url, name, postgres.Options{}), long),
		near(t, openPostgres(t, url, name, postgres.Options{}), long)
	token, _ := create(t, there, "1")
	holds(t, here, token, "1")
	waitForStandby(t, primary.Open(t))
	primary.Kill(t)
	standby.Promote(t)
	watches(t, here)
	watches(t, there)
	holds(t, here, token, "1")
	if err := there.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	gone(t, here, token)
}

func waitForStandby(t *testing.T, db *sql.DB) {
	for range 20000 {
		var same bool
		err := db.QueryRow("SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), false)" +
			" FROM pg_stat_replication").Scan(&same)
		if err != nil {
			t.Fatal(err)
		}
		if same {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the standby does not follow")
}

// The roles of two servers are swapped, while both live and no connection breaks:
// a node that goes on listening to the old one would hear nothing.
func TestPostgresRolesAreSwapped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	other := testserver.Postgres()
	t.Cleanup(other.Stop)
	name := newName()
	for _, s := range []*testserver.Server{pgServer.Start(t), other.Start(t)} {
		openPostgres(t, s.URL, name, postgres.Options{})
	}
	setReadOnly(t, other, true)
	defer setReadOnly(t, pgServer, false)
	url := "postgres://postgres@" + pgServer.Addr + "," + other.Addr +
		"/postgres?sslmode=disable&target_session_attrs=read-write"
	opts := nearcache.Options{MaxStale: time.Second}
	engine, err := postgres.Open(t.Context(), url, postgres.Options{Options: dbstore.Options{Table: name, Changes: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	s := near(t, engine, opts)
	setReadOnly(t, pgServer, true)
	setReadOnly(t, other, false)
	create(t, engine, "1") // on the new one
	for range 20000 {
		if !s.Stats().Watching {
			break
		}
		time.Sleep(time.Millisecond)
	}
	watches(t, s)
	there := near(t, openPostgres(t, other.URL, name, postgres.Options{}), long)
	token, _ := create(t, there, "1")
	staleOnly(t, s, there, []string{token}, opts.MaxStale)
}

func setReadOnly(t *testing.T, s *testserver.Server, readOnly bool) {
	t.Helper()
	db := s.Open(t)
	for _, statement := range []string{
		fmt.Sprintf("ALTER SYSTEM SET default_transaction_read_only = %v", readOnly), "SELECT pg_reload_conf()",
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

// Databases that cannot tell are refused, with the reason.
func TestDatabasesThatCannotTell(t *testing.T) {
	lite, err := sqlite.Open(t.Context(), t.TempDir()+"/db", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	db, err := sql.Open("pgx", "postgres://localhost/none")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	my, err := dbstore.New(db, dbstore.MySQL, dbstore.Options{Changes: true})
	if err != nil {
		t.Fatal(err)
	}
	pg, err := dbstore.New(db, dbstore.Postgres, dbstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := dbstore.New(db, dbstore.Postgres, dbstore.Options{Changes: true})
	if err != nil {
		t.Fatal(err)
	}
	for want, engine := range map[string]session.SessionStore{
		"SQLite": lite, "MySQL": my, "Options.Changes": pg, "Options.Listen": own,
	} {
		if _, err := nearcache.New(engine, nearcache.Options{}); !errors.Is(err, errors.ErrUnsupported) ||
			!errors.Is(err, session.ErrMisuse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want an error that names %s", err, want)
		}
	}
	if err := my.Migrate(t.Context()); err == nil {
		t.Error("Migrate with Changes on MySQL: no error")
	}
}
