package django

import (
	"crypto/fips140"
	"encoding"
	"errors"
	"fmt"
	"io"
	"time"
)

// Options are the settings of a Django site that its sessions depend on, apart
// from the SECRET_KEY. The zero value has Django's defaults.
//
// The SECRET_KEY is the site's, with every character that Django is given, a line
// break at its end included. It is not this package that can choose it, so unlike
// package signedcookie it takes a weak one, such as those beginning with
// "django-insecure-" that Django makes for development: "manage.py check
// --deploy" finds these (security.W009).
//
// Printing or logging Options does not show the keys.
type Options struct {
	// Fallbacks is Django's SECRET_KEY_FALLBACKS: keys whose signatures are
	// still accepted, while the SECRET_KEY makes all new ones.
	Fallbacks []string

	// CookieAge is Django's SESSION_COOKIE_AGE, in whole seconds; 0 is Django's
	// default of two weeks. Only cookies depend on it, and both sides have to
	// have the same. How long the sessions of this side live is decided by
	// [session.Options], as with every engine.
	CookieAge time.Duration

	// ReadSHA1 accepts what was signed with SHA-1: by Django before version
	// 3.1, and by 3.1 and 3.2 with DEFAULT_HASHING_ALGORITHM = "sha1". Nothing
	// is ever written so. Leave it off as soon as the sessions of that time are
	// over. In Go's FIPS 140-only mode, which has no SHA-1, it is an error.
	ReadSHA1 bool

	// TimeZone is the site's TIME_ZONE if its settings say USE_TZ = False, and
	// nil if they say True, the default since Django 5.0. Without USE_TZ Django
	// keeps local times: in SQLite and MySQL the end of every session, and the
	// end that set_expiry gives a session. A session with such an end then
	// fails to load, with [session.ErrMisuse], as long as TimeZone is nil; the
	// times in a table cannot be told from others.
	//
	// A moment of the hour that comes twice when daylight saving time ends may
	// be taken for the other one, as at Django.
	TimeZone *time.Location

	// MaxBytes bounds the text of a session, before compression; 0 is 1 MiB in
	// a cookie and 64 MiB in a row. Larger ones are neither written nor read.
	MaxBytes int
}

var (
	_ fmt.Formatter          = Options{}
	_ encoding.TextMarshaler = Options{}
)

// Format implements [fmt.Formatter] without showing the keys.
func (o Options) Format(f fmt.State, verb rune) { io.WriteString(f, o.describe()) }

// MarshalText implements [encoding.TextMarshaler] without showing the keys.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.describe()), nil }

func (o Options) describe() string {
	return fmt.Sprintf("django.Options{%d fallbacks, CookieAge: %v, ReadSHA1: %v, TimeZone: %v, MaxBytes: %d}",
		len(o.Fallbacks), o.CookieAge, o.ReadSHA1, o.TimeZone, o.MaxBytes)
}

const (
	defaultCookieAge   = 14 * 24 * time.Hour
	maxCookieAge       = 100 * 365 * 24 * time.Hour
	defaultCookieBytes = 1 << 20
	defaultRowBytes    = 64 << 20
)

// keys checks the secrets and returns all of them, the SECRET_KEY first.
func (o *Options) keys(secretKey string) ([]string, error) {
	if secretKey == "" {
		return nil, errors.New("django: the secret key is empty; it has to be the SECRET_KEY of the Django site")
	}
	if o.ReadSHA1 && fips140.Enforced() {
		return nil, errors.New("django: Options.ReadSHA1 is set, and this process runs in FIPS 140-only mode, which " +
			"has no SHA-1")
	}
	keys := []string{secretKey}
	for i, key := range o.Fallbacks {
		if key == "" {
			return nil, fmt.Errorf("django: Options.Fallbacks[%d] is empty", i)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// maxBytes returns MaxBytes or what stands for 0.
func (o *Options) maxBytes(byDefault int) (int, error) {
	if o.MaxBytes < 0 {
		return 0, fmt.Errorf("django: Options.MaxBytes is negative: %d", o.MaxBytes)
	}
	if o.MaxBytes == 0 {
		return byDefault, nil
	}
	return o.MaxBytes, nil
}

// cookieAge returns CookieAge in seconds.
func (o *Options) cookieAge() (int64, error) {
	age := o.CookieAge
	if age == 0 {
		age = defaultCookieAge
	}
	if age < time.Second || age > maxCookieAge || age%time.Second != 0 {
		return 0, fmt.Errorf("django: Options.CookieAge is %v; it has to be SESSION_COOKIE_AGE, in whole seconds and "+
			"at most a hundred years", age)
	}
	return int64(age / time.Second), nil
}
