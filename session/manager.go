package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Options set up a [Manager]. The zero value is secure and is what most sites
// want.
type Options struct {
	Cookie CookieOptions

	// Strict is for sites that have to pass a security review. NewManager then
	// refuses what OWASP ASVS 5.0 and NIST SP 800-63B-4 do not allow, and asks for
	// what it cannot know:
	//
	//   - the cookie is [StrictCookieName], or has another name that begins with
	//     "__Host-"; it is Secure and HttpOnly, and SameSite is Lax or Strict;
	//   - IdleTimeout and AbsoluteTimeout are set, the latter to at most
	//     [MaxStrictAbsoluteTimeout];
	//   - the engine's tokens cannot be read by their holders, and a logout ends
	//     the session for whoever has a copy: see [Traits];
	//   - other sites' requests are refused, as CrossOrigin says; nil stands for
	//     [http.NewCrossOriginProtection];
	//   - responses of a session that has an owner, or whose visitor is
	//     authenticated, are Cache-Control: no-store, whatever the handler says.
	//
	// ASVS.md says what is left to the application.
	Strict bool

	// InsecureAllowEndless lets Strict take an engine in cookies that cannot end a
	// session: after the logout, a copy of the cookie works until the session's time
	// is over.
	InsecureAllowEndless bool

	// CrossOrigin, unless nil, refuses what other sites have browsers do: requests
	// with other methods than GET, HEAD and OPTIONS are answered by ErrorHandler
	// with [ErrCrossOrigin] if they come from another origin. Trusted origins are
	// its to say; a handler set with its SetDenyHandler is not called. What changes
	// something at a GET is not protected, and a WebSocket begins with one: look at
	// its Origin.
	CrossOrigin *http.CrossOriginProtection

	// ClearSiteData is what the browser is told to forget at a logout
	// ([Session.Flush]), besides the cookie, with the header field Clear-Site-Data:
	// "cache" and "storage", for example. Some browsers take seconds for "cache".
	// "cookies" takes those of all hosts of the site's domain.
	ClearSiteData []string

	// OwnerChange says what happens to a session that is saved with another owner
	// and was not renewed; the zero value renews it.
	OwnerChange OwnerChange

	// SessionsPerOwner, if it is set, is how many sessions an owner has at most, and
	// BeyondLimit what happens when another one begins; the zero value ends the
	// oldest one. The limit is looked at when a session is given an owner. It needs
	// an engine that lists the sessions of an owner: see [OwnerLister].
	SessionsPerOwner int
	BeyondLimit      BeyondLimit

	// Lifetime is how long a session lives after it was last saved, that is,
	// after its last change; 0 means two weeks. [Session.SetExpiry] and
	// [Session.SetExpiryTime] override it for one session.
	Lifetime time.Duration

	// IdleTimeout, if it is set, takes the place of Lifetime, and every request
	// that loads the session restarts it, changed or not. To save writes,
	// the expiry is written only when RenewAfter has gone by since it was
	// written last, so a session can end that much before its idle time is
	// over.
	//
	// An engine in cookies extends a session by sending it again as the request
	// loaded it. If a request beside it changes the session or logs out, and is
	// answered before, the browser goes back to the old state. That can happen
	// once in RenewAfter, so make it long. Logouts hold with package revocation;
	// engines in databases extend a session without writing its data.
	IdleTimeout time.Duration

	// RenewAfter belongs to IdleTimeout and, with engines that extend a session
	// by writing all of it, as those in cookies, to SaveEveryRequest. 0 means a
	// tenth of the session's life. It is at most half of the session's life.
	RenewAfter time.Duration

	// AbsoluteTimeout, if it is set, ends a session so long after its creation,
	// however busy it is. It is enforced by the server, with every engine, and
	// together with the other limits: the first one that is reached counts.
	AbsoluteTimeout time.Duration

	// ExpireAtBrowserClose sends the cookie without a life span, unless a
	// session has an expiry of its own. See [Session.ExpireAtBrowserClose].
	ExpireAtBrowserClose bool

	// SaveEveryRequest extends a session's life with every request that loads
	// it, as IdleTimeout does, and without waiting for RenewAfter. It costs a
	// write and a Set-Cookie per request. Requests that do not load the session
	// never touch it. Engines in cookies do wait for RenewAfter, since what
	// IdleTimeout says of them could happen with every request otherwise.
	SaveEveryRequest bool

	// Conflict says what happens when two requests change one session at the
	// same time, with an engine that notices; engines in cookies do not, and the
	// response that the browser gets last wins. The zero value keeps the changes
	// of both.
	Conflict ConflictPolicy

	// CommitTimeout bounds the time that saving a session may take, conflicts
	// included; 0 means 5 seconds. It runs even if the client goes away.
	CommitTimeout time.Duration

	// ErrorHandler answers a request whose session could not be loaded or
	// saved, in the place of the handler's own response, not one byte or header
	// field of which is sent: the header is as it was when the Manager got the
	// request, and Cache-Control is no-store. Fields that error responses need
	// as well, for CORS for example, are set by middleware around the Manager.
	// nil means a short text with the status of [ErrorStatus].
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Guard, unless nil, watches over sessions that are bound to something besides
	// their cookie. Package dbsc has one.
	Guard Guard

	// Logger gets one line for what an operator should know: cookies that
	// cannot be read, failures of the store, changes that came too late. No
	// line contains a token, or a key or value of a session. nil means
	// [slog.Default] at the time of NewManager; slog.New(slog.DiscardHandler) is
	// silent.
	Logger *slog.Logger
}

