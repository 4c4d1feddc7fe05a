package dbsc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sessionengine/internal/secrets"
	"sessionengine/session"
)

// MaxLife is the longest life of a bound cookie, and its default: for so long a
// copy of it is of use.
const MaxLife = 5 * time.Minute

// Defaults of [Options].
const (
	DefaultPath       = "/dbsc"
	DefaultCookieName = "__Host-dbsc"
)

// How long what the server hands out is good for.
const (
	// challengeLife is how old a challenge of a refresh may be. A browser signs it
	// at once; a security chip may take some seconds.
	challengeLife = time.Minute

	// offerLife is how long a registration may take, and how long a browser that
	// has not registered is not asked again. Chromium registers once in nine
	// minutes.
	offerLife = 10 * time.Minute

	// overtakenLife is how old an offer may be whose cookie is taken for the bound
	// one: longer than a browser registers, and requests last that it sent before.
	overtakenLife = time.Minute

	// clockSlack is by how much the clocks of a site's nodes may differ.
	clockSlack = time.Minute
)

// Options configure a [Binder]. The zero value has the default of every field.
type Options struct {
	// FallbackSecrets are secrets that are still accepted, or already, while they
	// are exchanged. What was signed with one that is no longer given is refused
	// as an expired cookie would be: the browser gets another by itself.
	FallbackSecrets [][]byte

	// Context is the site, or the part of one, that cookies and challenges are
	// for: two with the same secret and different contexts refuse each other's. It
	// can be any text, and is no secret.
	Context string

	// Path is where the two endpoints are, Path/register and Path/refresh, as the
	// browser knows it; "" means [DefaultPath]. Nothing else may be there.
	Path string

	// CookieName is the name of the bound cookie, "" means [DefaultCookieName]. Two
	// Binders of one host need two names.
	CookieName string

	// Life is how long a bound cookie lives, [MaxLife] at most, in whole seconds; 0
	// means MaxLife. Chromium begins to refresh two minutes before the end, and
	// refreshes five times in nine minutes at most: with a life below four minutes
	// a busy visitor may be refused for a while.
	Life time.Duration

	// Exclude are parts of the site whose requests need no bound cookie, such as
	// "/static": browsers do not hold them up for a refresh. A path stands for
	// itself and what is below it. What is served there sees no bound session
	// while the cookie is stale.
	Exclude []string

	// User returns who is logged in, "" for nobody; nil means
	// [session.Session.Owner]. Only sessions of a user are bound, and a session
	// whose user changes is bound anew. It is called by several goroutines at
	// once, with the session of the request that it runs in.
	User func(s *session.Session) string

	// Refuse answers what [Binder.RequireBound] refuses; nil means a short text
	// with status 403.
	Refuse http.Handler

	// Observe, unless nil, is told what happens, for metrics. It is called by
	// several goroutines at once, and must not ask for the session.
	Observe func(ctx context.Context, e Event)

	// Logger gets a line for what an operator should know: proofs that are
	// refused, and sessions that come without one. No line contains an id, a key,
	// a proof or a cookie. nil means [slog.Default] at the time of New.
	Logger *slog.Logger
}

// Event is something that happened to a bound session, or to one that might be.
type Event struct {
	Kind   EventKind
	Reason string // of a Refused or Skipped, one of a few fixed texts
}

// EventKind is what happened.
type EventKind string

// Kinds of events.
const (
	Offered    EventKind = "offered"    // a response asks the browser to register
	Registered EventKind = "registered" // a session is bound
	Challenged EventKind = "challenged" // a refresh began
	Refreshed  EventKind = "refreshed"  // a browser proved that it has the key
	Refused    EventKind = "refused"    // a registration or a refresh failed
	Ended      EventKind = "ended"      // a refresh for a session that is no more
	Unproven   EventKind = "unproven"   // a bound session came without a fresh cookie: was it copied?
	Returned   EventKind = "returned"   // a link from another site was sent around by way of a refresh
	Skipped    EventKind = "skipped"    // a browser says that it could not refresh
)

// Binder binds sessions to devices. It is the [session.Guard] of a Manager, and
// has the endpoints that browsers talk to. It keeps nothing: several processes
// with the same secret and options are one. It is safe for concurrent use.
type Binder struct {
	opts       Options
	macs       *macs
	register   string // paths
	refresh    string
	attributes string // of the bound cookie, as the browser is to compare them
	log        *slog.Logger
}

var _ session.Guard = (*Binder)(nil)

