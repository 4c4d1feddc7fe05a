package mysql_test

import (
	"context"
	"database/sql/driver"
	"os"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/dbstore/mysql"
	"sessionengine/internal/testserver"
)

var server = testserver.MySQL()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, server)) }

var backend = storetest.Backend{
	Dialect: dbstore.MySQL,
	Place:   func(t testing.TB) string { return server.Start(t).URL },
	Open: func(t testing.TB, place string, opts dbstore.Options) *dbstore.Store {
		return open(t, place, mysql.Options{Options: opts})
	},
	Connector: func(t testing.TB, place string) driver.Connector {
		// As the driver's users have it who give no thought to it: without
		// clientFoundRows, with times in a zone of their own.
		config, err := mysqldriver.ParseDSN(place + "?parseTime=true&loc=Asia%2FHo_Chi_Minh")
		if err != nil {
			t.Fatal(err)
		}
		connector, err := mysqldriver.NewConnector(config)
		if err != nil {
			t.Fatal(err)
		}
		return connector
	},
	CreateDjangoTable: []string{
		"CREATE TABLE `django_session` (`session_key` varchar(40) NOT NULL PRIMARY KEY, `session_data` longtext NOT NULL, `expire_date` datetime(6) NOT NULL)",
		"CREATE INDEX `django_session_expire_date_a5c62663` ON `django_session` (`expire_date`)",
	},
	DjangoTime: func(t time.Time) string { return t.Format("'2006-01-02 15:04:05.999999'") },
	Conflict:   &mysqldriver.MySQLError{Number: 1213, Message: "Deadlock found when trying to get lock; try restarting transaction"},
	Explain:    "EXPLAIN",
	KeyIndex:   "PRIMARY",
	FullScan:   " ALL ",
}

func TestStore(t *testing.T) { storetest.Run(t, backend) }

// open opens a store that is closed at the test's end.
func open(t testing.TB, dsn string, opts mysql.Options) *dbstore.Store {
	t.Helper()
	store, err := mysql.Open(context.Background(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}
