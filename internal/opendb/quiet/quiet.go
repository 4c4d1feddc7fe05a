// Package quiet keeps passwords out of the errors of database drivers.
package quiet

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
)

// window is the length of the shortest part of a password that is not shown.
const window = 4

// Shows reports whether text contains a secret, or four bytes of one in a row.
func Shows(text string, secrets ...string) bool {
	for _, secret := range secrets {
		n := min(window, len(secret))
		for i := 0; n > 0 && i+n <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+n]) {
				return true
			}
		}
	}
	return false
}

// Error returns err, or if its text shows a part of a secret, an error that says
// what kind it is and nothing more. A driver's error may quote any part of a
// connection string that was not split as its author meant it.
func Error(err error, secrets ...string) error {
	if err == nil || !Shows(err.Error(), secrets...) {
		return err
	}
	what := kind(err)
	if Shows(what, secrets...) {
		what = "the database cannot be opened"
	}
	return errors.New(what + " (the driver's message is left out, for it has something of the password in it)")
}

// kind says what err is in words of our own.
func kind(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "the context ended"
	}
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return "the server refused the connection: SQLSTATE " + e.SQLState()
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.Indirect(reflect.ValueOf(e))
		if v.Kind() == reflect.Struct {
			if f := v.FieldByName("Number"); f.IsValid() && f.CanUint() {
				return "the server refused the connection: error " + strconv.FormatUint(f.Uint(), 10)
			}
		}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the server's name is not known"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "the server cannot be reached: " + errno.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "the server does not answer"
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return "a file cannot be read"
	}
	return "the database cannot be opened"
}

// URLPassword checks that what stands before the host of a URL was meant to,
// and returns its parts that may be secret. An unencoded slash, question mark or
// number sign in a password ends the host, so that the rest of the password
// would become the name of a database, an option or nothing.
func URLPassword(url string) (secrets []string, err error) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return nil, errors.New("the URL is malformed")
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 && strings.Contains(rest[end:], "@") ||
		strings.Contains(rest, "#") {
		return nil, errors.New("the URL is malformed: in a user name, a password and everything else, / has to be " +
			"written %2F, ? %3F, # %23 and @ %40")
	}
	authority, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		if _, password, ok := strings.Cut(authority[:at], ":"); ok {
			secrets = append(secrets, password)
		}
	}
	return secrets, nil
}
