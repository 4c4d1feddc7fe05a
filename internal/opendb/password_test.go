package opendb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/internal/opendb/mysqldsn"
	"sessionengine/internal/opendb/pgdsn"
	"sessionengine/internal/opendb/quiet"
)

// A dsnParser returns what an error of the driver may tell of a connection
// string, and what must not be shown of it.
type dsnParser func(text string) (told string, secrets []string, err error)

func parsePostgres(text string) (told string, secrets []string, err error) {
	c, secrets, err := pgdsn.Parse(text)
	if err == nil {
		told = fmt.Sprint(c.Host, " ", c.User, " ", c.Database, " ", c.RuntimeParams)
	}
	return told, secrets, err
}

func parseMySQL(text string) (told string, secrets []string, err error) {
	c, secrets, err := mysqldsn.Parse(text)
	if err == nil {
		told = fmt.Sprint(c.Net, " ", c.Addr, " ", c.User, " ", c.DBName, " ", c.Params)
	}
	return told, secrets, err
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		parse      dsnParser
		text, want string
	}{
		{parsePostgres, "postgres://u:hunter2@host:port/db", "the port"},
		{parsePostgres, "postgres://u:hun#ter2@host/db", "%23"},
		{parsePostgres, "postgres://u:hun/ter2@host/db", "%2F"},
		{parsePostgres, "host=h password = hun ter2", "single quotes"},
		{parsePostgres, "host=h password='hun ter2", "single quotes"},
		{parsePostgres, "host=h password=hunter2 sslmode=maybe", "sslmode is none of"},
		{parsePostgres, "host=h password=hunter2 connect_timeout=soon", "connect_timeout"},
		{parsePostgres, "host=h password=hunter2 target_session_attrs=hunter2", "target_session_attrs"},
		{parsePostgres, "host=h password=hunter2 sslrootcert=/hunter2", "the file of sslrootcert"},
		{parsePostgres, "host=h password=hunter2 service=hunter2", "the service"},
		{parseMySQL, "u:hunter2@tcp(host", "is malformed"},
		{parseMySQL, "u:hunter2@tcp(host)/db?timeout=hunter2", "parameter timeout"},
		{parseMySQL, "u:hunter2@tcp(host)/db?loc=hunter2", "parameter loc"},
		{parseMySQL, "mysql://u:hunter2@host:port/db", "is malformed"},
		{parseMySQL, "mysql://u:hun#ter2@host/db", "%23"},
		{parseMySQL, "mysql://u:hun/ter2@host/db", "%2F"},
		{parseMySQL, "mysql://u:hunter2@host/db?parseTime=hunter2", "parameter parseTime"},
		{parseMySQL, "mysql://u:hunter2@host/db?strict=true", "parameter strict"},
	} {
		_, _, err := tc.parse(tc.text)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.text, err, tc.want)
		} else if quiet.Shows(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", tc.text, err)
		}
	}
}

// The passwords of the environment and of files are secrets, too.
func TestSecretsOfPostgres(t *testing.T) {
	pass := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(pass, []byte("*:*:*:*:filed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", pass)
	check := func(conn, secret string) {
		t.Helper()
		_, secrets, err := pgdsn.Parse(conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := quiet.Error(fmt.Errorf("about %s", secret), secrets...); strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %q is no secret", conn, secret)
		}
	}
	check("postgres://u@host/db", "filed")
	check("host=h user=u password=two words=3 dbname=d", "words")
	check("postgres://u@host/db?password=query7", "query7")
	t.Setenv("PGPASSWORD", "environs")
	check("host=h user=u", "environs")
}

func TestParseMySQL(t *testing.T) {
	for _, tc := range []struct{ dsn, net, addr, loc string }{
		{"mysql://u@db.example.com/d?loc=Europe/Berlin", "tcp", "db.example.com:3306", "Europe/Berlin"},
		{"mysql://u@db:3307/d", "tcp", "db:3307", "UTC"},
		{"mysql://u@[::1]/d", "tcp", "[::1]:3306", "UTC"},
		{"mysql://u@/d", "tcp", "127.0.0.1:3306", "UTC"},
		{"mysql://u@/d?unix_socket=/run/s.sock", "unix", "/run/s.sock", "UTC"},
		{"u@unix(/run/s.sock)/d", "unix", "/run/s.sock", "UTC"},
	} {
		c, _, err := mysqldsn.Parse(tc.dsn)
		if err != nil {
			t.Errorf("%s: %v", tc.dsn, err)
		} else if c.Net != tc.net || c.Addr != tc.addr || c.Loc.String() != tc.loc || c.User != "u" || c.DBName != "d" {
			t.Errorf("%s: got %s, %s, %v, %s, %s", tc.dsn, c.Net, c.Addr, c.Loc, c.User, c.DBName)
		}
	}
}

// alphabet has what means something in one of the forms, and nothing of what
// stands in an error.
const alphabet = "QZ7#/?@:%= '\\&;[]+,"

// However a password with odd characters is written, no error shows four bytes
// of it.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"\x00\x01\x02\x03\x04\x05\x06\x07", "\x00\x00\x00\x0a\x00\x00\x00\x00",
		"\x00\x00\x00\x00\x0b\x00\x00\x00\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, choice []byte) {
		var b strings.Builder
		for _, c := range choice {
			b.WriteByte(alphabet[int(c)%len(alphabet)])
		}
		password := b.String()
		check := func(parse dsnParser, forms ...string) {
			for _, form := range forms {
				told, secrets, err := parse(fmt.Sprintf(form, password))
				if err == nil {
					err = quiet.Error(fmt.Errorf("%s", told), secrets...)
				}
				// A password may happen to be like the advice.
				text := strings.ReplaceAll(err.Error(), "/ has to be written %2F, ? %3F, # %23 and @ %40", "")
				if len(password) >= 4 && quiet.Shows(text, password) {
					t.Errorf("%s: %s: %v", form, password, err)
				}
			}
		}
		check(parsePostgres, "postgres://user:%s@host:5432/db", "postgresql://user:%s@/db?host=/run",
			"postgres://user@host/db?password=%s",
			"postgres://user@host/db?sslpassword=%s&sslmode=disable",
			"host=h password=%s dbname=d", "host=h password = %s dbname = d", "password='%s' host=h",
			"host=h password=%s",
			"host=h sslpassword=%s sslmode=disable")
		check(parseMySQL, "user:%s@tcp(host:3306)/db", "user:%stcp(host:3306)/db",
			"user:%s@unix(/run/s.sock)/db?timeout=3s", "user:%s@/db",
			"mysql://user:%s@host:3306/db", "mysql://user:%s@/db?unix_socket=/run/s.sock")
	})
}
