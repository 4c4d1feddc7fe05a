package source_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessionengine/bench/source"
	"sessionengine/dbstore"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var (
	postgresServer = testserver.Postgres()
	mysqlServer    = testserver.MySQL()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgresServer, mysqlServer)) }

// fill puts the awkward sessions into a table, and others beside it.
func fill(t *testing.T, server *testserver.Server, dialect dbstore.Dialect) {
	t.Helper()
	db := server.Open(t)
	for _, table := range []string{"django_session", "other_sessions"} {
		store, err := dbstore.New(db, dialect, dbstore.Options{Table: table})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Exec("DROP TABLE " + table) })
		for i, object := range awkward {
			if table == "other_sessions" {
				object = fmt.Sprintf(`{"other":%d}`, i)
			}
			if _, err := store.Save(t.Context(), "",
				&session.Record{Data: []byte(object), Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		store.Close()
	}
}

// printed is what a program prints, in a file.
func printed(t *testing.T, program string, args ...string) (path string) {
	t.Helper()
	testserver.Program(t, program)
	cmd := exec.Command(program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, stderr.String())
	}
	return write(t, "printed", string(out))
}

func TestPostgres(t *testing.T) {
	server := postgresServer.Start(t)
	fill(t, server, dbstore.Postgres)
	checkSessions(t, read(t, server.URL, source.Options{}).Sessions, awkward)
	checkSessions(t, read(t, server.URL, source.Options{Table: "public.django_session"}).Sessions, awkward)
	for _, command := range []string{
		`\copy django_session to stdout csv header`,
		`\copy (select row_to_json(django_session) from django_session) to stdout with (format csv, delimiter E'\x01', quote E'\x02')`,
		`select json_agg(django_session) from django_session`,
		`select row_to_json(django_session) from django_session`,
	} {
		t.Run("psql "+command, func(t *testing.T) {
			path := printed(t, "psql", "-X", "-At", "--dbname="+server.URL, "-c", command)
			checkSessions(t, read(t, path, source.Options{}).Sessions, awkward)
		})
	}
	refused(t, printed(t, "pg_dump", "--dbname="+server.URL), source.Options{}, "csv header")
	refused(t, server.URL, source.Options{Table: "missing"}, "missing: there is no such table; -table names")
	refused(t, server.URL, source.Options{Table: "pg_namespace"}, "no column session_data; there are oid, nspname,")
	refused(t, server.URL, source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}}, "leave the scheme out")
}

func TestMySQL(t *testing.T) {
	server := mysqlServer.Start(t)
	fill(t, server, dbstore.MySQL)
	url := "mysql://root@" + server.Addr + "/test"
	checkSessions(t, read(t, url, source.Options{}).Sessions, awkward)
	host, port, _ := strings.Cut(server.Addr, ":")
	login := []string{"--host=" + host, "--port=" + port, "--user=root", "--default-character-set=utf8mb4"}
	for _, query := range []string{
		"select * from django_session",
		"select session_data from django_session",
	} {
		t.Run("mysql --batch -e "+query, func(t *testing.T) {
			path := printed(t, "mysql", append(login, "--batch", "-e", query, "test")...)
			checkSessions(t, read(t, path, source.Options{}).Sessions, awkward)
		})
	}
	path := printed(t, "mysql", append(login, "--batch", "--raw", "--skip-column-names", "-e",
		"select json_object('session_key', session_key, 'session_data', session_data) from django_session", "test")...)
	checkSessions(t, read(t, path, source.Options{}).Sessions, awkward)
	refused(t, url, source.Options{Table: "missing"}, "missing: there is no such table; -table names")
	refused(t, url, source.Options{Table: "mysql.db"}, "no column session_data; there are Host, Db, User,")
	refused(t, printed(t, "mysqldump", append(login, "test")...), source.Options{}, "mysql --batch")
}

func TestSQLiteShell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var script strings.Builder
	script.WriteString("CREATE TABLE \"django_session\" (session_key varchar(40) PRIMARY KEY, session_data text, " +
		"expire_date datetime);\n")
	for i, object := range awkward {
		fmt.Fprintf(&script, "INSERT INTO django_session VALUES ('k%d', '%s', '2030-01-01');\n", i,
			strings.ReplaceAll(object, "'", "''"))
	}
	create := exec.Command(testserver.Program(t, "sqlite3"), path)
	create.Stdin = strings.NewReader(script.String())
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v %s", err, out)
	}
	for _, args := range [][]string{{"-csv", "-header"}, {"-json"}, {"-header", "-tabs"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			checkSessions(t, read(t, printed(t, "sqlite3", append(args, path, "select * from django_session")...),
				source.Options{}).Sessions, awkward)
		})
	}
	refused(t, printed(t, "sqlite3", path, ".dump"), source.Options{}, "sqlite3 -csv -header")
}
