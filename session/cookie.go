package session

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"
)

// DefaultCookieName is the name of the cookie unless [CookieOptions] has another
// one. It is Django's.
const DefaultCookieName = "sessionid"

// CookieOptions describe the cookie that carries the token. The zero value is
// the secure default.
type CookieOptions struct {
	// Name is the cookie's name; "" means [DefaultCookieName]. A name that begins with
	// "__Host-" makes browsers refuse the cookie unless this very host set it
	// over HTTPS.
	Name string

	// Path is the part of the site that gets the cookie; "" means "/". It does
	// not keep two parts of a site apart: browsers send the cookie of "/" to
	// "/app" as well, beside that of "/app", so give them different names.
	Path string

	// Domain, if it is set, sends the cookie to all subdomains as well. "" is
	// safer: only the host that set the cookie gets it.
	Domain string

	// SameSite says which requests that come from other sites carry the
	// cookie; 0 means [http.SameSiteLaxMode].
	SameSite http.SameSite

	// Partitioned keeps the cookie of an embedded site apart for each site that
	// embeds it (CHIPS).
	Partitioned bool

	// FormerScopes are other paths and domains that this cookie has had in
	// earlier versions of the site. Browsers go on sending those cookies beside
	// the new one, until they expire. Each response that sets or deletes the
	// session's cookie deletes them as well; scopes can be taken out of the list
	// once the sessions of their time have expired.
	FormerScopes []CookieScope

	// Choice says which session counts when a request brings several cookies of
	// this name; the zero value lets a login win over what was there before it.
	Choice CookieChoice

	// InsecureAllowHTTP leaves the Secure attribute out, so that browsers send
	// the cookie over plain HTTP, where everybody on the way can read and take
	// it. For development without HTTPS; browsers that treat localhost as
	// secure do not need it.
	InsecureAllowHTTP bool

	// InsecureAllowScript leaves the HttpOnly attribute out, so that scripts in
	// the page, injected ones too, can read the token.
	InsecureAllowScript bool
}

// CookieScope is what browsers tell cookies of one name apart by.
type CookieScope struct {
	Path        string // "" means "/"
	Domain      string // "" means only the host that set it
	Partitioned bool
}

// CookieChoice says which session counts when a request brings several cookies
// of the session's name. Browsers do that when their paths or domains differ:
// after one of them was changed, or if another host of the domain sets one. The
// request does not say which is which.
type CookieChoice int

const (
	// NewestSession takes the session that was saved last, of those of the first
	// three cookies. Engines do not tell when that was; it is worked out from
	// the session's expiry and its life, in whole seconds. Where that fails,
	// because the session ends at a fixed time ([Session.SetExpiryTime],
	// Options.AbsoluteTimeout) or the options were changed, or where they were
	// saved in the same second, it is the session of the later cookie.
	//
	// When the session is renewed, as at a login, the others that the request
	// brought are deleted in the store.
	NewestSession CookieChoice = iota

	// LastCookie takes the last cookie and looks at no other, as Django does.
	// It is for sites that share their sessions with Django, so that both see
	// the same visitor.
	LastCookie
)

// scope returns the cookie's scope.
func scope(c *http.Cookie) CookieScope {
	return CookieScope{c.Path, strings.ToLower(strings.TrimPrefix(c.Domain, ".")), c.Partitioned}
}

// deletions returns the Set-Cookie lines that delete the cookies of former
// scopes, or an error that says why there can be none.
func (o CookieOptions) deletions() ([]string, error) {
	var lines []string
	own, err := o.template()
	if err != nil {
		return nil, err
	}
	for _, former := range o.FormerScopes {
		there := o
		there.Path, there.Domain, there.Partitioned = former.Path, former.Domain, former.Partitioned
		c, err := there.template()
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w (in FormerScopes)", err)
		case scope(&c) == scope(&own):
			return nil, errors.New("session: cookie options: FormerScopes has the present scope in it")
		}
		lines = append(lines, deletion(c))
	}
	return lines, nil
}

// deletion returns the Set-Cookie line that makes the browser forget the cookie
// c. It bears all attributes: a browser ignores a cookie with the "__Host-"
// prefix without them, and a Partitioned cookie is another one.
func deletion(c http.Cookie) string {
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	return c.String()
}

