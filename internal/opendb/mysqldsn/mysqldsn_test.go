package mysqldsn_test

import (
	"fmt"
	"strings"
	"testing"

	"sessionengine/internal/opendb/mysqldsn"
	"sessionengine/internal/opendb/quiet"
)

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ dsn, want string }{
		{"u:hunter2@tcp(host", "is malformed"},
		{"u:hunter2@tcp(host)/db?timeout=hunter2", "parameter timeout"},
		{"u:hunter2@tcp(host)/db?loc=hunter2", "parameter loc"},
		{"mysql://u:hunter2@host:port/db", "is malformed"},
		{"mysql://u:hun#ter2@host/db", "%23"},
		{"mysql://u:hun/ter2@host/db", "%2F"},
		{"mysql://u:hunter2@host/db?parseTime=hunter2", "parameter parseTime"},
		{"mysql://u:hunter2@host/db?strict=true", "parameter strict"},
	} {
		_, _, err := mysqldsn.Parse(tc.dsn)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.dsn, err, tc.want)
		} else if quiet.Shows(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", tc.dsn, err)
		}
	}
}

func TestParse(t *testing.T) {
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
			"user:%s@tcp(host:3306)/db", "user:%stcp(host:3306)/db", "user:%s@unix(/run/s.sock)/db?timeout=3s", "user:%s@/db",
			"mysql://user:%s@host:3306/db", "mysql://user:%s@/db?unix_socket=/run/s.sock",
		} {
			c, secrets, err := mysqldsn.Parse(fmt.Sprintf(form, password))
			if err == nil {
				// As a driver's error may.
				err = quiet.Error(fmt.Errorf("%s %s %s %s %v", c.Net, c.Addr, c.User, c.DBName, c.Params), secrets...)
			}
			// A password may happen to be like the advice.
			text := strings.ReplaceAll(err.Error(), "/ has to be written %2F, ? %3F, # %23 and @ %40", "")
			if len(password) >= 4 && quiet.Shows(text, password) {
				t.Errorf("%s: %s: %v", form, password, err)
			}
		}
	})
}
