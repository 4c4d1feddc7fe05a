package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// StrictCookieName is the name of the cookie with Options.Strict, unless
// [CookieOptions] has another one.
const StrictCookieName = "__Host-sessionid"

// Bounds of Options.Strict.
const (
	// MaxStrictAbsoluteTimeout is what NIST SP 800-63B-4, section 2.1.3, wants
	// sessions to be shorter than even where little is at stake.
	MaxStrictAbsoluteTimeout = 30 * 24 * time.Hour

	// maxCookieAge is how long browsers keep a cookie at most, whatever Max-Age says
	// (draft-ietf-httpbis-rfc6265bis, section 5.5).
	maxCookieAge = 400 * 24 * time.Hour
)

// ErrCrossOrigin says that a request comes from another site, and may change
// something: see Options.CrossOrigin. [ErrorStatus] makes it 403.
var ErrCrossOrigin = errors.New("session: the request comes from another site")

// strict checks the options by the rules of Options.Strict, and fills in what
// follows from it. The store is the one that is bound to the cookie's name.
func (o *Options) strict() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("session: Options.Strict "+format, args...)
	}
	c := &o.Cookie
	if c.Name == "" {
		c.Name = StrictCookieName
	}
	switch {
	case c.InsecureAllowHTTP, c.InsecureAllowScript:
		return fail("allows no Insecure option of the cookie; browsers take secure cookies from http://localhost, too")
	case !hasPrefixFold(c.Name, "__Host-"):
		return fail(`needs a name with the prefix "__Host-", and Cookie.Name is %q`, c.Name)
	case c.SameSite == http.SameSiteNoneMode:
		return fail("needs Cookie.SameSite to be Lax or Strict")
	case o.AbsoluteTimeout == 0:
		return fail("needs AbsoluteTimeout: how long a login lasts at most, %v for example", 12*time.Hour)
	case o.AbsoluteTimeout > MaxStrictAbsoluteTimeout:
		return fail("needs an AbsoluteTimeout of at most %v, and it is %v", MaxStrictAbsoluteTimeout, o.AbsoluteTimeout)
	case o.IdleTimeout == 0:
		return fail("needs IdleTimeout: after how long without a request a session ends, %v for example", time.Hour)
	case o.IdleTimeout >= o.AbsoluteTimeout:
		return fail("needs an IdleTimeout below AbsoluteTimeout, and they are %v and %v", o.IdleTimeout,
			o.AbsoluteTimeout)
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	return nil
}

// checkEngine returns why the options do not allow for an engine.
func (o *Options) checkEngine(store SessionStore) error {
	t, told := TraitsOf(store)
	if o.Strict {
		switch {
		case !told:
			return errors.New("session: Options.Strict needs an engine that says whether its tokens can be read, and " +
				"whether it ends sessions: see TraitsTeller")
		case t.Readable:
			return errors.New("session: Options.Strict refuses this engine: whoever holds a token of it can read the " +
				"session, or nothing is said of that, see TraitsTeller; of package signedcookie use the scheme Sealed")
		case !t.Ends && !o.InsecureAllowEndless:
			return errors.New("session: Options.Strict refuses this engine: a copy of a token works after the logout; " +
				"put package revocation around it, use an engine on the server, or set InsecureAllowEndless")
		}
	}
	if o.SessionsPerOwner > 0 && !t.ListsOwners {
		return unsupported("list the sessions of an owner, which Options.SessionsPerOwner needs; dbstore and redisstore " +
			"can with Options.Owners")
	}
	return nil
}

// checkRest checks the options that belong to the life of a login.
func (o *Options) checkRest() error {
	switch {
	case o.SessionsPerOwner < 0 || o.SessionsPerOwner >= MaxSessions:
		return fmt.Errorf("session: Options.SessionsPerOwner is %d, and has to be between 1 and %d, or 0 for no limit",
			o.SessionsPerOwner, MaxSessions-1)
	case o.BeyondLimit < EndOldestSession || o.BeyondLimit > RefuseNewSession:
		return fmt.Errorf("session: unknown Options.BeyondLimit %d", o.BeyondLimit)
	case o.OwnerChange < RenewOnOwnerChange || o.OwnerChange > RefuseOwnerChange:
		return fmt.Errorf("session: unknown Options.OwnerChange %d", o.OwnerChange)
	}
	for _, what := range o.ClearSiteData {
		if !slices.Contains([]string{"cache", "cookies", "storage", "executionContexts", "clientHints", "prefetchCache",
			"prerenderCache", "*"}, what) {
			return fmt.Errorf(`session: Options.ClearSiteData has %q in it, which browsers do not know; "cache" and `+
				`"storage" are what most sites want`, what)
		}
	}
	return nil
}

// warnOfLongLives logs a life that browsers do not give to cookies. It is no error:
// the session ends earlier, and each save of it begins those 400 days again.
func (m *Manager) warnOfLongLives() {
	if m.life > maxCookieAge && !m.opts.ExpireAtBrowserClose {
		m.log.Warn("session: browsers forget a cookie after 400 days, whatever Lifetime and IdleTimeout say",
			slog.Duration("life", m.life))
	}
}

// clearSiteData is the header field of that name (W3C, Clear Site Data, section
// 3.1), or "".
func clearSiteData(what []string) string {
	if len(what) == 0 {
		return ""
	}
	return `"` + strings.Join(what, `", "`) + `"`
}

// refuses answers a request that comes from another site, if it is to be refused.
func (m *Manager) refuses(w http.ResponseWriter, r *http.Request) bool {
	if m.opts.CrossOrigin == nil || m.opts.CrossOrigin.Check(r) == nil {
		return false
	}
	m.log.LogAttrs(r.Context(), slog.LevelInfo, "session: refused a request from another site",
		slog.String("method", r.Method))
	w.Header().Set("Cache-Control", "no-store")
	m.opts.ErrorHandler(w, r, ErrCrossOrigin)
	return true
}

// forbidStoring keeps a page of somebody who is logged in out of all caches, the
// browser's own included: after the logout, going back must not show it (OWASP ASVS
// 5.0, 14.3.2).
func (s *Session) forbidStoring(h http.Header, loggedOut bool) {
	if s.m.opts.Strict && (s.wasOwned || loggedOut || s.owned()) {
		takeField(h, "Cache-Control")
		deleteTargeted(h)
		h["Cache-Control"] = []string{"no-store"}
	}
}

// owned reports whether the session is of somebody who is logged in, as far as it
// knows.
func (s *Session) owned() bool {
	_, owner := s.obj.get(ownerKey)
	_, auth := s.obj.get(authKey)
	return owner || auth
}
