package source_test

import (
	"context"
	"encoding/json"
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

func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

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
			if _, err := store.Save(t.Context(), "", &session.Record{Data: []byte(object), Expires: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		store.Close()
	}
}

// dumped is what a program prints, in a file.
func dumped(t *testing.T, program string, args ...string) (path string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	cmd := exec.Command(program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, stderr.String())
	}
	return write(t, "dump.sql", string(out))
}

func TestPostgres(t *testing.T) {
	server := postgresServer.Start(t)
	fill(t, server, dbstore.Postgres)
	checkSessions(t, read(t, server.URL, source.Options{}).Sessions, awkward)
	checkSessions(t, read(t, server.URL, source.Options{Table: "public.django_session"}).Sessions, awkward)
	for name, args := range map[string][]string{
		"COPY":                       nil,
		"INSERT":                     {"--inserts"},
		"INSERT with columns":        {"--column-inserts"},
		"INSERT with many rows each": {"--rows-per-insert=4"},
	} {
		t.Run("pg_dump, "+name, func(t *testing.T) {
			path := dumped(t, "pg_dump", append(args, "--dbname="+server.URL)...)
			checkSessions(t, read(t, path, source.Options{}).Sessions, awkward)
			checkSessions(t, read(t, path, source.Options{Table: "public.django_session"}).Sessions, awkward)
		})
	}
	refused(t, server.URL, source.Options{Table: "missing"}, "missing")
	refused(t, server.URL, source.Options{Scheme: "sealed", Secrets: [][]byte{[]byte(secret)}}, "leave the scheme out")
}

func TestMySQL(t *testing.T) {
	server := mysqlServer.Start(t)
	fill(t, server, dbstore.MySQL)
	url := "mysql://root@" + server.Addr + "/test"
	checkSessions(t, read(t, url, source.Options{}).Sessions, awkward)
	host, port, _ := strings.Cut(server.Addr, ":")
	for name, args := range map[string][]string{
		"as by default":       nil,
		"a row each":          {"--skip-extended-insert"},
		"with columns":        {"--complete-insert", "--compact"},
		"without its quoting": {"--skip-quote-names"},
	} {
		t.Run("mysqldump, "+name, func(t *testing.T) {
			path := dumped(t, "mysqldump", append(args, "--host="+host, "--port="+port, "--user=root", "test")...)
			checkSessions(t, read(t, path, source.Options{}).Sessions, awkward)
		})
	}
}

func TestSQLiteDump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var script strings.Builder
	script.WriteString("CREATE TABLE \"django_session\" (session_key varchar(40) PRIMARY KEY, session_data text, expire_date datetime);\nCREATE TABLE note (a, b);\nINSERT INTO note VALUES ('a; b', 'django_session');\n")
	for i, object := range awkward {
		fmt.Fprintf(&script, "INSERT INTO django_session VALUES ('k%d', '%s', '2030-01-01');\n", i, strings.ReplaceAll(object, "'", "''"))
	}
	create := exec.Command("sqlite3", path)
	create.Stdin = strings.NewReader(script.String())
	if out, err := create.CombinedOutput(); err != nil {
		t.Skipf("sqlite3: %v %s", err, out)
	}
	checkSessions(t, read(t, dumped(t, "sqlite3", path, ".dump"), source.Options{}).Sessions, awkward)
}

func TestDumps(t *testing.T) {
	const a, b = `{"a":1}`, `{"b":2}`
	for _, tc := range []struct {
		name, dump string
		want       []string
	}{
		{"a statement in one line", "INSERT INTO django_session VALUES ('k','" + a + "','t'),('l','" + b + "','t');", []string{a, b}},
		{"lower case, odd spaces, comments", "insert\ninto /* ; */ public . \"django_session\"(expire_date -- ')\n, session_data) values\n( now() , '" + a + "' )\n, ( now(), '" + b + "' ) on conflict do nothing;", []string{a, b}},
		{"no semicolon at the end", "INSERT INTO django_session VALUES ('k','" + a + "','t')\n;\nCOMMIT", []string{a}},
		{"another table's rows look like ours", "INSERT INTO other VALUES ('INSERT INTO django_session VALUES (1,''{}'',2);');\nINSERT INTO django_session VALUES ('k','" + a + "','t');", []string{a}},
		{"strings of PostgreSQL and MySQL", "/*!40000 x */;\nINSERT INTO `django_session` VALUES (N'k', _utf8mb4'" + a + "', NULL), ('l', _binary '{\\\"b\\\":2}', 0x41);", []string{a, b}},
		{"an escape string", `INSERT INTO django_session VALUES ('k', E'{\x27a\x27:1}', '');` + "\n" + `INSERT INTO django_session VALUES ('k', E'{"a":\x31}', 't'), ('l', e'{"b":2}', 't');`, []string{b}},
		{"a function's body", "CREATE FUNCTION f() RETURNS int AS $body$ BEGIN; ' $$ $bod$ \" $body$ LANGUAGE x;\nINSERT INTO django_session VALUES ('k','" + a + "','t');", []string{a}},
		{"COPY with escapes", "COPY public.django_session (session_key, session_data, expire_date) FROM stdin;\nk\t{\"a\":1}\tt\nl\t{\"b\":\\t2}\tt\n\\.\n\nCOPY other (a) FROM stdin;\n{\"c\":3}\n\\.\n", []string{a, b}},
		{"COPY to a file", "COPY django_session TO stdout;\nCOPY (SELECT 1) TO stdout;\nINSERT INTO django_session VALUES ('k','" + a + "','t');", []string{a}},
		{"commands of psql", "\\restrict a'b\n\\connect shop\nINSERT INTO django_session VALUES ('k','" + a + "','t');\n\\unrestrict a", []string{a}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkSessions(t, read(t, write(t, "dump.sql", tc.dump), source.Options{}).Sessions, tc.want)
		})
	}
}

