package signedcookie

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

const (
	minSecret   = 32 // bytes
	minDistinct = 8  // different bytes; 32 random ones have 30
	keySize     = 32
)

// checkSecret refuses secrets that cannot have been made at random. The error
// does not contain the secret.
func checkSecret(what string, secret []byte) error {
	problem := ""
	if len(secret) < minSecret {
		problem = fmt.Sprintf("has %d bytes", len(secret))
	} else {
		var seen [256]bool
		distinct := 0
		for _, b := range secret {
			if !seen[b] {
				seen[b] = true
				distinct++
			}
		}
		if distinct >= minDistinct {
			return nil
		}
		problem = fmt.Sprintf("consists of %d different bytes", distinct)
	}
	return fmt.Errorf(`signedcookie: %s %s, and is not safe: use at least %d random bytes, for example the output of "openssl rand -base64 32"`, what, problem, minSecret)
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
