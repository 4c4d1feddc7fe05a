package source

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"sessionengine/internal/opencookie"
	"sessionengine/internal/secrets"
	"sessionengine/session"
)

// secretVariable is the environment variable that stands in for -secret-file.
const secretVariable = "SESSION_SECRET"

// locationVariable is the environment variable that stands in for -sessions.
const locationVariable = "COMPARE_SESSIONS"

// Flags are a program's flags that tell where sessions are, and how they were
// written.
type Flags struct {
	// Location is that of the sessions; "" without the flag -sessions.
	Location string

	opts         Options
	secrets      secrets.Source
	dictionaries []string
}

// DeclareFlags declares the flags. Their values are there once they are parsed.
func DeclareFlags(flags *flag.FlagSet) *Flags {
	f := &Flags{secrets: secrets.Source{Variable: secretVariable}}
	flags.StringVar(&f.Location, "sessions", "",
		"take the sessions at this `place`, of which no content is shown: a file with one\n"+
			"JSON object a line; a table of Django's or of dbstore's in an SQLite file, in a\n"+
			"CSV file, in JSON as \"manage.py dumpdata\" writes it, or at a URL (sqlite:FILE,\n"+
			"postgres://…, mysql://…); or cookies, see -scheme. By default, what\n"+
			locationVariable+" says in the environment, where no other user sees a password")
	flags.StringVar(&f.opts.Scheme, "scheme", "", "-sessions is a file of cookies, one a line, or a folder of such "+
		"files, which\nwere made by this `scheme`: "+strings.Join(opencookie.Schemes(), ", "))
	flags.StringVar(&f.opts.Cookie, "cookie", session.DefaultCookieName, "the `name` of the cookies in -sessions")
	flags.StringVar(&f.opts.Table, "table", "django_session", "the `name` of the table in -sessions")
	flags.StringVar(&f.secrets.File, "secret-file", "", "a `file` with the secret that made the cookies in -sessions, or "+
		"Django's\nSECRET_KEY; older ones in the lines after it. By default, what "+secretVariable+"\nsays in the environment")
	flags.StringVar(&f.secrets.Encoding, "secret-encoding", "text",
		"the secret's `encoding`: text, or base64 or hex if the site decodes it")
	flags.StringVar(&f.opts.Context, "context", "",
		"the `text` that was signedcookie's Options.Context when the cookies in -sessions\nwere made, if there was one")
	const dictionary = "a `file` with a dictionary that the cookies in -sessions were made with; may be\nrepeated"
	flags.Func("dictionary", dictionary, func(path string) error {
		f.dictionaries = append(f.dictionaries, path)
		return nil
	})
	return f
}

// Check returns what is wrong with the flags, of which those in isSet were set.
// They have no effect without -sessions.
func (f *Flags) Check(isSet map[string]bool) error {
	if !isSet["sessions"] {
		f.Location = os.Getenv(locationVariable)
	}
	if err := f.secrets.Check(); err != nil {
		return err
	}
	if f.opts.Scheme != "" && !slices.Contains(opencookie.Schemes(), f.opts.Scheme) {
		return fmt.Errorf("-scheme: no scheme %q; there are %s", f.opts.Scheme,
			strings.Join(opencookie.Schemes(), ", "))
	}
	if f.Location == "" && isSet["sessions"] {
		return errors.New("-sessions: no place")
	}
	for _, name := range []string{"scheme", "cookie", "table", "context", "secret-file", "secret-encoding",
		"dictionary"} {
		if isSet[name] && f.Location == "" {
			return fmt.Errorf("-%s tells how the sessions were written; -sessions has to tell where they are", name)
		}
	}
	return nil
}

// Read reads the sessions and gives all of them that name.
func (f *Flags) Read(ctx context.Context, name string) (*Sessions, error) {
	opts := f.opts
	opts.Name = name
	var err error
	if opts.Secrets, _, err = f.secrets.ReadKeys(os.Getenv); err != nil && err != secrets.ErrNone {
		return nil, err
	}
	for _, path := range f.dictionaries {
		words, err := secrets.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("-dictionary: %s: %w", path, err)
		}
		opts.Dictionaries = append(opts.Dictionaries, words)
	}
	sessions, err := Read(ctx, f.Location, opts)
	if err != nil {
		return nil, fmt.Errorf("-sessions: %s: %w", f.place(), err)
	}
	return sessions, nil
}

// place is the location as errors name it: without the password that may be in a
// URL.
func (f *Flags) place() string {
	if scheme, _, ok := strings.Cut(f.Location, "://"); ok && scheme != "sqlite" {
		return scheme + "://…"
	}
	return f.Location
}
