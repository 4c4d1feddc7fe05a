package main

import (
	"errors"
	"flag"
	"fmt"

	"sessionengine/internal/secrets"
)

// secretVariable is the environment variable that stands in for -secret-file.
const secretVariable = "SESSIONCTL_SECRET"

func secretFlags(flags *flag.FlagSet) *secrets.Source {
	s := &secrets.Source{Variable: secretVariable}
	flags.StringVar(&s.File, "secret-file", "",
		"a `file` with the site's secret, or with several, one a line; by default,\nwhat "+secretVariable+" says")
	flags.StringVar(&s.Encoding, "secret-encoding", "text",
		"the secret's `encoding`: text, or base64 or hex if the site decodes it")
	return s
}

// explainSecrets says what the secrets are needed for if there are none.
func explainSecrets(err error, what string) error {
	if errors.Is(err, secrets.ErrNone) {
		return usagef("%s: give the site's secret in -secret-file or %s", what, secretVariable)
	}
	return err
}

// readFile reads the file that a flag names.
func readFile(flag, path string) ([]byte, error) {
	b, err := secrets.ReadFile(path)
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", flag, path, err)
	}
	return b, err
}