// template returns the cookie without a value, or an error that says which rule
// of the browsers (draft-ietf-httpbis-rfc6265bis, sections 4.1.2, 4.1.3 and
// 5.7; the CHIPS draft for Partitioned) the options break: a browser would drop
// the cookie without a word.
func (o CookieOptions) template() (http.Cookie, error) {
	c := http.Cookie{
		Name:        o.Name,
		Path:        o.Path,
		Domain:      o.Domain,
		SameSite:    o.SameSite,
		Partitioned: o.Partitioned,
		Secure:      !o.InsecureAllowHTTP,
		HttpOnly:    !o.InsecureAllowScript,
	}
	if c.Name == "" {
		c.Name = DefaultCookieName
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	fail := func(format string, args ...any) (http.Cookie, error) {
		return http.Cookie{}, fmt.Errorf("session: cookie options: "+format, args...)
	}
	if c.SameSite < http.SameSiteLaxMode || c.SameSite > http.SameSiteNoneMode {
		return fail("unknown SameSite mode %d", c.SameSite)
	}
	if !c.Secure {
		switch {
		case hasPrefixFold(c.Name, "__Secure-"), hasPrefixFold(c.Name, "__Host-"), hasPrefixFold(c.Name, "__Http-"),
			hasPrefixFold(c.Name, "__Host-Http-"):
			return fail("the name %q needs Secure; drop InsecureAllowHTTP or the prefix", c.Name)
		case c.SameSite == http.SameSiteNoneMode:
			return fail("SameSite=None needs Secure; drop InsecureAllowHTTP")
		case c.Partitioned:
			return fail("Partitioned needs Secure; drop InsecureAllowHTTP")
		}
	}
	if hasPrefixFold(c.Name, "__Host-") {
		if c.Path != "/" {
			return fail(`the name %q needs Path "/"`, c.Name)
		}
		if c.Domain != "" {
			return fail("the name %q allows no Domain", c.Name)
		}
	}
	if (hasPrefixFold(c.Name, "__Http-") || hasPrefixFold(c.Name, "__Host-Http-")) && !c.HttpOnly {
		return fail("the name %q needs HttpOnly; drop InsecureAllowScript", c.Name)
	}
	if !strings.HasPrefix(c.Path, "/") {
		return fail(`the path %q does not begin with "/"`, c.Path)
	}
	if len(c.Path) > maxAttributeBytes || len(c.Domain) > maxAttributeBytes {
		return fail("a path or domain of more than %d bytes, which browsers ignore", maxAttributeBytes)
	}
	if err := c.Valid(); err != nil {
		return fail("the name %q, or another attribute: %w", c.Name, err)
	}
	return c, nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// MaxCookieBytes is what browsers store at most of one cookie: its name and
// value together, in bytes (draft-ietf-httpbis-rfc6265bis, section 5.6).
const MaxCookieBytes = 4096

// maxAttributeBytes is how long the value of an attribute may be
// (draft-ietf-httpbis-rfc6265bis, section 5.6).
const maxAttributeBytes = 1024

// maxCookiesTried bounds the work for a request that brings several cookies of
// our name, as browsers do when they were set for different paths or domains.
const maxCookiesTried = 3

// tokens yields the tokens that the request brings and that count, in their
// order in the header: first the one of the longest path (RFC 6265, section
// 5.4).
func (m *Manager) tokens(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		tried, last := 0, ""
		for value := range m.cookieValues(r) {
			if m.opts.Cookie.Choice == LastCookie {
				last = value
			} else if value != "" {
				if tried++; tried > maxCookiesTried || !yield(value) {
					return
				}
			}
		}
		if last != "" {
			yield(last)
		}
	}
}

// cookieValues yields the values of the request's cookies of our name. It reads
// the header itself (RFC 6265, section 4.2.1), since making an http.Cookie of
// each cookie costs more than all the rest of a request that reads its session.
func (m *Manager) cookieValues(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range r.Header["Cookie"] {
			for line != "" {
				var pair string
				pair, line, _ = strings.Cut(line, ";")
				// Only the white space of HTTP: a browser takes a name that begins
				// with any other for another name, without the protection that
				// its prefix would give.
				name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
				if !ok || name != m.cookie.Name {
					continue
				}
				if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
					value = value[1 : n-1]
				}
				if !yield(value) {
					return
				}
			}
		}
	}
}

// setCookie puts the cookie with token into the header h of the response to r.
// The browser forgets it after maxAge seconds, or if that is 0 when it is
// closed.
func (m *Manager) setCookie(h http.Header, r *http.Request, token string, maxAge int) {
	c := m.cookie
	c.Value = token
	c.MaxAge = maxAge
	m.addCookie(h, r, c.String())
}

// deleteCookie puts a cookie into h that makes the browser forget the session's
// cookie.
func (m *Manager) deleteCookie(h http.Header, r *http.Request) {
	m.addCookie(h, r, deletion(m.cookie))
}

// addCookie puts the session's cookie into h, in the place of those of the
// handler's that a browser would take for the same one, and deletes those of
// former scopes. They come first, for browsers that do not ask whether a domain
// was given and take two of these for one.
func (m *Manager) addCookie(h http.Header, r *http.Request, line string) {
	const field = "Set-Cookie"
	var lines []string
	for _, line := range takeField(h, field) {
		if !m.isOurs(line, r) {
			lines = append(lines, line)
		}
	}
	lines = append(lines, m.deletions...)
	h[field] = append(lines, line)
	makePrivate(h)
}

// isOurs reports whether a Set-Cookie line of the response to r is about the
// session's cookie: browsers tell cookies apart by their name, domain, whether
// one was given, and path (draft-ietf-httpbis-rfc6265bis, sections 5.6 and 5.7;
// RFC 6265, section 5.3), and by being Partitioned (the CHIPS draft).
func (m *Manager) isOurs(line string, r *http.Request) bool {
	pair, attributes, _ := strings.Cut(line, ";")
	name, _, _ := strings.Cut(pair, "=")
	if strings.Trim(name, " \t") != m.cookie.Name {
		return false
	}
	var path, domain string
	partitioned := false
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		switch { // of several the last one counts
		case strings.EqualFold(name, "Path"):
			path = value
		case strings.EqualFold(name, "Domain"):
			domain = value
		case strings.EqualFold(name, "Partitioned"):
			partitioned = true
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = defaultPath(r)
	}
	return scope(&http.Cookie{Path: path, Domain: domain, Partitioned: partitioned}) == scope(&m.cookie)
}

// defaultPath is the path of a cookie that a response to r sets without one (RFC
// 6265, section 5.1.4).
func defaultPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?") // what StripPrefix leaves alone
	if !strings.HasPrefix(path, "/") {
		path = r.URL.EscapedPath()
	}
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
