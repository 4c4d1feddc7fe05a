package dbstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// Options configures a [Store]. The zero value has the default of every field.
type Options struct {
	// Table is the name of the table, after its schema and a dot if need be;
	// empty is "django_session".
	Table string

	// Reader is a pool for the statements that only read, for a database that
	// serves readers and writers best through separate ones, as SQLite does.
	// It has to be the same database: on a replica that lags behind, a visitor
	// is logged out again right after logging in. Nil is the pool given to New.
	Reader *sql.DB

	// OwnDB hands the pools over to the store: Close closes them, and nothing
	// else uses them. On SQLite, writes then take turns instead of contending
	// for the lock, and those that wait at the same time share a transaction.
	// On PostgreSQL, saves that wait for one of db's MaxOpenConns connections
	// share a statement.
	OwnDB bool

	// NoPrepare sends each statement to the driver as it is, instead of
	// preparing it once for each connection. It is meant for a driver that
	// keeps prepared statements itself, or has to do without, as pgx is told to
	// behind a connection pooler; other drivers then take more round trips.
	NoPrepare bool

	// RawKeys stores session keys as they are, as Django does, instead of their
	// hashes, and accepts the keys that Django makes. A reader of the table
	// can then take over the sessions in it, and a token is not bound to the
	// cookie that it was issued for: two cookies need a table each.
	RawKeys bool

	// MaxBytes is the most that the data of a session may have, in bytes; 0 is
	// 1 MiB, and the largest value is 1 GiB. A save of more gives a
	// *session.TooLargeError. So does one that the database refuses because of
	// a limit of its own, MySQL's max_allowed_packet for example, which has to
	// be more than twice as much. Rows that hold more are read.
	MaxBytes int

	// Timeout bounds each statement, with the wait for a connection and for
	// locks, and what is tried again; 0 is ten seconds. A context that cannot
	// end, such as context.Background, is taken at its word: then only trying
	// again is bounded.
	Timeout time.Duration

	// TimeZone is the zone of the times that are stored in SQLite and MySQL,
	// which have no type for a moment; nil is UTC. It is for a table that a
	// Django site without USE_TZ shares, and then the site's TIME_ZONE. A
	// session that ends in the hour that comes twice when daylight saving time
	// ends may end an hour early or late, as at Django.
	TimeZone *time.Location

	// Encoding is how a session is written in the column session_data; nil
	// stores the JSON text as it is.
	Encoding Encoding

	// Owners keeps the owner of each session that has one, its label, and when
	// it was created and last seen, in a second table, named like the first with
	// "_owner" put after it: for "log out everywhere", and for a list of one's
	// sessions; see [session.OwnerEnder] and [session.OwnerLister]. What is kept
	// is deleted with the session, by a logout at once and by the cleanup when it
	// has expired; an owner's name stays for an hour after its sessions were
	// ended. Of a label 255 bytes are kept, and an owner has 255 at most.
	//
	// It costs one more statement for each save and each deletion, and two for a
	// renewal. Sessions without an owner, and Django's table, stay as they are.
	//
	// All nodes need it. Migrate notes the owners of sessions that are in the
	// table already, once; a node without the option, or Django, may begin others,
	// which [Store.IndexOwners] finds.
	Owners bool

	// Changes lets package nearcache keep sessions in memory, on PostgreSQL: see
	// [Store.Changes]. Migrate then puts triggers on the table that tell which
	// sessions somebody has changed, Django and SQL by hand included.
	//
	// While triggers are there, commits that change sessions take turns on the
	// server, so that they no longer share the wait for its disk; the package
	// documentation has figures. A DROP FUNCTION sessionengine_changed() CASCADE
	// takes them away again.
	Changes bool

	// Listen opens a connection of its own that listens on a channel of the
	// database (PostgreSQL's LISTEN), for Changes. Package postgres sets it, and
	// its Listener makes one for a database that the application has opened.
	Listen func(ctx context.Context, channel string) (Listener, error)

	// CleanupBatch is how many expired rows are deleted at a time; 0 is 500.
	CleanupBatch int

	// OnCleanup, unless nil, is called after each pass of the cleanup that
	// StartCleanup runs. It must not call Close.
	OnCleanup func(CleanupResult)

	// Logger is told of the passes of the cleanup that failed or deleted
	// something; nil means [slog.Default] at the time of New.
	Logger *slog.Logger
}

