package signedcookie

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sessionengine/internal/secrets"
	"sessionengine/session"
)

// Store keeps sessions in the cookies themselves. It is safe for concurrent use.
//
// Printing or logging a Store does not show its keys.
type Store struct {
	codec    *codec
	scheme   Scheme
	cookie   string
	maxBytes int // of a cookie, its name and value together
	cache    *cache
}

var (
	_ session.SessionStore   = (*Store)(nil)
	_ session.CookieNamer    = (*Store)(nil)
	_ session.TraitsTeller   = (*Store)(nil)
	_ fmt.Formatter          = Store{}
	_ encoding.TextMarshaler = Store{}
)

// New returns a store whose keys are made from secret, which is at least 32
// random bytes, for example the output of
//
//	openssl rand -base64 32
//
// Whoever knows the secret can make sessions of any content. All machines of a
// site use the same one. White space and a byte order mark around a secret that
// is text are no part of it, so that it does not matter how it was read; see also
// [ReadSecrets]. What is not random, such as a placeholder, is refused. New keeps
// no reference to the secrets.
func New(secret []byte, opts Options) (*Store, error) {
	maxBytes, err := checkCookieBytes(opts.MaxCookieBytes)
	if err != nil {
		return nil, err
	}
	c := new(codec)
	c.payloads, err = newPayloads(opts)
	if err != nil {
		return nil, err
	}
	for i, secret := range append([][]byte{secret}, opts.FallbackSecrets...) {
		what := "the secret"
		if i > 0 {
			what = fmt.Sprintf("Options.FallbackSecrets[%d]", i-1)
		}
		secret = secrets.Trim(secret)
		if err := checkSecret(what, secret); err != nil {
			return nil, err
		}
		e, err := newEnvelope(opts.Scheme, keyring{secret, opts.Context})
		if err != nil {
			return nil, err
		}
		if err := probe(e); err != nil {
			return nil, fmt.Errorf("signedcookie: Options.Scheme %v does not work in this process: %w", opts.Scheme,
				err)
		}
		c.envelopes = append(c.envelopes, e)
	}
	return &Store{
		codec:    c,
		scheme:   opts.Scheme,
		cookie:   session.DefaultCookieName,
		maxBytes: maxBytes,
		cache:    newCache(opts.CacheBytes),
	}, nil
}

func newEnvelope(scheme Scheme, keys keyring) (envelope, error) {
	switch scheme {
	case Signed, Encrypted:
		return newSecureCookie(keys, scheme == Encrypted), nil
	case Sealed:
		return newSealed(keys)
	}
	return nil, fmt.Errorf("signedcookie: unknown Options.Scheme %d", int(scheme))
}

// probe returns why an envelope does not work, as in Go's FIPS 140-only mode, so
// that it is known before the first session is lost to it.
func probe(e envelope) error {
	s := new(scratch)
	sealed, err := e.seal(s, session.DefaultCookieName, []byte("probe"))
	if err != nil {
		return err
	}
	if payload, ok := e.open(s, session.DefaultCookieName, sealed); !ok || string(payload) != "probe" {
		return errors.New("it does not open what it has sealed")
	}
	return nil
}

// Traits implements [session.TraitsTeller]: it ends no sessions, and those of the
// scheme [Signed] can be read by their holders.
func (s *Store) Traits() session.Traits { return session.Traits{Readable: s.scheme == Signed} }

// ForCookie returns a store for the cookie of that name, with a cache of its
// own. A cookie is accepted under the name that it was made for only. Until
// ForCookie is called that is [session.DefaultCookieName].
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	if name == "" || strings.ContainsFunc(name, notTokenChar) {
		return nil, fmt.Errorf("signedcookie: %q is no name for a cookie (RFC 6265, section 4.1.1)", name)
	}
	if len(name) >= s.maxBytes {
		return nil, fmt.Errorf("signedcookie: the cookie's name has %d bytes, and the limit for name and value is %d",
			len(name), s.maxBytes)
	}
	bound := *s
	bound.cookie = name
	bound.cache = s.cache.empty()
	return &bound, nil
}

// notTokenChar tells what RFC 9110, section 5.6.2, keeps out of a token.
func notTokenChar(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// Load returns the session that token, a cookie's value, holds. It needs no
// context, and does not ask whether ctx is done.
func (s *Store) Load(_ context.Context, token string) (*session.Record, error) {
	if token == "" {
		return nil, session.ErrNotFound
	}
	// Not s.maxBytes, which may have been larger when the cookie was made.
	if len(s.cookie)+len(token) > session.MaxCookieBytes {
		return nil, session.ErrInvalidToken
	}
	if rec := s.cache.load(token); rec != nil {
		if !time.Now().Before(rec.Expires) {
			return nil, session.ErrExpired
		}
		return rec, nil
	}
	data, expires, err := s.codec.decode(s.cookie, token)
	if err != nil {
		return nil, err
	}
	if !time.Now().Before(expires) {
		return nil, session.ErrExpired
	}
	s.cache.store(token, data, expires)
	return &session.Record{Data: data, Expires: expires}, nil
}

// Save returns a cookie's value that holds rec. What token is does not matter:
// nothing is kept on the server, so that nothing can be found deleted or changed
// meanwhile, and of two requests that change one session at the same time the
// one whose response reaches the browser last wins.
//
// A session that does not fit into a cookie gives a [*session.TooLargeError].
// Its Size and Limit count the cookie's name and value together, as browsers do;
// or, for a session that exceeds [Options.MaxDataBytes] and so is refused before
// it is compressed, the bytes of the session.
func (s *Store) Save(_ context.Context, token string, rec *session.Record) (newToken string, err error) {
	// First, since compressing takes time and memory in proportion to it.
	if limit := s.codec.payloads.limit; len(rec.Data) > limit {
		return "", &session.TooLargeError{Size: len(rec.Data), Limit: limit}
	}
	newToken, err = s.codec.encode(s.cookie, rec.Data, rec.Expires)
	if err != nil {
		return "", err
	}
	if size := len(s.cookie) + len(newToken); size > s.maxBytes {
		return "", &session.TooLargeError{Size: size, Limit: s.maxBytes}
	}
	rec.Version = ""
	return newToken, nil
}

// Renew is Save. The old value stays good until it expires: see the package
// documentation.
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	return s.Save(ctx, token, rec)
}

// Delete does nothing: a cookie's value is good until it expires. See the
// package documentation.
func (s *Store) Delete(context.Context, string) error { return nil }

// Format prints what the store is, without its keys, whatever the verb. Like
// MarshalText it is also a method of Store itself, since a copy has the same
// keys.
func (s Store) Format(f fmt.State, verb rune) { io.WriteString(f, s.describe()) }

// MarshalText is Format for encoders, such as those of log/slog.
func (s Store) MarshalText() ([]byte, error) { return []byte(s.describe()), nil }

func (s Store) describe() string {
	return fmt.Sprintf("signedcookie.Store{%v, cookie %s}", s.scheme, s.cookie)
}
