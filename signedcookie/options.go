package signedcookie

import (
	"fmt"
	"io"

	"sessionengine/session"
)

// Scheme is how a cookie is protected. All of them keep clients from changing a
// session; [Encrypted] and [Sealed] also keep them from reading it. A store
// refuses the cookies of another scheme than its own.
type Scheme int

const (
	// Signed cookies are made by github.com/gorilla/securecookie with
	// HMAC-SHA-256. Their content can be read by whoever holds them.
	Signed Scheme = iota

	// Encrypted cookies are made by securecookie with AES-256 in counter mode
	// and HMAC-SHA-256.
	Encrypted

	// Sealed cookies are encrypted and authenticated with AES-SIV (RFC 5297).
	// They are the shortest, and take the least time. They are deterministic: two
	// sessions of the same content that expire in the same second have the same
	// cookie. FORMAT.md says what that tells.
	Sealed
)

func (s Scheme) String() string {
	switch s {
	case Signed:
		return "signed"
	case Encrypted:
		return "encrypted"
	case Sealed:
		return "sealed"
	}
	return fmt.Sprintf("Scheme(%d)", int(s))
}

// Defaults and bounds of [Options].
const (
	// DefaultCacheBytes is the default of [Options.CacheBytes].
	DefaultCacheBytes = 1 << 20

	// MaxDictionaryBytes is the most that a dictionary may have.
	MaxDictionaryBytes = 8 << 10
)

// Options set up a [Store]. The zero value is what most sites want.
//
// Printing or logging Options does not show the secrets in them.
type Options struct {
	// Scheme is how cookies are protected.
	Scheme Scheme

	// FallbackSecrets are secrets whose cookies are still accepted. New cookies
	// are made with the secret given to [New]; a session that is saved gets one.
	FallbackSecrets [][]byte

	// Context is the site, or the part of one, that cookies are for: two with the
	// same secret and different contexts refuse each other's cookies. It can be
	// any text, and is no secret. When it changes, all sessions end.
	Context string

	// Compression is whether cookies are made smaller.
	Compression Compression

	// Dictionary is one of the site's own, made by [TrainDictionary], that is
	// used for new cookies instead of the built-in one.
	Dictionary []byte

	// FallbackDictionaries are dictionaries whose cookies are still accepted, or
	// already: those of the machines that have another Dictionary. Cookies made
	// with the built-in dictionary are always accepted. When a dictionary is no
	// longer given, the sessions that were saved with it have ended.
	FallbackDictionaries [][]byte

	// PadTo, if it is greater than 1, makes the size of a session before
	// encryption a multiple of that many bytes, so that the length of a cookie
	// tells less about its content. It needs a Scheme that encrypts.
	PadTo int

	// MaxCookieBytes is the greatest size of a cookie's name and value
	// together; 0 means [session.MaxCookieBytes], which it cannot exceed. A
	// smaller one leaves room where a proxy limits the size of headers: 3500 for
	// nginx with its default proxy_buffer_size of 4 KiB, which answers 502 above
	// that.
	MaxCookieBytes int

	// MaxDataBytes is the greatest size of a serialized session, before
	// compression; 0 means 64 KiB. It bounds the time and the memory that saving
	// and loading a session take.
	MaxDataBytes int

	// CacheBytes bounds the memory for cookies that were verified a moment ago,
	// so that the requests of one page verify their cookie once; 0 means
	// [DefaultCacheBytes], and a negative number means no cache.
	CacheBytes int
}

// Format prints the options without secrets and dictionaries, whatever the verb.
func (o Options) Format(f fmt.State, verb rune) { io.WriteString(f, o.describe()) }

// MarshalText is Format for encoders, such as those of log/slog.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.describe()), nil }

func (o Options) describe() string {
	return fmt.Sprintf("signedcookie.Options{%v, %d fallback secrets}", o.Scheme, len(o.FallbackSecrets))
}

func checkCookieBytes(n int) (int, error) {
	switch {
	case n == 0:
		return session.MaxCookieBytes, nil
	case n < 0 || n > session.MaxCookieBytes:
		return 0, fmt.Errorf("signedcookie: MaxCookieBytes is %d; browsers drop cookies above %d bytes", n,
			session.MaxCookieBytes)
	}
	return n, nil
}