// Encoding converts between a serialized session and the text in the column
// session_data. It is safe for concurrent use.
type Encoding interface {
	// Encode returns the text for data, without keeping a reference to data.
	// The text is valid UTF-8 without NUL characters.
	Encode(data []byte) (text string, err error)
	// Decode returns what was given to Encode. A text that is not genuine is an
	// error, and its session is taken for one that does not exist; an error that
	// matches session.ErrMisuse is passed on as it is. Errors do not contain
	// parts of the text.
	Decode(text string) (data []byte, err error)
}

// Store keeps sessions in a table. It is safe for concurrent use, by any number
// of processes on any number of machines.
//
// A token is bound to the name of the cookie that it was issued for: the key in
// the table depends on it. [session.NewManager] has the store bound to its
// cookie's name, through [Store.ForCookie]. A store that is bound to none issues
// and accepts the tokens of the cookie "sessionid".
type Store struct {
	*shared
	cookie string // the name of the cookie
}

// shared is what the stores for all cookies have in common.
type shared struct {
	db      *sqlkit.DB
	dialect Dialect
	table   sqlkit.Table
	quoted  string // the table's name in a statement
	opts    Options

	statements
	owners *owners   // nil without Options.Owners
	queue  *queue    // or nil
	once   sync.Once // of Close

	// names are the cookies' names that there are stores for.
	namesMu sync.Mutex
	names   []string

	// ascii is set once session_data turned out not to hold every character.
	ascii atomic.Bool

	cleaning atomic.Bool // StartCleanup was called
}

var (
	_ session.SessionStore     = (*Store)(nil)
	_ session.CookieNamer      = (*Store)(nil)
	_ session.ExpiredDeleter   = (*Store)(nil)
	_ session.Toucher          = (*Store)(nil)
	_ session.UnchangedDeleter = (*Store)(nil)
	_ session.OwnerEnder       = (*Store)(nil)
	_ session.OwnerLister      = (*Store)(nil)
	_ session.ChangeTeller     = (*Store)(nil)
	_ session.AllEnder         = (*Store)(nil)
	_ session.TraitsTeller     = (*Store)(nil)
)

