// Package source reads a site's own sessions from where the site keeps them, so
// that they can be measured:
//
//   - JSON: a file with one session a line, as an object, or with an array of them
//   - a table of sessions, Django's or package dbstore's: in an SQLite file, on a
//     PostgreSQL or MySQL server, in a CSV file, or as JSON that "manage.py
//     dumpdata" or a database has written
//   - cookies: a file with one cookie's value a line, or a folder of such files
//
// It only reads. Its errors tell where in the source something is wrong and what
// to do about it, and quote nothing of it but the names of columns.
package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/survey"
	"sessionengine/dbstore"
	"sessionengine/internal/cmdflag"
	"sessionengine/internal/opendb"
	"sessionengine/session"
)

// Options tell how the sessions were written. The zero value suffices for JSON
// lines and for rows of package dbstore.
type Options struct {
	// Secrets are the site's: its secret for package signedcookie, or its
	// SECRET_KEY for Django. All of them verify.
	Secrets [][]byte

	// Scheme, unless it is "", says that the source holds cookies, and how they
	// were made: the name of a scheme of package signedcookie, or "django".
	Scheme string

	// Cookie is the name of the cookies; "" means "sessionid".
	Cookie string

	// Context is signedcookie.Options.Context of the site.
	Context string

	// Dictionaries are those of the site's own that its cookies were made with.
	Dictionaries [][]byte

	// Table is the name of the table; "" means "django_session".
	Table string

	// Limit is how many sessions are read of a table or of cookies, picked at
	// random if there are more; 0 means 20,000.
	Limit int

	// Name is the name that all sessions get.
	Name string
}

// defaultLimit is that of Options.Limit.
const defaultLimit = 20_000

// Sessions are what was read.
type Sessions struct {
	Sessions []bench.Session
	survey.Sample
}

// Read reads the sessions at location: the path of a file or of a folder, or a
// database's URL, sqlite:PATH, postgres://user:password@host/database or
// mysql://user:password@host/database. What kind of file it is shows in its
// content, except for cookies, for which Options.Scheme is set.
//
// A line of JSON that is no session is an error. Rows and cookies that cannot be
// read, because they have expired for example, are counted and left out, unless
// that is all of them.
func Read(ctx context.Context, location string, opts Options) (*Sessions, error) {
	opts.Table = cmp.Or(opts.Table, "django_session")
	opts.Cookie = cmp.Or(opts.Cookie, session.DefaultCookieName)
	opts.Limit = cmp.Or(opts.Limit, defaultLimit)
	if opts.Limit < 0 {
		return nil, fmt.Errorf("a limit of %d sessions", opts.Limit)
	}
	if opendb.Is(location) {
		return readDatabase(ctx, location, opts)
	}
	info, err := os.Stat(location)
	if err != nil {
		if err = withoutPath(err); errors.Is(err, fs.ErrNotExist) && strings.Contains(location, ":") {
			_, urlErr := opendb.Parse(location)
			err = fmt.Errorf("%w; %w", err, urlErr)
		}
		return nil, err
	}
	var s *Sessions
	switch {
	case opts.Scheme != "":
		s, err = readCookies(ctx, location, info.IsDir(), opts)
	case info.IsDir():
		err = errors.New("it is a folder: give a file in it, or say in -scheme how its files of cookies were made")
	default:
		s, err = readFile(ctx, location, opts)
	}
	return s, err
}

func readFile(ctx context.Context, path string, opts Options) (*Sessions, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	start, err := r.Peek(r.Size())
	if err != nil && err != io.EOF {
		return nil, withoutPath(err)
	}
	if reason := unreadable(start); reason != nil {
		return nil, reason
	}
	if bytes.HasPrefix(start, []byte(sqliteMagic)) {
		return readTable(ctx, opendb.Database{Dialect: dbstore.SQLite, Location: path}, opts)
	}
	var s *Sessions
	skipStart(r)
	header, next, _ := bytes.Cut(bytes.TrimSpace(bytes.TrimPrefix(start, []byte(bom))), []byte("\n"))
	separator := separatorOf(string(header))
	if separator == ',' && !bytes.ContainsRune(header, ',') && bytes.HasPrefix(next, []byte("{")) {
		separator = '\t' // of one column, and not quoted as CSV would
	}
	switch {
	case separator != 0:
		s, err = readCSV(ctx, r, separator, opts)
	case len(header) > 0 && !strings.ContainsAny(string(header[:1]), `{["`):
		err = noHeader(string(header))
	default:
		s, err = readJSON(ctx, r, opts)
	}
	return s, withoutPath(err)
}

