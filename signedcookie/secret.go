package signedcookie

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

const (
	minSecret   = 32 // bytes
	minDistinct = 8  // different bytes; 32 random ones have 30
	maxPattern  = 10 // bytes of a word that is repeated to make a secret
	keySize     = 32
)

// checkSecret refuses secrets that cannot have been made at random. The error
// does not contain the secret.
func checkSecret(what string, secret []byte) error {
	var problem string
	switch {
	case len(secret) < minSecret:
		problem = fmt.Sprintf("has %d bytes", len(secret))
	case distinct(secret) < minDistinct:
		problem = fmt.Sprintf("consists of %d different bytes", distinct(secret))
	case repeats(secret):
		problem = "is a word again and again"
	default:
		return nil
	}
	return fmt.Errorf(`signedcookie: %s %s, which is not safe: use at least %d random bytes, for example the output of "openssl rand -base64 32"`, what, problem, minSecret)
}

// distinct returns the number of different bytes in b.
func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// repeats tells whether b is a short word again and again.
func repeats(b []byte) bool {
	for n := 1; n <= maxPattern; n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

// deriveKey derives the key for one purpose from a secret (HKDF-SHA-256, RFC
// 5869, without a salt). No key is used for two purposes, so that a cookie made
// for one of them is a forgery for all others.
func deriveKey(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "sessionengine signedcookie v1 "+purpose, keySize)
	if err != nil {
		panic("signedcookie: HKDF: " + err.Error()) // only for a key longer than 8160 bytes
	}
	return key
}