// New returns a store for a database that the application has opened. It does
// not use the database yet: the table has to be there, or is made by
// [Store.Migrate], before the first session is stored.
//
// The store neither changes the pool's settings nor closes it, unless
// opts.OwnDB says so. Connections have to speak UTF-8, which pgx leaves to the
// encoding of a PostgreSQL database unless client_encoding says so, and to commit
// each statement, as they do unless a MySQL server is set up with autocommit off.
// MySQL's sql_mode should be strict, so that nothing is cut off to fit. The
// packages postgres and mysql see to all that.
func New(db *sql.DB, dialect Dialect, opts Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("dbstore: the database is nil")
	}
	if dialect < SQLite || dialect > MySQL {
		return nil, fmt.Errorf("dbstore: unknown dialect %v", dialect)
	}
	if opts.Table == "" {
		opts.Table = "django_session"
	}
	table, err := sqlkit.ParseTable(opts.Table, maxTableName)
	if err != nil {
		return nil, fmt.Errorf("dbstore: %w", err)
	}
	if opts.CleanupBatch == 0 {
		opts.CleanupBatch = 500
	}
	if opts.CleanupBatch < 0 || opts.CleanupBatch > 10000 {
		return nil, fmt.Errorf("dbstore: CleanupBatch is %d, and has to be between 1 and 10000", opts.CleanupBatch)
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Timeout < 0 {
		return nil, fmt.Errorf("dbstore: Timeout is negative: %v", opts.Timeout)
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	if opts.MaxBytes < 0 || opts.MaxBytes > 1<<30 {
		return nil, fmt.Errorf("dbstore: MaxBytes is %d, and has to be between 1 and 1 GiB", opts.MaxBytes)
	}
	if opts.Reader == nil {
		opts.Reader = db
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	s := &Store{cookie: session.DefaultCookieName, shared: &shared{
		dialect: dialect, table: table, quoted: table.Quote(dialect), opts: opts,
	}}
	s.db = sqlkit.New(sqlkit.Config{
		Package: "dbstore", Pool: db, Dialect: dialect, Timeout: opts.Timeout, NoPrepare: opts.NoPrepare,
		Local: dialect == SQLite && opts.OwnDB,
	})
	if s.queue = newQueue(s.shared); s.queue != nil {
		s.db.Write = s.queue.exec
	}
	s.statements = newStatements(s.shared)
	if opts.Owners {
		if s.owners, err = newOwners(s.shared); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ForCookie implements [session.CookieNamer]. The store that it returns is on the
// same table and shares everything with s but the sessions: neither knows the
// other's tokens. Closing one closes all. With [Options.RawKeys], which cannot
// tell them apart, a second name gives an error that matches
// [session.ErrMisuse].
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	if name == "" {
		return nil, fmt.Errorf("dbstore: %w: the cookie has no name", session.ErrMisuse)
	}
	s.namesMu.Lock()
	defer s.namesMu.Unlock()
	if !slices.Contains(s.names, name) {
		if s.opts.RawKeys && len(s.names) > 0 {
			return nil, fmt.Errorf("dbstore: %w: with RawKeys a token of the cookie %q would be accepted as one of"+
				" %q: use a table for each",
				session.ErrMisuse, s.names[0], name)
		}
		s.names = append(s.names, name)
	}
	return &Store{s.shared, name}, nil
}

// key returns what the table's session_key holds for a token of the store's
// cookie, and false for a token that no session can have.
func (s *Store) key(token string) (string, bool) {
	if s.opts.RawKeys {
		return rawKey(token)
	}
	return storedKey(s.cookie, token)
}

// Close stops the cleanup, waits for the operations under way, and releases
// what the store holds on the database; with [Options.OwnDB] it closes the
// database. Operations that come later give [session.ErrClosed]. Closing again
// does nothing.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *Store) close() error {
	s.db.Close()
	if !s.opts.OwnDB {
		return nil
	}
	// The writer comes last: the last connection to an SQLite database moves
	// its write-ahead log into it, which a reader cannot do.
	var err error
	if s.opts.Reader != s.db.Pool {
		err = s.opts.Reader.Close()
	}
	err = errors.Join(err, s.db.Pool.Close())
	if err != nil && s.dialect == SQLite {
		return fmt.Errorf("dbstore: close: %w", err)
	}
	return nil // a connection to a server that could not be closed was broken
}

// Load implements [session.SessionStore] with one query, or none for a token
// that cannot exist. A row whose session_data cannot be decoded gives
// [session.ErrInvalidToken].
func (s *Store) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := s.db.Begin(); err != nil {
		return nil, err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return nil, session.ErrInvalidToken
	}
	row, err := s.read(ctx, s.load, key)
	if err != nil {
		return nil, s.readFailure(ctx, "load", err)
	}
	if !time.Now().Before(row.expires) {
		return nil, session.ErrExpired
	}
	rec := &session.Record{Expires: row.expires, Version: row.text}
	if s.opts.Encoding == nil {
		rec.Data = []byte(row.text)
	} else if rec.Data, err = s.opts.Encoding.Decode(row.text); err != nil {
		if errors.Is(err, session.ErrMisuse) {
			return nil, err
		}
		return nil, fmt.Errorf("dbstore: load: decode: %w: %w", session.ErrInvalidToken, err)
	}
	return rec, nil
}

// readFailure is failure for what read returns.
func (s *Store) readFailure(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.ErrNotFound
	case errors.Is(err, errUnreadable):
		return fmt.Errorf("dbstore: %s: %w: %w", op, session.ErrInvalidToken, errUnreadable)
	}
	return s.db.Failure(ctx, op, err)
}

// Save implements [session.SessionStore] with one statement: an INSERT for an
// empty token, otherwise an UPDATE of the row whose session_data is still
// rec.Version. If there is no such row, a query follows that tells
// [session.ErrConflict] from [session.ErrGone]. A session that has expired is
// gone, cleaned up or not.
//
// An error that comes of the context's end, or of a broken connection, does not
// tell whether the session was saved; see the package documentation.
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if token == "" {
		return s.create(ctx, "save", rec)
	}
	if err := s.db.Begin(); err != nil {
		return "", err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return "", session.ErrGone
	}
	text, err := s.encode(rec.Data)
	if err != nil {
		return "", s.db.Failure(ctx, "save", err)
	}
	if err := s.noteOwner(ctx, key, rec); err != nil {
		return "", s.db.Failure(ctx, "save", err)
	}
	expires := s.timeArg(rec.Expires)
	text, err = s.withText(text, func(text string) error {
		return settle(func() error {
			n, err := s.db.Exec(ctx, s.update, text, expires, key, rec.Version, s.now())
			if err == nil && n == 0 {
				err = s.whyUnchanged(ctx, key, rec.Version, text, clamp(rec.Expires))
			}
			return err
		})
	})
	if err != nil {
		s.forgetGone(ctx, key, err)
		return "", s.writeFailure(ctx, "save", err, len(text), len(text)+len(rec.Version))
	}
	rec.Version = text
	return token, nil
}

