package session

import (
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"
)

// CookieOptions describe the cookie that carries the token. The zero value is
// the secure default.
type CookieOptions struct {
	// Name is the cookie's name; "" means "sessionid". A name that begins with
	// "__Host-" makes browsers refuse the cookie unless this very host set it
	// over HTTPS.
	Name string

	// Path is the part of the site that gets the cookie; "" means "/".
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

	// InsecureAllowHTTP leaves the Secure attribute out, so that browsers send
	// the cookie over plain HTTP, where everybody on the way can read and take
	// it. For development without HTTPS; browsers that treat localhost as
	// secure do not need it.
	InsecureAllowHTTP bool

	// InsecureAllowScript leaves the HttpOnly attribute out, so that scripts in
	// the page, injected ones too, can read the token.
	InsecureAllowScript bool
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
		c.Name = "sessionid"
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
		case hasPrefixFold(c.Name, "__Secure-"), hasPrefixFold(c.Name, "__Host-"), hasPrefixFold(c.Name, "__Http-"), hasPrefixFold(c.Name, "__Host-Http-"):
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
	if err := c.Valid(); err != nil {
		return fail("%w", err)
	}
	return c, nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// maxCookieBytes is what browsers store at most of one cookie: its name and
// value together (draft-ietf-httpbis-rfc6265bis, section 5.6).
const maxCookieBytes = 4096

// maxCookiesTried bounds the work for a request that brings several cookies of
// our name, as browsers do when they were set for different paths or domains.
const maxCookiesTried = 3

// tokens yields the tokens that the request brings, first the one of the longest
// path (RFC 6265, section 5.4). It reads the header itself (section 4.2.1),
// since making an http.Cookie of each cookie costs more than all the rest of a
// request that reads its session.
func (m *Manager) tokens(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		tried := 0
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
				if value == "" {
					continue
				}
				if tried++; tried > maxCookiesTried || !yield(value) {
					return
				}
			}
		}
	}
}

// setCookie puts the cookie with token into h, in the place of one of the same
// name if there is one. The browser forgets it after maxAge seconds, or if that
// is 0 when it is closed.
func (m *Manager) setCookie(h http.Header, token string, maxAge int) {
	c := m.cookie
	c.Value = token
	c.MaxAge = maxAge
	m.addCookie(h, &c)
}

// deleteCookie puts a cookie into h that makes the browser forget the session's
// cookie. It bears all attributes: a browser ignores a cookie with the
// "__Host-" prefix without them, and a Partitioned cookie is another one.
func (m *Manager) deleteCookie(h http.Header) {
	c := m.cookie
	c.MaxAge = -1
	c.Expires = time.Unix(1, 0)
	m.addCookie(h, &c)
}

func (m *Manager) addCookie(h http.Header, c *http.Cookie) {
	const field = "Set-Cookie"
	if old := h[field]; len(old) > 0 {
		kept := old[:0]
		for _, line := range old {
			if name, _, _ := strings.Cut(line, "="); name != c.Name {
				kept = append(kept, line)
			}
		}
		h[field] = kept
	}
	h[field] = append(h[field], c.String())
	makePrivate(h)
}

// addVary adds Cookie to the Vary header field (RFC 9110, section 12.5.5),
// unless it is there.
func addVary(h http.Header) {
	values := h["Vary"]
	for _, line := range values {
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(values, "Cookie")
}

// makePrivate keeps shared caches from storing a response that sets a session's
// cookie (RFC 9111, sections 5.2.2 and 7.3).
func makePrivate(h http.Header) {
	const field = "Cache-Control"
	var kept []string
	private := false
	for _, line := range h[field] {
		for directive := range splitDirectives(line) {
			name, value, _ := strings.Cut(directive, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "":
				continue
			case "public", "s-maxage":
				continue
			case "private":
				if value != "" {
					continue // private="field": only those fields are
				}
				private = true
			case "no-store":
				private = true
			}
			kept = append(kept, directive)
		}
	}
	if !private {
		kept = append(kept, "private")
	}
	h[field] = []string{strings.Join(kept, ", ")}
	deleteTargeted(h)
}

// deleteTargeted deletes what would override Cache-Control in caches of a
// certain kind: the targeted fields of RFC 9213, whose names end alike, and two
// older ones.
func deleteTargeted(h http.Header) {
	for field := range h {
		if strings.HasSuffix(field, "-Cache-Control") || field == "Surrogate-Control" || field == "X-Accel-Expires" {
			delete(h, field)
		}
	}
}

// splitDirectives splits a Cache-Control line at the commas that stand outside
// quoted strings.
func splitDirectives(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(line); i++ {
			switch {
			case line[i] == '"':
				quoted = !quoted
			case line[i] == '\\' && quoted:
				i++
			case line[i] == ',' && !quoted:
				if !yield(strings.TrimSpace(line[start:i])) {
					return
				}
				start = i + 1
			}
		}
		yield(strings.TrimSpace(line[start:]))
	}
}
