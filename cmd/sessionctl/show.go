package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"sessionengine/dbstore"
	"sessionengine/django"
	"sessionengine/internal/cmdflag"
	"sessionengine/internal/opencookie"
	"sessionengine/internal/secrets"
	"sessionengine/session"
)

var show = command{
	name:    "show",
	summary: "show what a session holds",
	usage: `Shows a session: where it is kept, when it expires, its keys, and the size of
each value. It is told by its token, the value of the session's cookie, on
standard input; in the command line, every user of the machine would see it.

What the token looks like tells what is needed to find the session. For that of a
row it is the database; the row's session_key does instead of the token. For that
of a session in Redis or Valkey it is their URL in the place of a database's. For a
cookie that holds the session itself, of package signedcookie or of Django's
signed_cookies, it is the secret, which for Django is the SECRET_KEY. Rows that
Django writes need both, and -django.

Sessions that are expired are not shown.
`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *system) error {
		s := &shower{db: databaseFlags(flags), secrets: secretFlags(flags)}
		flags.BoolVar(&s.values, "values", false, "print the values as well, which may be confidential")
		flags.StringVar(&s.cookie, "cookie", session.DefaultCookieName,
			"the `name` of the cookie, to which its value and a row's key are bound")
		flags.StringVar(&s.context, "context", "",
			"the site's Options.Context, a `text` to which its cookies are bound")
		flags.Var(&s.dictionaries, "dictionary",
			"a `file` with a dictionary of the site's own for its cookies; may be given\nseveral times")
		flags.BoolVar(&s.django, "django", false, "the rows are Django's: their session_data is signed with the secret")
		s.djangoAge = 14 * 24 * time.Hour
		cmdflag.Duration(flags, &s.djangoAge, "django-cookie-age", "h",
			"Django's SESSION_COOKIE_AGE, for its signed cookies, as a `duration`")
		return s.run
	},
}

// shower is the command as the flags tell it.
type shower struct {
	db           *database
	secrets      *secrets.Source
	values       bool
	cookie       string
	context      string
	dictionaries files
	django       bool
	djangoAge    time.Duration
}

// files is a flag that may be given several times.
type files []string