// ConflictPolicy says what to do when a session that was loaded has been
// changed by another request before it is saved.
type ConflictPolicy int

const (
	// MergeChanges makes this request's changes again in the newer state, so
	// that requests which change different keys all keep their changes. When
	// they change the same key, the last one counts.
	MergeChanges ConflictPolicy = iota

	// LastWriteWins overwrites the newer state.
	LastWriteWins

	// FailOnConflict ends the request in the error handler, with [ErrConflict].
	FailOnConflict
)

// Defaults of [Options].
const (
	defaultLifetime      = 14 * 24 * time.Hour
	defaultCommitTimeout = 5 * time.Second
)

// Manager is the middleware that gives each request its session and saves it.
// It is safe for concurrent use.
type Manager struct {
	store  SessionStore
	opts   Options
	cookie http.Cookie // the template of every cookie
	life   time.Duration
	log    *slog.Logger

	deletions []string // Set-Cookie lines for the cookie's former scopes

	clearSiteData string // the header field at a logout, or ""

	extends bool // requests that change nothing may have to write too
}

// NewManager returns a Manager that keeps sessions in store. It checks the
// options; an error says what to change.
func NewManager(store SessionStore, opts Options) (*Manager, error) {
	if store == nil {
		return nil, errors.New("session: NewManager needs a store; see packages signedcookie and dbstore")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Lifetime", opts.Lifetime},
		{"IdleTimeout", opts.IdleTimeout},
		{"RenewAfter", opts.RenewAfter},
		{"AbsoluteTimeout", opts.AbsoluteTimeout},
		{"CommitTimeout", opts.CommitTimeout},
	} {
		if d.value < 0 {
			return nil, fmt.Errorf("session: Options.%s is negative: %v", d.name, d.value)
		}
		if d.value > 0 && d.value < time.Second && d.name != "RenewAfter" && d.name != "CommitTimeout" {
			return nil, fmt.Errorf("session: Options.%s is %v; sessions are timed in whole seconds", d.name, d.value)
		}
		if d.value > maxLife*time.Second {
			return nil, fmt.Errorf("session: Options.%s is %v, more than a hundred years", d.name, d.value)
		}
	}
	if opts.RenewAfter > 0 && opts.IdleTimeout == 0 && !opts.SaveEveryRequest {
		return nil, errors.New("session: Options.RenewAfter needs IdleTimeout or SaveEveryRequest")
	}
	if opts.RenewAfter > 0 && opts.IdleTimeout > 0 && opts.RenewAfter >= opts.IdleTimeout {
		return nil, fmt.Errorf("session: Options.RenewAfter (%v) is not below IdleTimeout (%v): "+
			"sessions in use would end", opts.RenewAfter, opts.IdleTimeout)
	}
	if opts.Conflict < MergeChanges || opts.Conflict > FailOnConflict {
		return nil, fmt.Errorf("session: unknown Options.Conflict %d", opts.Conflict)
	}
	if opts.InsecureAllowEndless && !opts.Strict {
		return nil, errors.New("session: Options.InsecureAllowEndless needs Strict")
	}
	if opts.Strict {
		if err := opts.strict(); err != nil {
			return nil, err
		}
	}
	if err := opts.checkRest(); err != nil {
		return nil, err
	}
	cookie, err := opts.Cookie.template()
	if err != nil {
		return nil, err
	}
	deletions, err := opts.Cookie.deletions()
	if err != nil {
		return nil, err
	}
	if opts.Cookie.Choice < NewestSession || opts.Cookie.Choice > LastCookie {
		return nil, fmt.Errorf("session: unknown Options.Cookie.Choice %d", opts.Cookie.Choice)
	}
	if store, err = ForCookie(store, cookie.Name); err != nil {
		return nil, fmt.Errorf("session: the store refuses the cookie's name: %w", err)
	}
	if err := opts.checkEngine(store); err != nil {
		return nil, err
	}
	m := &Manager{store: store, opts: opts, cookie: cookie, deletions: deletions, log: opts.Logger,
		clearSiteData: clearSiteData(opts.ClearSiteData)}
	m.life = opts.IdleTimeout
	if m.life == 0 {
		m.life = opts.Lifetime
	}
	if m.life == 0 {
		m.life = defaultLifetime
	}
	m.extends = opts.IdleTimeout > 0 || opts.AbsoluteTimeout > 0 || opts.SaveEveryRequest
	if m.opts.CommitTimeout == 0 {
		m.opts.CommitTimeout = defaultCommitTimeout
	}
	if m.opts.ErrorHandler == nil {
		m.opts.ErrorHandler = defaultErrorHandler
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	m.warnOfLongLives()
	return m, nil
}

// Handler returns a handler that gives next's requests their session, to be had
// with [Load], and saves it before the first byte of the response. A request
// whose handler does not load the session costs no call of the store and gets
// no header.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.isAround(r) {
			next.ServeHTTP(w, r)
			return
		}
		if m.refuses(w, r) {
			return
		}
		m.serve(next, w, r)
	})
}

