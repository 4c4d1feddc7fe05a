package mysql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/mysql"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var server = testserver.MySQL()

var (
	mysql9 = testserver.MySQL9()
	galera = testserver.Galera(3)
)

func TestMain(m *testing.M) {
	os.Exit(testserver.Main(m, append(galera, server, syncing, mysql9)...))
}

// both are the servers that a test of one server is run on.
var both = map[string]*testserver.Server{"MariaDB": server, "MySQL 9": mysql9}

var backend = storetest.Backend{
	Dialect: dbstore.MySQL,
	Place:   func(t testing.TB) string { return server.Start(t).URL },
	Open: func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, place, mysql.Options{Options: opts})
	},
	Connector: func(t testing.TB, place string) driver.Connector {
		// As the driver's users have it who give no thought to it: without
		// clientFoundRows, with times in a zone of their own.
		config, err := mysqldriver.ParseDSN(place)
		if err != nil {
			t.Fatal(err)
		}
		config.ParseTime = true
		config.Loc = time.FixedZone("elsewhere", 7*60*60)
		connector, err := mysqldriver.NewConnector(config)
		if err != nil {
			t.Fatal(err)
		}
		return connector
	},
	CreateDjangoTable: []string{
		"CREATE TABLE `django_session` (`session_key` varchar(40) NOT NULL PRIMARY KEY, `session_data` longtext NOT" +
			" NULL, `expire_date` datetime(6) NOT NULL)",
		"CREATE INDEX `django_session_expire_date_a5c62663` ON `django_session` (`expire_date`)",
	},
	DjangoTime: func(t time.Time) string { return t.Format("'2006-01-02 15:04:05.999999'") },
	Conflict: &mysqldriver.MySQLError{Number: 1213,
		Message: "Deadlock found when trying to get lock; try restarting transaction"},
	Explain:  "EXPLAIN",
	KeyIndex: "PRIMARY",
	FullScan: " ALL ",
}

// backend9 is backend on MySQL 9, whose plans look the same only on request.
func backend9() storetest.Backend {
	b := backend
	b.Place = func(t testing.TB) string { return mysql9.Start(t).URL }
	b.Explain = "EXPLAIN FORMAT=TRADITIONAL"
	return b
}

func TestStore(t *testing.T) { storetest.Run(t, backend) }

func TestFaults(t *testing.T) { storetest.RunFaults(t, backend, server) }

func TestStoreOnMySQL9(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long, and the code is that of TestStore")
	}
	storetest.Run(t, backend9())
}

func TestFaultsOfMySQL9(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long, and the code is that of TestFaults")
	}
	storetest.RunFaults(t, backend9(), mysql9)
}

// open opens a store that is closed at the test's end.
func open(t testing.TB, dsn string, opts mysql.Options) *dbstore.Store {
	t.Helper()
	store, err := mysql.Open(context.Background(), dsn, opts)
	return storetest.Opened(t, store, err)
}

// A request waits for a row that somebody holds for longer than the server lets
// it wait.
func TestLockWaitTimeoutIsTriedAgain(t *testing.T) {
	for name, server := range both {
		t.Run(name, func(t *testing.T) { testLockWaitTimeout(t, server) })
	}
}