// Renew implements [session.SessionStore]: Save, with a new key put in the
// place of the old one by the same UPDATE, so that no moment has both or
// neither.
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if token == "" {
		return s.create(ctx, "renew", rec)
	}
	if err := s.db.Begin(); err != nil {
		return "", err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return "", session.ErrGone
	}
	text, err := s.encode(rec.Data)
	if err != nil {
		return "", s.db.Failure(ctx, "renew", err)
	}
	var newToken string
	text, err = s.withText(text, func(text string) error {
		var err error
		newToken, err = s.withNewToken(func(newKey string) error {
			return settle(func() error { return s.renewAs(ctx, newKey, key, text, rec) })
		})
		return err
	})
	if err != nil {
		return "", s.writeFailure(ctx, "renew", err, len(text), len(text)+len(rec.Version))
	}
	rec.Version = text
	return newToken, nil
}

// Touch implements [session.Toucher]: Save without session_data.
func (s *Store) Touch(ctx context.Context, token string, rec *session.Record) error {
	if err := s.db.Begin(); err != nil {
		return err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return session.ErrGone
	}
	if err := s.noteOwner(ctx, key, rec); err != nil {
		return s.db.Failure(ctx, "touch", err)
	}
	err := settle(func() error {
		n, err := s.db.Exec(ctx, s.touch, s.timeArg(rec.Expires), key, rec.Version, s.now())
		if err == nil && n == 0 {
			err = s.whyUnchanged(ctx, key, rec.Version, rec.Version, clamp(rec.Expires))
		}
		return err
	})
	if err != nil {
		s.forgetGone(ctx, key, err)
		return s.writeFailure(ctx, "touch", err, len(rec.Version), len(rec.Version))
	}
	return nil
}

// Delete implements [session.SessionStore] with one statement, or none for a
// token that cannot exist.
func (s *Store) Delete(ctx context.Context, token string) error {
	if err := s.db.Begin(); err != nil {
		return err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return nil
	}
	if _, err := s.db.Exec(ctx, s.delete, key); err != nil {
		return s.db.Failure(ctx, "delete", err)
	}
	s.forgetOwner(ctx, key)
	return nil
}

// DeleteUnchanged implements [session.UnchangedDeleter] with one statement.
func (s *Store) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if err := s.db.Begin(); err != nil {
		return err
	}
	defer s.db.End()
	key, ok := s.key(token)
	if !ok {
		return session.ErrGone
	}
	err := settle(func() error {
		n, err := s.db.Exec(ctx, s.deleteUnchanged, key, rec.Version, s.now())
		if err == nil && n == 0 {
			err = s.whyUnchanged(ctx, key, rec.Version, "", time.Time{})
		}
		return err
	})
	if err != nil {
		return s.writeFailure(ctx, "delete", err, len(rec.Version), len(rec.Version))
	}
	s.forgetOwner(ctx, key)
	return nil
}

func (s *Store) create(ctx context.Context, op string, rec *session.Record) (string, error) {
	if err := s.db.Begin(); err != nil {
		return "", err
	}
	defer s.db.End()
	text, err := s.encode(rec.Data)
	if err != nil {
		return "", s.db.Failure(ctx, op, err)
	}
	var token string
	text, err = s.withText(text, func(text string) error {
		var err error
		token, err = s.withNewToken(func(key string) error {
			if err := s.noteOwner(ctx, key, rec); err != nil {
				return err
			}
			_, err := s.db.Exec(ctx, s.insert, key, text, s.timeArg(rec.Expires))
			return err
		})
		return err
	})
	if err != nil {
		return "", s.writeFailure(ctx, op, err, len(text), len(text))
	}
	rec.Version = text
	return token, nil
}

// withNewToken calls store with the key of a fresh token, and again with
// another one should that key be taken.
func (s *Store) withNewToken(store func(key string) error) (string, error) {
	var err error
	for range 3 {
		token := newToken()
		key, _ := s.key(token)
		if err = store(key); err == nil {
			return token, nil
		}
		if class, _ := sqlkit.Classify(s.dialect, err); class != sqlkit.Duplicate {
			break
		}
	}
	return "", err
}

// whyUnchanged tells why an update changed no row: the session is gone or, by this
// machine's clock, has expired, or its data is not version any more.
//
// MySQL without clientFoundRows also reports no row for an update that put the
// values there that were there already; that one was made, and gives nil.
func (s *shared) whyUnchanged(ctx context.Context, key, version, text string, expires time.Time) error {
	row, err := s.read(ctx, s.current, key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.ErrGone
	case errors.Is(err, errUnreadable):
		return session.ErrConflict
	case err != nil:
		return err
	case !time.Now().Before(row.expires):
		return session.ErrExpired
	case s.dialect == MySQL && row.text == version && row.text == text && row.expires.Equal(expires):
		return nil
	case row.text == version:
		return errSame
	}
	return session.ErrConflict
}