func TestDumpsThatAreNone(t *testing.T) {
	for _, tc := range []struct{ name, dump, want string }{
		{"another table", "INSERT INTO other VALUES ('a', '" + hush + "', 'c');", "no rows of a table django_session"},
		{"other columns", "INSERT INTO django_session (session_key) VALUES ('" + hush + "');", "no rows of a table django_session"},
		{"cut off in a string", "\n\nINSERT INTO django_session VALUES ('a', '" + hush, "line 3: unexpected EOF"},
		{"cut off in a row", "INSERT INTO django_session VALUES ('a', '" + hush + "'\n", "line 2: unexpected EOF"},
		{"cut off in COPY", "COPY django_session FROM stdin;\na\t" + hush, "line 2: unexpected EOF"},
		{"a bad list of columns", "INSERT INTO django_session (session_data session_key) VALUES ('" + hush + "');", "line 1: not the SQL of a dump"},
		{"a null", "INSERT INTO django_session VALUES ('a', NULL, 'c');", "row 1, line 1: no text in session_data"},
		{"an expression", "INSERT INTO django_session VALUES ('a', replace('" + hush + "', 'a', 'b'), 'c');", "row 1, line 1: no text in session_data"},
		{"a null in COPY", "COPY django_session FROM stdin;\na\t\\N\tb\n\\.\n", "row 1, line 2: no text in session_data"},
		{"a row that is no session", "INSERT INTO django_session VALUES\n('a', '[]', 'c'),\n('a', '" + hush + "', 'c');", "row 1, line 2: not a JSON object"},
		{"a value without end", "INSERT INTO django_session VALUES ('a', '" + strings.Repeat("x", 5<<20), "a value of more than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, write(t, "dump.sql", tc.dump), source.Options{}, tc.want)
		})
	}
}

// FuzzDump: a session that is in a dump is read, whatever it contains, and no
// dump does harm.
func FuzzDump(f *testing.F) {
	f.Add("plain", "INSERT INTO django_session VALUES ('a','{}','b');")
	f.Add(`it's "a" \ $$ ; -- /*`, "COPY django_session FROM stdin;\na\tb\tc\n\\.\n")
	f.Add("\x00\n\t", "/*!1*/ INSERT INTO `x` VALUES (\"a\\\"\", X'00', $1, (1,(2)))")
	f.Add("`", "$a$ $b$ $a$; \\x\n--\n# \n")
	f.Fuzz(func(t *testing.T, value, noise string) {
		source.Read(t.Context(), write(t, "noise.sql", "-- "+noise), source.Options{})
		source.Read(t.Context(), write(t, "noise.sql", "--\n"+noise), source.Options{})

		object := fmt.Sprintf(`{"k":%s}`, jsonText(value))
		mysql := strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\x00", `\0`).Replace(object)
		for _, dump := range []string{
			"--\nINSERT INTO django_session VALUES ('k','" + strings.ReplaceAll(object, "'", "''") + "','t');",
			"--\nINSERT INTO `django_session` VALUES ('k','" + mysql + "','t');",
			"--\nCOPY django_session FROM stdin;\nk\t" + strings.ReplaceAll(object, `\`, `\\`) + "\tt\n\\.\n",
		} {
			s, err := source.Read(t.Context(), write(t, "dump.sql", dump), source.Options{Name: "yours"})
			if err != nil {
				t.Fatalf("%q: %v", dump, err)
			}
			checkSessions(t, s.Sessions, []string{object})
		}
	})
}

func jsonText(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string cannot fail
	}
	return text
}