func testLockWaitTimeout(t *testing.T, server *testserver.Server) {
	ctx := t.Context()
	var updates atomic.Int64
	calls := storetest.Calls{Before: func(query string, _ []driver.NamedValue) {
		if strings.HasPrefix(query, "UPDATE") {
			updates.Add(1)
		}
	}}
	db := sql.OpenDB(calls.Wrap(backend.Connector(t, server.Start(t).URL+"?innodb_lock_wait_timeout=1")))
	defer db.Close()
	store, err := dbstore.New(db, dbstore.MySQL, dbstore.Options{Table: "held"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	token, rec := storetest.Begin(t, store, `{"n":1}`)
	tx, err := server.Open(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("UPDATE held SET expire_date = '2001-01-01'"); err != nil {
		t.Fatal(err)
	}
	saved := make(chan error, 1)
	go func() {
		rec.Data = []byte(`{"n":2}`)
		_, err := store.Save(ctx, token, rec)
		saved <- err
	}()
	for updates.Load() < 2 {
		select {
		case err := <-saved:
			t.Fatalf("Save did not wait: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-saved; err != nil {
		t.Errorf("Save: %v", err)
	}
}

// A table that was not made for it keeps every character.
func TestTableInAnotherCharacterSet(t *testing.T) {
	for name, server := range both {
		t.Run(name, func(t *testing.T) { testCharacterSets(t, server) })
	}
}

func testCharacterSets(t *testing.T, server *testserver.Server) {
	ctx := t.Context()
	for _, charset := range []string{"latin1", "utf8mb3", "utf8mb4 COLLATE utf8mb4_general_ci",
		"utf8mb4 COLLATE utf8mb4_unicode_ci"} {
		t.Run(charset, func(t *testing.T) {
			db := server.Start(t).Open(t)
			for _, statement := range []string{
				"DROP TABLE IF EXISTS charsets",
				"CREATE TABLE charsets (session_key varchar(40) PRIMARY KEY, session_data longtext NOT NULL," +
					" expire_date datetime(6) NOT NULL) DEFAULT CHARSET " + charset,
			} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			store := open(t, server.URL, mysql.Options{Options: dbstore.Options{Table: "charsets"}})
			if err := store.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			storetest.RunCharacters(t, store)
		})
	}
}

// A table whose session_data is TEXT holds 65535 bytes.
func TestSessionAboveTheWidthOfItsColumn(t *testing.T) {
	for name, server := range both {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db := server.Start(t).Open(t)
			for _, statement := range []string{
				"DROP TABLE IF EXISTS narrow",
				"CREATE TABLE narrow (session_key varchar(40) PRIMARY KEY, session_data text CHARACTER SET utf8mb4" +
					" NOT NULL, expire_date datetime(6) NOT NULL)",
			} {
				if _, err := db.Exec(statement); err != nil {
					t.Fatal(err)
				}
			}
			store := open(t, server.URL, mysql.Options{Options: dbstore.Options{Table: "narrow"}})
			if err := store.Migrate(ctx); err != nil {
				t.Fatal(err)
			}
			fits := &session.Record{Data: []byte(`"` + strings.Repeat("x", 65533) + `"`),
				Expires: time.Now().Add(time.Hour)}
			token, err := store.Save(ctx, "", fits)
			if err != nil {
				t.Fatalf("65535 bytes: %v", err)
			}
			for _, data := range []string{`"` + strings.Repeat("x", 65534) + `"`,
				`"` + strings.Repeat("é", 40000) + `"`} {
				rec := &session.Record{Data: []byte(data), Expires: fits.Expires, Version: fits.Version}
				_, created := store.Save(ctx, "", rec)
				_, saved := store.Save(ctx, token, rec)
				_, renewed := store.Renew(ctx, token, rec)
				for op, err := range map[string]error{"create": created, "save": saved, "renew": renewed} {
					if tooLarge, ok := errors.AsType[*session.TooLargeError](err); !ok || tooLarge.Size != len(data) {
						t.Errorf("%s, %d bytes: %v", op, len(data), err)
					}
				}
			}
			if rec, err := store.Load(ctx, token); err != nil || len(rec.Data) != 65535 {
				t.Errorf("the session afterwards: %v", err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	opening := func(dsn string, opts mysql.Options) func() (*dbstore.Store, error) {
		return func() (*dbstore.Store, error) { return mysql.Open(t.Context(), dsn, opts) }
	}
	storetest.RunOpenErrors(t, "mysql: ", map[string]func() (*dbstore.Store, error){
		"a malformed DSN":                  opening("user:hunter2@tcp(host", mysql.Options{}),
		"a malformed URL":                  opening("mysql://user:hunter2@host:port/db", mysql.Options{}),
		"a malformed parameter":            opening("mysql://user:hunter2@host/db?timeout=soon", mysql.Options{}),
		"a server that is not there":       opening("user:hunter2@tcp(127.0.0.1:1)/db", mysql.Options{}),
		"a negative number of connections": opening("user:hunter2@tcp(127.0.0.1:1)/db", mysql.Options{MaxConns: -1}),
	})
	addr := server.Start(t).Addr
	db := server.Open(t)
	for _, statement := range []string{"CREATE DATABASE IF NOT EXISTS `a/b`",
		"CREATE USER IF NOT EXISTS 'u:u'@'%' IDENTIFIED BY 'p@:/?#ä'", "GRANT ALL ON *.* TO 'u:u'@'%'"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	url := url.URL{Scheme: "mysql", User: url.UserPassword("u:u", "p@:/?#ä"), Host: addr, Path: "/a/b",
		RawQuery: "timeout=3s"}
	store := open(t, url.String(), mysql.Options{})
	if err := store.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec("DROP TABLE `a/b`.django_session"); err != nil {
		t.Errorf("the URL opened another database: %v", err)
	}
}