// Load returns the session of the request, from the store if this is the first
// call in it. A visitor without a session, or with a cookie that cannot be read
// or has expired, has an empty one. The error is a failure of the store or
// [ErrNoMiddleware], and the session is nil with it: an empty one would show a
// visitor who is logged in as one who is not. A handler that gets an error need only
// return; if nothing has been written but a status of 200 without a body, as some
// frameworks do after their handlers, Options.ErrorHandler answers.
//
// With several Managers around a handler it is the innermost one's session; see
// [Manager.Load].
func Load(r *http.Request) (*Session, error) { return FromContext(r.Context()) }

// FromContext is [Load] for code that has no request at hand; ctx is a
// request's context or derived from it.
func FromContext(ctx context.Context) (*Session, error) {
	req, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return nil, ErrNoMiddleware
	}
	return req.load(ctx)
}

// Load is the package's [Load] for the session of this Manager, where a handler
// has several around it.
func (m *Manager) Load(r *http.Request) (*Session, error) {
	req, err := m.request(r.Context())
	if err != nil {
		return nil, err
	}
	return req.load(r.Context())
}

// End is [Session.Flush] for a handler that does not need the session, such as
// a logout: it saves loading it. The error is [ErrNoMiddleware], or
// [ErrHeadersSent] when the browser can no longer be told: until the handler
// returns, the session is still ended where the engine can, and after that
// nothing is done. A failure of the store is answered by Options.ErrorHandler
// when the response begins.
func End(r *http.Request) error {
	req, ok := r.Context().Value(requestKey{}).(*request)
	if !ok {
		return ErrNoMiddleware
	}
	return req.end()
}

// End is the package's [End] for the session of this Manager, where a handler
// has several around it.
func (m *Manager) End(r *http.Request) error {
	req, err := m.request(r.Context())
	if err != nil {
		return err
	}
	return req.end()
}

// request finds what the Manager knows of the request of a context.
func (m *Manager) request(ctx context.Context) (*request, error) {
	req, ok := ctx.Value(requestKey{}).(*request)
	for ok && req.m != m {
		req, ok = req.Context.Value(requestKey{}).(*request)
	}
	if !ok {
		return nil, ErrNoMiddleware
	}
	return req, nil
}

// ErrorStatus returns the HTTP status that fits an error of the middleware: 400
// for [ErrGone] (as in Django's SessionInterrupted: the visitor should sign in
// again), 403 for [ErrCrossOrigin] and [ErrTooManySessions], 409 for [ErrConflict],
// 500 for a session that is too large and for mistakes of the application
// ([ErrMisuse], [ErrReservedKey], [ErrNoMiddleware], [ErrHeadersSent], a
// [*ValueError]), and 503 for everything else, which is a failure of the store.
func ErrorStatus(err error) int {
	var tooLarge *TooLargeError
	var value *ValueError
	switch {
	case errors.Is(err, ErrGone):
		return http.StatusBadRequest
	case errors.Is(err, ErrCrossOrigin), errors.Is(err, ErrTooManySessions):
		return http.StatusForbidden
	case errors.Is(err, ErrConflict):
		return http.StatusConflict
	case errors.As(err, &tooLarge), errors.As(err, &value), errors.Is(err, ErrReservedKey),
		errors.Is(err, ErrHeadersSent), errors.Is(err, ErrNoMiddleware), errors.Is(err, ErrMisuse):
		return http.StatusInternalServerError
	default:
		return http.StatusServiceUnavailable
	}
}

func defaultErrorHandler(w http.ResponseWriter, r *http.Request, err error) {
	status := ErrorStatus(err)
	text := http.StatusText(status)
	switch status {
	case http.StatusBadRequest:
		text = "Your session ended while this request was running. Please sign in again."
	case http.StatusConflict:
		text = "Your session was changed by another request. Please try again."
	case http.StatusServiceUnavailable:
		text = "Sessions are not available at the moment. Please try again."
	}
	http.Error(w, text, status)
}
