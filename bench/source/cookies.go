package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sessionengine/django"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// djangoScheme is that of cookies which Django's engine signed_cookies made.
const djangoScheme = "django"

// Schemes returns the values of [Options.Scheme]: those of package signedcookie,
// and "django".
func Schemes() []string {
	return []string{signedcookie.Signed.String(), signedcookie.Encrypted.String(), signedcookie.Sealed.String(), djangoScheme}
}

// maxCookieLine is the longest line with a cookie, in bytes: Django writes
// cookies that browsers drop.
const maxCookieLine = 1 << 20

// readCookies reads a file with a cookie a line, or all files in a folder.
func readCookies(ctx context.Context, path string, isDir bool, opts Options) (*Sessions, error) {
	store, err := cookieStore(opts)
	if err != nil {
		return nil, err
	}
	sample := newSampler(opts.Limit)
	if !isDir {
		err = readCookieFile(path, "", opts.Cookie, sample)
	} else {
		err = readFolder(ctx, path, opts.Cookie, sample)
	}
	if err != nil {
		return nil, err
	}
	return sample.sessions(ctx, opts.Name, func(value string) ([]byte, error) {
		rec, err := store.Load(ctx, value)
		if err != nil {
			return nil, cookieFailure(err)
		}
		return rec.Data, nil
	})
}

func readFolder(ctx context.Context, path, cookie string, sample *sampler) error {
	return filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !entry.Type().IsRegular() {
			return withoutPath(err)
		}
		name, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		return readCookieFile(file, name, cookie, sample)
	})
}

// readCookieFile adds the cookies of a file, which errors call name.
func readCookieFile(path, name, cookie string, sample *sampler) error {
	f, err := os.Open(path)
	if err != nil {
		return fileError(name, withoutPath(err))
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxCookieLine)
	n := 0
	for lines.Scan() {
		n++
		value := strings.TrimSpace(lines.Text())
		if n == 1 {
			value = strings.TrimPrefix(value, "\ufeff")
		}
		if value == "" {
			continue
		}
		// As in a Cookie header.
		value = strings.TrimPrefix(value, cookie+"=")
		sample.add(item{text: value, where: position{file: name, line: n}})
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fileError(name, fmt.Errorf("line %d: longer than %d bytes", n+1, maxCookieLine))
	} else if err != nil {
		return fileError(name, withoutPath(err))
	}
	return nil
}

func fileError(name string, err error) error {
	if name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// cookieStore returns the store that made the cookies, but for their age.
func cookieStore(opts Options) (session.SessionStore, error) {
	if len(opts.Secrets) == 0 {
		return nil, errors.New("cookies need the site's secret")
	}
	if opts.Scheme == djangoScheme {
		key, o := djangoKeys(opts)
		o.CookieAge = 100 * 365 * 24 * time.Hour
		return django.NewCookieStore(key, o)
	}
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		if scheme.String() != opts.Scheme {
			continue
		}
		store, err := signedcookie.New(opts.Secrets[0], signedcookie.Options{
			Scheme:               scheme,
			FallbackSecrets:      opts.Secrets[1:],
			FallbackDictionaries: opts.Dictionaries,
			MaxDataBytes:         maxCookieLine,
			CacheBytes:           -1,
		})
		if err != nil {
			return nil, err
		}
		return store.ForCookie(opts.Cookie)
	}
	return nil, fmt.Errorf("no scheme %q; there are %s", opts.Scheme, strings.Join(Schemes(), ", "))
}

// djangoKeys returns the SECRET_KEY and what else reads what it has signed.
func djangoKeys(opts Options) (key string, o django.Options) {
	o.ReadSHA1 = true
	for _, secret := range opts.Secrets[1:] {
		o.Fallbacks = append(o.Fallbacks, string(secret))
	}
	return string(opts.Secrets[0]), o
}

// cookieFailure tells why a cookie was refused.
func cookieFailure(err error) error {
	switch {
	case errors.Is(err, session.ErrExpired):
		return errors.New("expired")
	case err == session.ErrInvalidToken || err == session.ErrNotFound:
		return errors.New("not made with this secret, scheme and name, or changed since")
	}
	return err
}
