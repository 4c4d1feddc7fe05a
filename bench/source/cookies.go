package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sessionengine/django"
	"sessionengine/internal/opencookie"
	"sessionengine/session"
)

// maxCookieLine is the longest line with a cookie, in bytes: Django writes
// cookies that browsers drop.
const maxCookieLine = 1 << 20

// readCookies reads a file with a cookie a line, or all files in a folder.
func readCookies(ctx context.Context, path string, isDir bool, opts Options) (*Sessions, error) {
	if len(opts.Secrets) == 0 {
		return nil, errors.New("cookies need the site's secret: name its file in -secret-file, or set " + secretVariable)
	}
	opener, err := opencookie.New(opencookie.Options{
		Scheme:       opts.Scheme,
		Cookie:       opts.Cookie,
		Context:      opts.Context,
		Secrets:      opts.Secrets,
		Dictionaries: opts.Dictionaries,
		DjangoAge:    100 * 365 * 24 * time.Hour, // they are as good as on the day when they were kept
	})
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
		rec, _, err := opener.Open(ctx, value)
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
		value, err := opencookie.Value(lines.Text(), cookie)
		if value == "" && err == nil {
			continue
		}
		sample.add(item{text: value, where: position{file: name, line: n}, err: err})
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

// djangoKeys returns the SECRET_KEY and what else reads what it has signed.
func djangoKeys(opts Options) (key string, o django.Options) {
	return string(opts.Secrets[0]), opencookie.DjangoOptions(opts.Secrets[1:], 0)
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