// row is what the table holds of a session.
type row struct {
	text    string
	expires time.Time
}

// read returns the row that st finds under key, or sql.ErrNoRows.
func (s *shared) read(ctx context.Context, st *sqlkit.Statement, key string) (row, error) {
	found, err := sqlkit.Collect(ctx, s.db, st, []any{key}, func(rows *sql.Rows) (r row, err error) {
		expires := s.dbTime()
		err = rows.Scan(&r.text, &expires)
		r.expires = expires.Time
		if err == nil && r.expires.IsZero() {
			err = errUnreadable
		}
		return r, err
	})
	if err == nil && len(found) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return row{}, err
	}
	return found[0], nil
}

// errSame says that a row was not changed although it holds what was read from
// it before.
var errSame = errors.New("the row does not compare equal to what was read from it; look at the types of the table's" +
	" columns")

// settle runs a write that whyUnchanged explains, and again if it ends with
// errSame: another request may have changed the session and changed it back in
// between. That it happens again and again is no conflict, which could be solved
// by loading the session, but a table that the statements do not work on.
func settle(write func() error) error {
	var err error
	for range 3 {
		if err = write(); err != errSame {
			break
		}
	}
	return err
}

// writeFailure is failure for what whyUnchanged may have returned. size is that of
// the session, and sent what the statement carried: a change sends what was read,
// too.
func (s *Store) writeFailure(ctx context.Context, op string, err error, size, sent int) error {
	switch err {
	case session.ErrExpired:
		return session.ErrGone
	case session.ErrGone, session.ErrConflict:
		return err
	}
	class, text := sqlkit.Classify(s.dialect, err)
	if class == sqlkit.Lost && s.tooLongToSend(ctx, sent) { // the server has cut the connection
		class, text = sqlkit.TooLarge, "max_allowed_packet"
	}
	if class == sqlkit.TooLarge {
		tooLarge := &session.TooLargeError{Size: size, Limit: min(s.opts.MaxBytes, max(size-1, 0))}
		return fmt.Errorf("dbstore: %s: %w: the database has a lower limit (%s)", op, tooLarge, text)
	}
	return s.db.Failure(ctx, op, err)
}

// tooLongToSend reports whether MySQL's server refuses to read a statement with a
// text of that many bytes. It does not say so if the text is far too long, but
// closes the connection.
func (s *Store) tooLongToSend(ctx context.Context, size int) bool {
	if s.dialect != MySQL || size < 1<<10 {
		return false
	}
	limit, err := sqlkit.Value[int](ctx, s.db, s.db.Once("SELECT @@max_allowed_packet"))
	return err == nil && size >= limit
}

// withText calls store with a text for session_data, and if a character of it
// does not fit into the column, again with the JSON in ASCII, which means the
// same. It returns the text that was stored.
func (s *Store) withText(text string, store func(text string) error) (string, error) {
	if s.ascii.Load() {
		text = s.inASCII(text)
	}
	err := store(text)
	if err == nil {
		return text, nil
	}
	if class, _ := sqlkit.Classify(s.dialect, err); class == sqlkit.NoCharacter {
		if ascii := s.inASCII(text); ascii != text {
			if err = store(ascii); err == nil {
				s.ascii.Store(true)
			}
			return ascii, err
		}
	}
	return text, err
}

// inASCII writes the characters of a session's JSON that are not in ASCII as
// escapes (RFC 8259, section 7). What is not JSON stays as it is.
func (s *Store) inASCII(text string) string {
	if s.opts.Encoding != nil || strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 ||
		!json.Valid([]byte(text)) {
		return text
	}
	b := make([]byte, 0, len(text)+len(text)/2)
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return string(b)
}

func (s *Store) encode(data []byte) (string, error) {
	if len(data) > s.opts.MaxBytes {
		return "", &session.TooLargeError{Size: len(data), Limit: s.opts.MaxBytes}
	}
	if s.opts.Encoding == nil {
		return string(data), nil
	}
	return s.opts.Encoding.Encode(data)
}

// now is the present as an argument of a statement. The clock is this
// process's: databases have clocks of their own, and time zones.
func (s *shared) now() any { return s.timeArg(time.Now()) }

func (s *shared) timeArg(t time.Time) any { return timeArg(s.dialect, t, s.opts.TimeZone) }

func (s *shared) dbTime() dbTime { return dbTime{zone: s.opts.TimeZone} }
