package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// secretVariable is the environment variable that stands in for -secret-file.
const secretVariable = "SESSIONCTL_SECRET"

// secrets is where secrets are, as the flags tell it.
type secrets struct {
	file     string
	encoding string
}

func secretFlags(flags *flag.FlagSet) *secrets {
	s := new(secrets)
	flags.StringVar(&s.file, "secret-file", "", "a `file` with the site's secret, or with several, one a line; by default,\nwhat "+secretVariable+" says")
	flags.StringVar(&s.encoding, "secret-encoding", "text", "the secret's `encoding`: text, or base64 or hex if the site decodes it")
	return s
}

// check finds mistakes in the flags.
func (s *secrets) check() error {
	switch s.encoding {
	case "text", "base64", "hex":
		return nil
	}
	return usagef("-secret-encoding is text, base64 or hex")
}

// read returns the secrets, at least one. Errors do not quote them.
func (s *secrets) read(sys *system, what string) ([][]byte, error) {
	source, text := secretVariable, sys.getenv(secretVariable)
	if s.file != "" {
		b, err := readFile("-secret-file", s.file)
		if err != nil {
			return nil, err
		}
		source, text = s.file, string(b)
	} else if text == "" {
		return nil, usagef("%s: give the site's secret in -secret-file or %s", what, secretVariable)
	}
	var found [][]byte
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		secret, err := s.decode(line)
		if err != nil {
			return nil, fmt.Errorf("%s: secret %d is not %s", source, len(found)+1, s.encoding)
		}
		found = append(found, secret)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: there is no secret", source)
	}
	return found, nil
}

func (s *secrets) decode(line string) ([]byte, error) {
	switch s.encoding {
	case "base64":
		return base64.StdEncoding.DecodeString(line)
	case "hex":
		return hex.DecodeString(line)
	}
	return []byte(line), nil
}

// readFile reads the file that a flag names.
func readFile(flag, path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %s: %w", flag, path, e.Err)
	}
	return b, err
}
