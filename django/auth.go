package django

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"

	"sessionengine/session"
)

// What django/contrib/auth/__init__.py keeps in a session.
const (
	userIDKey   = "_auth_user_id"
	backendKey  = "_auth_user_backend"
	userHashKey = "_auth_user_hash"

	// csrfKey is where django/middleware/csrf.py keeps its token, with
	// CSRF_USE_SESSIONS.
	csrfKey = "_csrftoken"
)

// ModelBackend is Django's default in AUTHENTICATION_BACKENDS.
const ModelBackend = "django.contrib.auth.backends.ModelBackend"

// userHashSalt is the key_salt of get_session_auth_hash in
// django/contrib/auth/base_user.py.
const userHashSalt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"

// User is a user as django.contrib.auth keeps it in a session.
type User struct {
	// ID is the user's primary key as text: "42", or a UUID with its hyphens,
	// which SQLite and MySQL keep in Django's table without.
	ID string

	// Backend is the dotted path of the authentication backend that vouches for
	// the user, one of the site's AUTHENTICATION_BACKENDS; Login takes "" for
	// [ModelBackend].
	Backend string
}

// SessionUser returns the user that the session says is logged in. That is not
// enough to let them in: it is [Auth.Verify] that tells whether the login still
// holds, and the user's own row whether they are still active.
func SessionUser(s *session.Session) (u User, ok bool) {
	u.ID, ok = session.Get[string](s, userIDKey)
	if !ok {
		return User{}, false
	}
	u.Backend, ok = session.Get[string](s, backendKey)
	if !ok {
		return User{}, false
	}
	return u, true
}

// Auth does for Go what django.contrib.auth does with sessions. It is safe for
// concurrent use.
//
// A session holds an HMAC of the user's password hash, so that a new password
// ends all sessions that were begun with the old one. Auth therefore has to be
// told the password hash: the content of the column "password" of the table
// auth_user, as it is. User models that override get_session_auth_hash are
// beyond it.
type Auth struct {
	macs []*saltedHMAC // the first one signs
}

// NewAuth returns an Auth for the site that has this SECRET_KEY. Of the options
// only Fallbacks and ReadSHA1 matter.
func NewAuth(secretKey string, opts Options) (*Auth, error) {
	keys, err := opts.keys(secretKey)
	if err != nil {
		return nil, err
	}
	a := new(Auth)
	for _, key := range keys {
		a.macs = append(a.macs, newSaltedHMAC(sha256.New, userHashSalt, key))
	}
	if opts.ReadSHA1 {
		for _, key := range keys {
			a.macs = append(a.macs, newSaltedHMAC(sha1.New, userHashSalt, key))
		}
	}
	return a, nil
}

// Verify reports whether the session's login still holds, given the user's
// password hash. If it does not, the user has changed their password since, or
// the session was tampered with; end it with [session.Session.Flush], as Django
// does, and treat the visitor as logged out.
//
// A login that only one of Options.Fallbacks confirms, or only SHA-1, is
// renewed with the SECRET_KEY, under a fresh token, as Django does.
func (a *Auth) Verify(s *session.Session, passwordHash string) bool {
	stored, ok := session.Get[string](s, userHashKey)
	if !ok {
		return false
	}
	for i, mac := range a.macs {
		if hmac.Equal([]byte(stored), []byte(userHash(mac, passwordHash))) {
			if i > 0 {
				a.UpdateHash(s, passwordHash)
			}
			return true
		}
	}
	return false
}

// Login writes into the session what django.contrib.auth.login writes, so that
// both sides take u for logged in. The application has checked the credentials.
//
// The session gets a fresh token. What an anonymous visitor's session held
// remains; the session of another user is flushed first. The CSRF token that
// Django keeps in the session with CSRF_USE_SESSIONS is dropped, and Django
// makes a new one. What Django does besides is up to the application: to set
// the user's last_login, and to change the CSRF token that is in a cookie.
//
// What checks a password is [CheckPassword]. To log out, call [session.Session.Flush].
func (a *Auth) Login(s *session.Session, u User, passwordHash string) {
	if u.Backend == "" {
		u.Backend = ModelBackend
	}
	if s.Has(userIDKey) {
		id, ok := session.Get[string](s, userIDKey)
		if !ok || id != u.ID || !a.Verify(s, passwordHash) {
			s.Flush()
		}
	}
	s.Set(userIDKey, u.ID)
	s.Set(backendKey, u.Backend)
	s.Delete(csrfKey)
	a.UpdateHash(s, passwordHash)
}

// UpdateHash is django.contrib.auth.update_session_auth_hash: after the user of
// this session has changed their password it keeps this session, under a fresh
// token, while all others of the user end.
func (a *Auth) UpdateHash(s *session.Session, passwordHash string) {
	s.Renew()
	s.Set(userHashKey, userHash(a.macs[0], passwordHash))
}

// userHash is get_session_auth_hash.
func userHash(mac *saltedHMAC, passwordHash string) string {
	return hex.EncodeToString(mac.sum(passwordHash))
}
