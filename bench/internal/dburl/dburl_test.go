package dburl_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/bench/internal/dburl"
	"sessionengine/dbstore"
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
		{"sqlite:" + file, dbstore.SQLite, "sqlite", "a%20b%23c.db?mode=ro&"},
		{"sqlite://" + file, dbstore.SQLite, "sqlite", "a%20b%23c.db?mode=ro&"},
		{"postgres://me:secret@db.example.com/shop?sslmode=disable", dbstore.Postgres, "pgx", "postgres://me:secret@db.example.com/shop?sslmode=disable"},
		{"postgresql:///shop?host=/run/postgresql", dbstore.Postgres, "pgx", "postgresql:///shop?host=/run/postgresql"},
		{"mysql://me:p%40ss@db.example.com/shop?timeout=3s", dbstore.MySQL, "mysql", "me:p@ss@tcp(db.example.com:3306)/shop?timeout=3s"},
		{"mysql://me@127.0.0.1:3307/shop", dbstore.MySQL, "mysql", "me@tcp(127.0.0.1:3307)/shop"},
	} {
		if !dburl.Is(tc.url) {
			t.Errorf("%s: not taken for a URL", tc.url)
		}
		d, err := dburl.Parse(tc.url)
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
		{"sqlite:" + filepath.Join(t.TempDir(), "missing.db"), "missing.db: no such file"},
		{"postgres://me:hush@host:port/shop", "no URL of a PostgreSQL database"},
		{"mysql://me:hush@host:%zz/shop", "no URL of a MySQL database"},
		{"mysql:me:hush@tcp(host)/shop", "no URL of a MySQL database"},
	} {
		_, err := dburl.Parse(tc.url)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.url, err, tc.want)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error quotes the password: %v", tc.url, err)
		}
	}
	for _, path := range []string{"C:/sessions", "sessions", "a:b"} {
		if dburl.Is(path) {
			t.Errorf("%s was taken for a URL", path)
		}
	}
}

func TestOneLine(t *testing.T) {
	inner := errors.New("no host:\n\tone\n\ttwo")
	if err := dburl.OneLine(inner); err.Error() != "no host: one two" || !errors.Is(err, inner) {
		t.Errorf("got %q", err)
	}
	if dburl.OneLine(nil) != nil {
		t.Error("no error became one")
	}
}

func TestQuote(t *testing.T) {
	mysql, postgres := dburl.Database{Dialect: dbstore.MySQL}, dburl.Database{Dialect: dbstore.Postgres}
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