// New returns a Binder whose keys are made from secret, which is at least 32
// random bytes. It may be the secret of package signedcookie: the keys that are
// made of it are others. New keeps no reference to the secrets.
func New(secret []byte, opts Options) (*Binder, error) {
	if opts.Path == "" {
		opts.Path = DefaultPath
	}
	if opts.CookieName == "" {
		opts.CookieName = DefaultCookieName
	}
	if opts.Life == 0 {
		opts.Life = MaxLife
	}
	if opts.User == nil {
		opts.User = (*session.Session).Owner
	}
	if opts.Refuse == nil {
		opts.Refuse = http.HandlerFunc(refuse)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	switch {
	case opts.Life < time.Second || opts.Life > MaxLife || opts.Life%time.Second != 0:
		return nil, fmt.Errorf("dbsc: Options.Life is %v, and has to be between a second and %v, in whole seconds",
			opts.Life, MaxLife)
	case !strings.HasPrefix(opts.Path, "/") || strings.HasSuffix(opts.Path, "/") || notPlain(opts.Path):
		return nil, fmt.Errorf(`dbsc: Options.Path is %q, and has to begin with "/", and not to end with it, `+
			`and to be plain`, opts.Path)
	case !strings.HasPrefix(opts.CookieName, "__Host-") && !strings.HasPrefix(opts.CookieName, "__Secure-"):
		return nil, fmt.Errorf("dbsc: Options.CookieName is %q, and has to begin with __Host- or __Secure-",
			opts.CookieName)
	}
	for _, path := range opts.Exclude {
		if !strings.HasPrefix(path, "/") || path == "/" {
			return nil, fmt.Errorf(`dbsc: Options.Exclude has %q, which does not begin with "/", or is all of the site`, path)
		}
	}
	cookie := http.Cookie{Name: opts.CookieName, Value: "x", Path: "/"}
	if err := cookie.Valid(); err != nil {
		return nil, fmt.Errorf("dbsc: Options.CookieName: %w", err)
	}
	var all [][]byte
	for i, secret := range append([][]byte{secret}, opts.FallbackSecrets...) {
		secret = secrets.Trim(secret)
		if reason := secrets.Weakness(secret); reason != "" {
			what := "the secret"
			if i > 0 {
				what = fmt.Sprintf("Options.FallbackSecrets[%d]", i-1)
			}
			return nil, errors.New("dbsc: " + what + " " + reason + `; make one with "openssl rand -base64 32"`)
		}
		all = append(all, secret)
	}
	// The cookie's name has no zero byte in it.
	macs, err := newMACs(all, "sessionengine dbsc v1\x00"+opts.CookieName+"\x00"+opts.Context)
	if err != nil {
		return nil, fmt.Errorf("dbsc: %w", err)
	}
	opts.FallbackSecrets = nil
	return &Binder{
		opts:       opts,
		macs:       macs,
		register:   opts.Path + "/register",
		refresh:    opts.Path + "/refresh",
		attributes: "Path=/; Secure; HttpOnly; SameSite=Lax",
		log:        opts.Logger,
	}, nil
}

// notPlain reports whether a path has something in it that would have to be
// escaped in an address or in a header.
func notPlain(path string) bool {
	return strings.ContainsFunc(path, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/-_.~", c))
	})
}

// Format keeps the keys out of what fmt prints, whatever the verb.
func (b Binder) Format(f fmt.State, verb rune) { fmt.Fprint(f, "dbsc.Binder{…}") }

// MarshalText is Format for encoders, such as those of log/slog.
func (b Binder) MarshalText() ([]byte, error) { return []byte("dbsc.Binder{…}"), nil }

// tell tells the observer and the log of an event.
func (b *Binder) tell(ctx context.Context, kind EventKind, reason string) {
	if b.opts.Observe != nil {
		b.opts.Observe(ctx, Event{kind, reason})
	}
	level := slog.LevelDebug
	switch kind {
	case Refused, Unproven, Skipped:
		level = slog.LevelInfo
	}
	if !b.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	b.log.LogAttrs(ctx, level, messages[kind], attrs...)
}

var messages = map[EventKind]string{
	Offered:    "dbsc: a browser was asked to bind a session",
	Registered: "dbsc: a session was bound",
	Challenged: "dbsc: a browser was asked for a proof",
	Refreshed:  "dbsc: a browser proved that it has a session's key",
	Refused:    "dbsc: a proof was refused",
	Ended:      "dbsc: a browser was told that its session has ended",
	Unproven:   "dbsc: a bound session came without a fresh cookie, and was not given out",
	Returned:   "dbsc: a link from another site was sent around by way of a refresh",
	Skipped:    "dbsc: a browser could not refresh a session, and was asked to wait",
}
