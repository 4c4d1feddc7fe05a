package opendb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/dbstore"
	"sessionengine/internal/opendb"
)

func TestParse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b#c.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		url     string
		dialect dbstore.Dialect
		driver  string
		source  string // a part of it
	}{
		{"sqlite:" + file, dbstore.SQLite, "sqlite", "a%20b%23c.db?_pragma=busy_timeout%28250%29&mode=ro"},
		{"sqlite://" + file, dbstore.SQLite, "sqlite", "a%20b%23c.db?_pragma=busy_timeout%28250%29&mode=ro"},
		{"sqlite:///" + file, dbstore.SQLite, "sqlite", "file://" + filepath.Dir(file) + "/a%20b%23c.db?"},
		{"sqlite:////" + file, dbstore.SQLite, "sqlite", "file://" + filepath.Dir(file) + "/a%20b%23c.db?"},
		{"sqlite:a:b?c.db", dbstore.SQLite, "sqlite", "file:a:b%3Fc.db?"},
		{"postgres://me:secret@db.example.com/shop?sslmode=disable", dbstore.Postgres, "pgx",
			"postgres://me:secret@db.example.com/shop?sslmode=disable"},
		{"postgresql:///shop?host=/run/postgresql", dbstore.Postgres, "pgx", "postgresql:///shop?host=/run/postgresql"},
		{"mysql://me:p%40ss@db.example.com/shop?timeout=3s", dbstore.MySQL, "mysql",
			"me:p@ss@tcp(db.example.com:3306)/shop?timeout=3s"},
		{"mysql://me@127.0.0.1:3307/shop", dbstore.MySQL, "mysql", "me@tcp(127.0.0.1:3307)/shop"},
		{"mysql://me@[::1]/shop", dbstore.MySQL, "mysql", "me@tcp([::1]:3306)/shop"},
		{"mysql://me@/shop", dbstore.MySQL, "mysql", "me@tcp(127.0.0.1:3306)/shop"},
		{"mysql://me@db/shop?loc=Europe/Berlin", dbstore.MySQL, "mysql", "loc=Europe%2FBerlin"},
		{"mysql://me@db/shop?loc=Europe%2FBerlin", dbstore.MySQL, "mysql", "loc=Europe%2FBerlin"},
		{"mysql://me@/shop?unix_socket=/run/mysqld/mysqld.sock", dbstore.MySQL, "mysql",
			"me@unix(/run/mysqld/mysqld.sock)/shop"},
	} {
		if !opendb.Is(tc.url) {
			t.Errorf("%s: not taken for a URL", tc.url)
		}
		d, err := opendb.Parse(tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		driver, source := d.Source("ro")
		if d.Dialect != tc.dialect || driver != tc.driver || !strings.Contains(source, tc.source) {
			t.Errorf("%s: got %v, %s, %s", tc.url, d.Dialect, driver, source)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"sessions.jsonl", "begins with sqlite:"},
		{"sqlite:", "path of a file"},
		{"sqlite::memory:", "path of a file"},
		{"sqlite://relative.db", "begins with a slash"},
		{"mysql://me:hush@host/shop?strict=true", "parameter strict"},
		{"mysql://me:hush@host/shop?timeout=soon", "parameter timeout"},
		{"mysql://me:hu/sh@host/shop", "%2F"},
		{"postgres://me:hu#sh@host/shop", "%23"},
		{"postgres:me:hush@host/shop", "begins with postgres://"},
		{"postgres://me:hush@host:port/shop", "no URL of PostgreSQL"},
		{"mysql://me:hush@host:%zz/shop", "no URL of MySQL"},
		{"mysql:me:hush@tcp(host)/shop", "no URL of MySQL"},
	} {
		_, err := opendb.Parse(tc.url)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.url, err, tc.want)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error quotes the password: %v", tc.url, err)
		}
	}
	for _, path := range []string{"C:/sessions", "sessions", "a:b"} {
		if opendb.Is(path) {
			t.Errorf("%s was taken for a URL", path)
		}
	}
}

func TestError(t *testing.T) {
	d, err := opendb.Parse("postgres://me:hunter2@db/shop")
	if err != nil {
		t.Fatal(err)
	}
	inner := errors.New("no host:\n\tone\n\ttwo")
	if err := d.Error(inner); err.Error() != "no host: one two" || !errors.Is(err, inner) {
		t.Errorf("got %q", err)
	}
	if err := d.Error(errors.New("no host called nter2")); strings.Contains(err.Error(), "nter") ||
		errors.Unwrap(err) != nil {
		t.Errorf("got %q", err)
	}
	if d.Error(nil) != nil {
		t.Error("no error became one")
	}
	missing, err := opendb.Parse("sqlite:" + filepath.Join(t.TempDir(), "missing.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Exists(); err == nil || !strings.Contains(err.Error(), "missing.db: no such file") {
		t.Errorf("got %v", err)
	}
}

func TestQuote(t *testing.T) {
	mysql, postgres := opendb.Database{Dialect: dbstore.MySQL}, opendb.Database{Dialect: dbstore.Postgres}
	if got, err := mysql.Quote("shop.django_session"); got != "`shop`.`django_session`" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := postgres.Quote("django_session"); got != `"django_session"` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	for _, name := range []string{"", ".", "a.b.c", `a"; DROP TABLE b; --`, "a`", "a.", "a\x00"} {
		if got, err := postgres.Quote(name); err == nil {
			t.Errorf("%q: got %s", name, got)
		}
	}
}
