// Package secrets is the one place where a site's secrets are read: the library
// and the commands take the same bytes from the same file.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 64 << 10

const (
	bom   = "\ufeff"
	space = " \t\r\n"
)

// Trim returns the secret without what editors, shells and "echo" put around
// one: a byte order mark and white space, if the secret is text. Other secrets,
// which are random bytes, are returned as they are, whatever byte they end in.
func Trim(secret []byte) []byte {
	if !isText(secret) {
		return secret
	}
	return bytes.Trim(bytes.TrimPrefix(secret, []byte(bom)), space)
}

// isText reports whether b is UTF-8 without control characters but those of
// white space. Of 32 random bytes that is as unlikely as guessing 32 bits.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(space, r)
	})
}

// encodings are how secrets can be written down: see [Parse].
var encodings = []string{"text", "base64", "hex"}

// Parse returns the secrets in text, one a line; lines that are empty are passed
// over. With the encoding "text" a line is the secret itself, and what is not
// text at all is one secret of random bytes; with "base64", of either alphabet,
// and "hex" each line is decoded. There is at least one secret. Errors do not
// quote them.
func Parse(text []byte, encoding string) ([][]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errors.New("this is UTF-16; write the secret in ASCII or UTF-8")
	}
	if encoding == "text" && !isText(text) {
		return [][]byte{bytes.Clone(text)}, nil
	}
	var found [][]byte
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(bom))) {
		line = bytes.Trim(line, space)
		if len(line) == 0 {
			continue
		}
		secret, err := decode(string(line), encoding)
		if err != nil {
			return nil, fmt.Errorf("secret %d is not %s", len(found)+1, encoding)
		}
		found = append(found, secret)
	}
	if len(found) == 0 {
		return nil, errors.New("there is no secret")
	}
	return found, nil
}

func decode(line, encoding string) ([]byte, error) {
	switch encoding {
	case "text":
		return []byte(line), nil
	case "hex":
		return hex.DecodeString(line)
	case "base64":
		line = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(line, "="))
		return base64.RawStdEncoding.DecodeString(line)
	}
	return nil, fmt.Errorf("secrets: unknown encoding %q", encoding)
}

// ReadFile reads a file of at most 64 KiB, which belongs to the caller. Errors do
// not name it.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return b, withoutPath(err)
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// A Source is where the flags of a command say that secrets are.
type Source struct {
	File     string // from the flag -secret-file
	Encoding string // from the flag -secret-encoding
	Variable string // the environment variable that stands in for File
}

// ErrNone says that neither the flag nor the variable is set.
var ErrNone = errors.New("no secret is given")

// Check returns what is wrong with the flags.
func (s *Source) Check() error {
	if slices.Contains(encodings, s.Encoding) {
		return nil
	}
	return fmt.Errorf("-secret-encoding: %q is not text, base64 or hex", s.Encoding)
}

// text returns what is written in the file or in the variable, and where that
// was, for errors. It is [ErrNone] if nothing is set.
func (s *Source) text(getenv func(string) string) (text []byte, where string, err error) {
	if s.File != "" {
		where = "-secret-file: " + s.File
		if text, err = ReadFile(s.File); err != nil {
			return nil, where, fmt.Errorf("%s: %w", where, err)
		}
		return text, where, nil
	}
	if text := getenv(s.Variable); text != "" {
		return []byte(text), s.Variable, nil
	}
	return nil, "", ErrNone
}

// Read returns the secrets, at least one.
func (s *Source) Read(getenv func(string) string) ([][]byte, error) {
	text, where, err := s.text(getenv)
	if err != nil {
		return nil, err
	}
	found, err := Parse(text, s.Encoding)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return found, nil
}

// ReadKeys is Read for the SECRET_KEY of Django, which uses every character that
// it is given. If the text is one line with white space around it, the whole text
// comes after the secrets; lines is their number without it.
func (s *Source) ReadKeys(getenv func(string) string) (keys [][]byte, lines int, err error) {
	keys, err = s.Read(getenv)
	if err != nil || s.Encoding != "text" || len(keys) != 1 {
		return keys, len(keys), err
	}
	text, _, err := s.text(getenv)
	if err == nil && !bytes.Equal(text, keys[0]) {
		keys = append(keys, text)
	}
	return keys, 1, err
}
