package redisstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A token is a tag and a secret, in base64url (RFC 4648, section 5). Their sizes are
// multiples of three bytes, so that each text stands for other bytes, and the tag
// can be cut off the text.
const (
	tagBytes    = 9
	secretBytes = 18
	tagLen      = tagBytes / 3 * 4
	tokenLen    = (tagBytes + secretBytes) / 3 * 4

	// hashBytes is how much of the SHA-256 is in a key. 192 bits leave the 144
	// of the secret whole.
	hashBytes = 24
	hashLen   = hashBytes / 3 * 4
)

// randomToken returns a fresh token.
func randomToken() string { return randomText(tagBytes + secretBytes) }

// renewedToken returns a token with the tag of another and a secret of its own.
func renewedToken(token string) string { return token[:tagLen] + randomText(secretBytes) }

// randomText returns n random bytes, a multiple of three, in base64url.
func randomText(n int) string {
	var random [tagBytes + secretBytes]byte
	var text [tokenLen]byte
	rand.Read(random[:n])
	base64.RawURLEncoding.Encode(text[:], random[:n])
	return string(text[:n/3*4])
}

// isToken reports whether a client may have been given this text as its token.
func isToken(s string) bool {
	return len(s) == tokenLen && isText(s)
}

// isText reports whether s is made of the characters of base64url.
func isText(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// hash returns the text that stands for the given texts in keys. What has a fixed
// length comes first, so that no two pairs are hashed alike.
func hash(first, second string) string {
	var buf [tokenLen + 256]byte
	sum := sha256.Sum256(append(append(buf[:0], first...), second...))
	var text [hashLen]byte
	base64.RawURLEncoding.Encode(text[:], sum[:hashBytes])
	return string(text[:])
}

// key returns the key of the session that token stands for, and false for a token
// that no session can have.
func (s *Store) key(token string) (string, bool) {
	if !isToken(token) {
		return "", false
	}
	return s.sessionKey(token[:tagLen], hash(token, s.cookie)), true
}

func (s *shared) sessionKey(tag, hash string) string { return s.opts.Prefix + ":{" + tag + "}:" + hash }