func (f *files) String() string     { return strings.Join(*f, ", ") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

func (s *shower) run(ctx context.Context, sys *system) error {
	if err := s.secrets.Check(); err != nil {
		return usageError{err}
	}
	token, err := readToken(sys, s.cookie)
	if err != nil {
		return err
	}
	var where string
	var rec *session.Record
	switch {
	case s.db.isRedis(sys) && isKeyToken(token):
		where, rec, err = s.findKey(ctx, sys, token)
	case isRowToken(token):
		if where, rec, err = s.findRow(ctx, sys, token); exitStatus(err) == 2 {
			err = fmt.Errorf("this is the token of a row: %w", err)
		}
	case strings.Contains(token, ":"): // between the parts of what Django signs
		where, rec, err = s.openDjangoCookie(ctx, sys, token)
	default:
		where, rec, err = s.openCookie(ctx, sys, token)
	}
	switch {
	case err == nil:
		return describe(sys.stdout, where, rec, s.values)
	case errors.Is(err, session.ErrExpired):
		return errors.New("the session is expired")
	}
	return err
}

// maxToken is more than any browser and server exchange as a cookie.
const maxToken = 64 << 10

// readToken returns the token in standard input, which may be a header with the
// cookie of that name. Errors do not quote it.
func readToken(sys *system, cookie string) (string, error) {
	if f, ok := sys.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(sys.stderr, "Token: ")
	}
	line, err := bufio.NewReader(io.LimitReader(sys.stdin, maxToken)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(line) == maxToken {
		return "", usagef("what is on standard input is too long for a token")
	}
	token, err := opencookie.Value(line, cookie)
	if err != nil {
		return "", usagef("standard input: %w", err)
	}
	if token == "" {
		return "", usagef("there is no token on standard input")
	}
	return token, nil
}

// isRowToken reports whether token looks like one of package dbstore, or like
// what its table or Django's has in session_key: letters and digits, fewer than
// in any signed cookie.
func isRowToken(token string) bool {
	return len(token) <= 40 && strings.Trim(token, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// isKeyToken reports whether token looks like one of package redisstore, of 36
// letters, digits, minus and underline signs. Signed cookies are longer.
func isKeyToken(token string) bool {
	return len(token) <= 40 &&
		strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

func (s *shower) findKey(ctx context.Context, sys *system, token string) (where string, rec *session.Record,
	err error) {
	store, err := s.db.openRedis(ctx, sys, false)
	if err != nil {
		return "", nil, err
	}
	defer closeStore(store, &err)
	bound, err := store.ForCookie(s.cookie)
	if err != nil {
		return "", nil, err
	}
	rec, err = loadKey(ctx, bound, token)
	return "key in Redis, found by its token", rec, err
}

// loadKey loads a session from Redis.
func loadKey(ctx context.Context, store session.SessionStore, token string) (*session.Record, error) {
	rec, err := store.Load(ctx, token)
	if err == session.ErrNotFound || err == session.ErrInvalidToken {
		return nil, fmt.Errorf("%w: no key is of this token; -prefix and -cookie have to be the site's",
			session.ErrNotFound)
	}
	return rec, err
}

func (s *shower) findRow(ctx context.Context, sys *system, token string) (where string, rec *session.Record,
	err error) {
	if s.django {
		keys, _, err := s.secrets.ReadKeys(sys.getenv)
		if err != nil {
			return "", nil, explainSecrets(err, "this is the token of a row that Django signs")
		}
		opts, err := django.Rows(string(keys[0]), opencookie.DjangoOptions(keys[1:], 0))
		if err != nil {
			return "", nil, err
		}
		rec, err := s.loadRow(ctx, sys, token, opts)
		if errors.Is(err, session.ErrInvalidToken) {
			err = explainRow(err)
		}
		return "row of Django's, found by its session_key", rec, err
	}
	// The table has hashes of tokens, or the tokens themselves.
	rec, err = s.loadRow(ctx, sys, token, dbstore.Options{})
	if err == nil {
		return "row, found by its token", rec, nil
	}
	if errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrExpired) {
		rec, err = s.loadRow(ctx, sys, token, dbstore.Options{RawKeys: true})
	}
	return "row, found by its session_key", rec, err
}

// explainRow says what is wrong with a row that is there.
func explainRow(err error) error {
	if e, ok := err.(interface{ Unwrap() []error }); ok {
		reasons := e.Unwrap() // of package dbstore's error: it, and the decoder's
		if why := reasons[len(reasons)-1]; why != session.ErrInvalidToken {
			return fmt.Errorf("the row is there: %w", why)
		}
	}
	return errors.New("the row is there, but its session_data was changed, or signed with another SECRET_KEY")
}

func (s *shower) loadRow(ctx context.Context, sys *system, token string, opts dbstore.Options) (rec *session.Record,
	err error) {
	store, err := s.db.open(ctx, sys, opts)
	if err != nil {
		return nil, err
	}
	defer closeStore(store, &err)
	bound, err := store.ForCookie(s.cookie)
	if err != nil {
		return nil, err
	}
	return loadRow(ctx, bound, token)
}

func loadRow(ctx context.Context, store session.SessionStore, token string) (*session.Record, error) {
	rec, err := store.Load(ctx, token)
	switch {
	case err == session.ErrNotFound, err == session.ErrInvalidToken:
		return nil, fmt.Errorf("%w: no row has this token or session_key", session.ErrNotFound)
	case err != nil:
		return nil, err
	}
	return rec, nil
}

func (s *shower) openCookie(ctx context.Context, sys *system, token string) (where string, rec *session.Record,
	err error) {
	found, err := s.secrets.Read(sys.getenv)
	if err != nil {
		return "", nil, explainSecrets(err, "this is a cookie that holds the session")
	}
	opts := opencookie.Options{Cookie: s.cookie, Context: s.context, Secrets: found}
	for _, path := range s.dictionaries {
		words, err := readFile("-dictionary", path)
		if err != nil {
			return "", nil, err
		}
		opts.Dictionaries = append(opts.Dictionaries, words)
	}
	return open(ctx, token, opts, len(found), "another secret, context, dictionary or cookie name")
}

func (s *shower) openDjangoCookie(ctx context.Context, sys *system, token string) (where string, rec *session.Record,
	err error) {
	keys, lines, err := s.secrets.ReadKeys(sys.getenv)
	if err != nil {
		return "", nil, explainSecrets(err, "this is a cookie of Django's")
	}
	opts := opencookie.Options{Scheme: opencookie.Django, Secrets: keys, DjangoAge: s.djangoAge}
	return open(ctx, token, opts, lines, "another SECRET_KEY")
}

// open opens a cookie. The file of secrets has so many lines. With what else the
// cookie may have been made is for the error.
func open(ctx context.Context, token string, opts opencookie.Options, lines int, with string) (where string,
	rec *session.Record, err error) {
	opener, err := opencookie.New(opts)
	if err != nil {
		return "", nil, err
	}
	rec, made, err := opener.Open(ctx, token)
	if err == session.ErrInvalidToken {
		return "", nil, fmt.Errorf("%w: it was changed, or made with %s", err, with)
	}
	kind := made.Scheme + " cookie"
	if made.Scheme == opencookie.Django {
		kind = "signed cookie of Django's"
	}
	if made.Secret == lines {
		return kind + ", the secret with the white space around it", rec, err
	}
	return fmt.Sprintf("%s, secret %d of %d", kind, made.Secret+1, lines), rec, err
}