const bom = "\ufeff"

// skipStart passes over a byte order mark.
func skipStart(r *bufio.Reader) {
	if start, err := r.Peek(len(bom)); err == nil && string(start) == bom {
		r.Discard(len(bom))
	}
}

// A sampler keeps so many of the items that are added to it, each as likely as
// any other.
type sampler struct {
	limit int
	found int64
	items []item
	order *rand.Rand
}

// An item is a session as it is stored, and where.
type item struct {
	text  string
	where position
	err   error // instead of a text
}

// A position is where an item is in its source; the zero fields are left out.
type position struct {
	file string
	row  int64
	line int
}

func (p position) String() string {
	var parts []string
	if p.file != "" {
		parts = append(parts, cmdflag.Printable(p.file))
	}
	if p.row > 0 {
		parts = append(parts, fmt.Sprint("row ", p.row))
	}
	if p.line > 0 {
		parts = append(parts, fmt.Sprint("line ", p.line))
	}
	return strings.Join(parts, ", ")
}

// newSampler returns a sampler whose choice is always the same.
func newSampler(limit int) *sampler {
	return &sampler{limit: limit, order: rand.New(rand.NewPCG(1, 1))}
}

// add adds an item, by reservoir sampling.
func (s *sampler) add(i item) {
	s.found++
	if len(s.items) < s.limit {
		s.items = append(s.items, i)
	} else if at := s.order.Int64N(s.found); at < int64(s.limit) {
		s.items[at] = i
	}
}

// sessions decodes the items.
func (s *sampler) sessions(ctx context.Context, name string, decode func(text string) ([]byte, error)) (*Sessions,
	error) {
	if s.found == 0 {
		return nil, errNoSessions
	}
	slices.SortStableFunc(s.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.where.file, b.where.file), cmp.Compare(a.where.row, b.where.row),
			cmp.Compare(a.where.line, b.where.line))
	})
	result := &Sessions{Sample: survey.Sample{Found: s.found, Taken: len(s.items)}}
	for _, i := range s.items {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		session, err := i.session(name, decode)
		if err != nil {
			result.leaveOut(err.Error(), i.where.String())
			continue
		}
		result.Sessions = append(result.Sessions, session)
	}
	if len(result.Sessions) == 0 {
		first := result.LeftOut[0]
		if len(s.items) == 1 {
			return nil, fmt.Errorf("%s: %s", first.First, first.Reason)
		}
		others := fmt.Sprintf("none of the %d others can be read", len(s.items)-1)
		if len(s.items) == 2 {
			others = "the other one cannot be read either"
		}
		return nil, fmt.Errorf("%s: %s; and %s", first.First, first.Reason, others)
	}
	return result, nil
}

func (i item) session(name string, decode func(text string) ([]byte, error)) (bench.Session, error) {
	if i.err != nil {
		return bench.Session{}, i.err
	}
	data, err := decode(i.text)
	if err != nil {
		return bench.Session{}, err
	}
	return bench.ParseSession(data, name)
}

// leaveOut counts a session that cannot be read.
func (s *Sessions) leaveOut(reason, where string) {
	for i := range s.LeftOut {
		if s.LeftOut[i].Reason == reason {
			s.LeftOut[i].Sessions++
			return
		}
	}
	s.LeftOut = append(s.LeftOut, survey.LeftOut{Reason: reason, Sessions: 1, First: where})
}

var errNoSessions = errors.New("no sessions in it")

// lineError says which line of a file is wrong, from 1, and why.
func lineError(line int, reason string) error { return fmt.Errorf("line %d: %s", line, reason) }

// withoutPath returns an error of the file system without the path, which the
// caller knows.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
