package signedcookie

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"sessionengine/internal/secrets"
)

const keySize = 32

// ReadSecrets returns the secrets in a file: the first one for [New], the others
// for [Options.FallbackSecrets]. There is one a line, as with the flag
// -secret-file of sessionctl and of the comparison; a file that is not text is
// one secret. It has at most 64 KiB.
//
//	secrets, err := signedcookie.ReadSecrets("/run/secrets/session")
//	…
//	store, err := signedcookie.New(secrets[0], signedcookie.Options{FallbackSecrets: secrets[1:]})
//
// If there is no error there is at least one secret. Errors quote nothing of the
// file. Whether the secrets are good enough is for New to say.
func ReadSecrets(path string) ([][]byte, error) {
	text, err := secrets.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("signedcookie: %s: %w", path, err)
	}
	found, err := secrets.Parse(text, "text")
	if err != nil {
		return nil, fmt.Errorf("signedcookie: %s: %w", path, err)
	}
	return found, nil
}

// ParseSecrets is [ReadSecrets] for a text, such as that of an environment
// variable.
func ParseSecrets(text string) ([][]byte, error) {
	found, err := secrets.Parse([]byte(text), "text")
	if err != nil {
		return nil, fmt.Errorf("signedcookie: %w", err)
	}
	return found, nil
}

// checkSecret refuses secrets that cannot have been made at random. The error
// does not contain the secret.
func checkSecret(what string, secret []byte) error {
	if problem := secrets.Weakness(secret); problem != "" {
		return fmt.Errorf("signedcookie: %s %s, which is not safe: use at least 32 random bytes, "+
			`for example the output of "openssl rand -base64 32"`, what, problem)
	}
	return nil
}

// keyring has the keys that are made of one secret, for one context.
type keyring struct {
	secret  []byte
	context string
}

// derive returns the key for one purpose (HKDF-SHA-256, RFC 5869, without a
// salt). No key is used for two purposes or in two contexts, so that a cookie
// made for one of them is a forgery for all others. FORMAT.md shows that no two
// of them have the same info.
func (k keyring) derive(purpose string, size int) []byte {
	info := "sessionengine signedcookie v1 " + purpose
	if k.context != "" {
		info += "\x00" + k.context
	}
	key, err := hkdf.Key(sha256.New, k.secret, nil, info, size)
	if err != nil {
		panic("signedcookie: HKDF: " + err.Error()) // only for a key longer than 8160 bytes
	}
	return key
}
