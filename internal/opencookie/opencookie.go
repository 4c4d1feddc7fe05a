// Package opencookie opens cookies that hold a session, of every kind: the
// commands do it in the same way.
package opencookie

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"sessionengine/django"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// Django is the scheme of the cookies that Django's engine signed_cookies makes.
const Django = "django"

// schemes are those of package signedcookie.
var schemes = []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed}

// Schemes returns the names of all schemes: those of package signedcookie, and
// [Django].
func Schemes() []string {
	var names []string
	for _, s := range schemes {
		names = append(names, s.String())
	}
	return append(names, Django)
}

// maxData is what a session may have, whatever the site's own limit is.
const maxData = 16 << 20

// Options tell how the cookies were made.
type Options struct {
	// Scheme is one of [Schemes]; "" stands for any of package signedcookie.
	Scheme string

	// Cookie is the name of the cookie.
	Cookie string

	// Secrets are the site's, at least one. For Django they are its SECRET_KEY
	// and its SECRET_KEY_FALLBACKS.
	Secrets [][]byte

	// Context is signedcookie.Options.Context.
	Context string

	// Dictionaries are those of the site's own.
	Dictionaries [][]byte

	// DjangoAge is Django's SESSION_COOKIE_AGE.
	DjangoAge time.Duration
}

// An Opener opens cookies. It is safe for concurrent use.
type Opener struct {
	candidates []candidate
}

// A candidate is what may have made a cookie.
type candidate struct {
	Made
	store session.SessionStore
}

// Made tells how a cookie was made.
type Made struct {
	Scheme string
	Secret int // its index in Options.Secrets
}

// New returns what opens cookies that were made in this way. Its errors quote
// no secret.
func New(opts Options) (*Opener, error) {
	if len(opts.Secrets) == 0 {
		return nil, errors.New("cookies need the site's secret")
	}
	o := new(Opener)
	for i, secret := range opts.Secrets {
		if opts.Scheme == Django {
			store, err := django.NewCookieStore(string(secret), DjangoOptions(nil, opts.DjangoAge))
			if err != nil {
				return nil, err
			}
			o.candidates = append(o.candidates, candidate{Made{Django, i}, store})
			continue
		}
		for _, scheme := range schemes {
			if opts.Scheme != "" && opts.Scheme != scheme.String() {
				continue
			}
			store, err := signedcookie.New(secret, signedcookie.Options{
				Scheme:               scheme,
				Context:              opts.Context,
				FallbackDictionaries: opts.Dictionaries,
				MaxDataBytes:         maxData,
				CacheBytes:           -1,
			})
			if err != nil {
				return nil, err
			}
			bound, err := store.ForCookie(opts.Cookie)
			if err != nil {
				return nil, err
			}
			o.candidates = append(o.candidates, candidate{Made{scheme.String(), i}, bound})
		}
	}
	if o.candidates == nil {
		return nil, fmt.Errorf("no scheme %q; there are %s", opts.Scheme, strings.Join(Schemes(), ", "))
	}
	return o, nil
}

// DjangoOptions accepts whatever a version of Django has written.
func DjangoOptions(fallbacks [][]byte, age time.Duration) django.Options {
	opts := django.Options{CookieAge: age, ReadSHA1: !fips140.Enforced(), MaxBytes: maxData}
	for _, key := range fallbacks {
		opts.Fallbacks = append(opts.Fallbacks, string(key))
	}
	return opts
}

// Open returns the session that a cookie's value holds, and how it was made. An
// error that matches [session.ErrExpired] comes with the latter; a value that
// nothing opens gives an error that matches [session.ErrInvalidToken].
func (o *Opener) Open(ctx context.Context, value string) (*session.Record, Made, error) {
	var signed error
	for _, c := range o.candidates {
		rec, err := c.store.Load(ctx, value)
		switch {
		case err == nil || errors.Is(err, session.ErrExpired) || !errors.Is(err, session.ErrNotFound):
			return rec, c.Made, err
		case err != session.ErrInvalidToken && err != session.ErrNotFound && signed == nil:
			signed = err // it says what is wrong with what the secret has signed
		}
	}
	if signed != nil {
		return nil, Made{}, signed
	}
	return nil, Made{}, session.ErrInvalidToken
}

// Value returns the value of the cookie in what somebody has copied: the value
// itself, name=value, a Cookie or Set-Cookie header, or a line of the file that
// curl keeps cookies in; in quotes, or with escapes of URLs in it. The name is
// that of the cookie; "" stands for any, if there is one cookie only. Errors
// quote nothing but names.
func Value(text, name string) (string, error) {
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\ufeff"))
	if fields := strings.Split(text, "\t"); len(fields) == 7 { // https://curl.se/docs/http-cookies.html
		text = fields[5] + "=" + fields[6]
	}
	header, rest, isHeader := strings.Cut(text, ":")
	switch {
	case isHeader && strings.EqualFold(header, "Cookie"):
		text = rest
	case isHeader && strings.EqualFold(header, "Set-Cookie"):
		text, _, _ = strings.Cut(rest, ";") // attributes
	default:
		isHeader = false
	}
	text = unquote(text)
	var names []string
	for pair := range strings.SplitSeq(text, ";") {
		pair = strings.TrimSpace(pair)
		n, v, ok := cutName(pair, isHeader || name != "" && strings.HasPrefix(pair, name+"="))
		switch {
		case !ok && !isHeader && len(names) == 0 && !strings.Contains(text, ";"):
			return clean(text), nil // the value itself
		case !ok || isAttribute(n):
		case name == n || name == "" && len(names) == 0:
			return clean(v), nil
		default:
			names = append(names, n)
		}
	}
	if len(names) == 1 && name != "" {
		return "", fmt.Errorf("this is the cookie %q, and the session's is called %q: see -cookie", names[0], name)
	}
	return "", fmt.Errorf("there is no cookie %q in it: see -cookie", name)
}

// cutName cuts name=value. An equals sign at the end is padding, unless it is
// known that there is a name.
func cutName(pair string, named bool) (name, value string, ok bool) {
	name, value, ok = strings.Cut(pair, "=")
	if !ok || name == "" || !named && strings.Trim(value, "=") == "" {
		return "", "", false
	}
	return name, value, true
}

// isAttribute reports whether a name is that of an attribute of Set-Cookie (RFC
// 6265, section 4.1.1).
func isAttribute(name string) bool {
	switch strings.ToLower(name) {
	case "path", "domain", "max-age", "expires", "samesite":
		return true
	}
	return false
}

// clean takes off what is around a value, and the escapes of URLs.
func clean(value string) string {
	value = unquote(value)
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	return value
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		s = s[1 : n-1]
	}
	return s
}
