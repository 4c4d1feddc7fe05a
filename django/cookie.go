package django

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessionengine/session"
)

// cookieSalt is the salt of django/contrib/sessions/backends/signed_cookies.py.
const cookieSalt = "django.contrib.sessions.backends.signed_cookies"

// maxTokenBytes bounds the work for what a client sends. Django writes cookies
// of any length, and not all clients have the limit of browsers.
const maxTokenBytes = 4 * session.MaxCookieBytes

// CookieStore keeps sessions in cookies that Django's engine
// "django.contrib.sessions.backends.signed_cookies" reads and writes as well. It
// is safe for concurrent use.
//
// Like Django, it cannot end a session before it expires: a copy of the cookie
// that somebody kept is good until then, whatever Delete and Renew are asked to
// do. Nor does it see that another request has changed the session: of two
// cookies, the browser keeps the one that came last. And visitors can read what
// is in their cookies.
type CookieStore struct {
	signer *signer
	age    int64          // SESSION_COOKIE_AGE
	zone   *time.Location // TIME_ZONE without USE_TZ, or nil
	name   string         // of the cookie
}

var (
	_ session.SessionStore = (*CookieStore)(nil)
	_ session.CookieNamer  = (*CookieStore)(nil)
	_ session.TraitsTeller = (*CookieStore)(nil)
)

// NewCookieStore returns a store for the cookies of the site that has this
// SECRET_KEY.
func NewCookieStore(secretKey string, opts Options) (*CookieStore, error) {
	keys, err := opts.keys(secretKey)
	if err != nil {
		return nil, err
	}
	limit, err := opts.maxBytes(defaultCookieBytes)
	if err != nil {
		return nil, err
	}
	age, err := opts.cookieAge()
	if err != nil {
		return nil, err
	}
	return &CookieStore{
		signer: newSigner(cookieSalt, keys, opts.ReadSHA1, limit),
		age:    age,
		zone:   opts.TimeZone,
		name:   session.DefaultCookieName,
	}, nil
}

// ForCookie implements [session.CookieNamer]. The name counts towards
// [session.MaxCookieBytes]; Django's signatures do not depend on it. Until it is called the
// name is "sessionid".
func (s *CookieStore) ForCookie(name string) (session.SessionStore, error) {
	if name == "" {
		return nil, errors.New("django: the cookie's name is empty")
	}
	named := *s
	named.name = name
	return &named, nil
}

// Traits implements [session.TraitsTeller]: visitors can read their sessions, and
// none can be ended.
func (s *CookieStore) Traits() session.Traits { return session.Traits{Readable: true} }

// Django's format has one time, that of the signature, and the session ends
// SESSION_COOKIE_AGE after it. Django does not look at the session's own expiry
// when it reads a cookie (ticket 27775). We do: a session that Django wrote ends
// by its own expiry or with the cookie's age, whatever is first.
//
// A session that we write has to end when it is told to. Its time of signature
// is put SESSION_COOKIE_AGE before its end, which may be in the past or in the
// future, so that Django ends it at the same moment as we do. As its own expiry
// cannot be counted from such a time, it is marked: see serializer.go.

// Load implements [session.SessionStore]. Errors that match
// [session.ErrInvalidToken] tell, for a session that was signed and still
// cannot be read, what is wrong with it.
func (s *CookieStore) Load(_ context.Context, token string) (*session.Record, error) {
	if len(token) > maxTokenBytes {
		return nil, session.ErrInvalidToken
	}
	text, signed, err := s.signer.loads(token)
	if err != nil {
		return nil, unreadable(err)
	}
	data, marked, err := deserialize(text)
	if err != nil {
		return nil, unreadable(err)
	}
	if data, err = fromLocalTime(data, s.zone); err != nil {
		return nil, err
	}
	end := signed + s.age
	if !marked {
		if own, ok := ownExpiry(data, signed); ok {
			end = min(end, own)
		}
	}
	expires := time.Unix(end, 0).UTC()
	if !time.Now().Before(expires) {
		return nil, session.ErrExpired
	}
	return &session.Record{Data: data, Expires: expires}, nil
}

// Save implements [session.SessionStore]. The token that it returns is the
// session itself; the one passed in does not matter. A session that would not
// fit into a cookie gives a [*session.TooLargeError], unlike with Django, which
// sends what the browser then drops.
func (s *CookieStore) Save(_ context.Context, _ string, rec *session.Record) (string, error) {
	text, err := serialize(toLocalTime(rec.Data, s.zone), true)
	if err != nil {
		return "", fmt.Errorf("django: save: %w", err)
	}
	// First, since compressing takes time and memory in proportion to it.
	if len(text) > s.signer.limit {
		return "", &session.TooLargeError{Size: len(text), Limit: s.signer.limit}
	}
	// Before 1970 is as good as 1970, and a year of five digits no better than
	// the last of four.
	end := min(max(0, rec.Expires.Unix()), maxEnd)
	token := s.signer.dumps(text, end-s.age)
	if size := len(s.name) + len(token); size > session.MaxCookieBytes {
		return "", &session.TooLargeError{Size: size, Limit: session.MaxCookieBytes}
	}
	return token, nil
}

// maxEnd is the last second of the year 9999.
const maxEnd = 253402300799

// Renew implements [session.SessionStore]. It is Save: the old token remains
// good until it expires.
func (s *CookieStore) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return s.Save(ctx, token, rec)
}

// Delete implements [session.SessionStore] by doing nothing: that the browser
// forgets the cookie is all that ends the session.
func (s *CookieStore) Delete(context.Context, string) error { return nil }
