package pgdsn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessionengine/internal/opendb/pgdsn"
	"sessionengine/internal/opendb/quiet"
)

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ conn, want string }{
		{"postgres://u:hunter2@host:port/db", "the port"},
		{"postgres://u:hun#ter2@host/db", "%23"},
		{"postgres://u:hun/ter2@host/db", "%2F"},
		{"host=h password = hun ter2", "single quotes"},
		{"host=h password='hun ter2", "single quotes"},
		{"host=h password=hunter2 sslmode=maybe", "sslmode is none of"},
		{"host=h password=hunter2 connect_timeout=soon", "connect_timeout"},
		{"host=h password=hunter2 target_session_attrs=hunter2", "target_session_attrs"},
		{"host=h password=hunter2 sslrootcert=/hunter2", "the file of sslrootcert"},
		{"host=h password=hunter2 service=hunter2", "the service"},
	} {
		_, _, err := pgdsn.Parse(tc.conn)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.conn, err, tc.want)
		} else if quiet.Shows(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", tc.conn, err)
		}
	}
}

// The passwords of the environment and of files are secrets, too.
func TestSecrets(t *testing.T) {
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

// alphabet has what means something in one of the forms, and nothing of what
// stands in an error.
const alphabet = "QZ7#/?@:%= '\\&;[]+,"

// However a password with odd characters is written, no error shows four bytes
// of it.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"\x00\x01\x02\x03\x04\x05\x06\x07", "\x00\x00\x00\x0a\x00\x00\x00\x00", "\x00\x00\x00\x00\x0b\x00\x00\x00\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, choice []byte) {
		var b strings.Builder
		for _, c := range choice {
			b.WriteByte(alphabet[int(c)%len(alphabet)])
		}
		password := b.String()
		for _, form := range []string{
			"postgres://user:%s@host:5432/db", "postgresql://user:%s@/db?host=/run", "postgres://user@host/db?password=%s",
			"postgres://user@host/db?sslpassword=%s&sslmode=disable",
			"host=h password=%s dbname=d", "host=h password = %s dbname = d", "password='%s' host=h", "host=h password=%s",
			"host=h sslpassword=%s sslmode=disable",
		} {
			config, secrets, err := pgdsn.Parse(fmt.Sprintf(form, password))
			if err == nil {
				// As a driver's error may.
				err = quiet.Error(fmt.Errorf("%s %s %s %v", config.Host, config.User, config.Database, config.RuntimeParams), secrets...)
			}
			// A password may happen to be like the advice.
			text := strings.ReplaceAll(err.Error(), "/ has to be written %2F, ? %3F, # %23 and @ %40", "")
			if len(password) >= 4 && quiet.Shows(text, password) {
				t.Errorf("%s: %s: %v", form, password, err)
			}
		}
	})
}
