package dbstore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
)

// A token is what Django calls a session key: 32 characters of a-z and 0-9
// (django/contrib/sessions/backends/base.py, _get_new_session_key), which is
// 32·log2(36) = 165 random bits.
const (
	tokenLen      = 32
	tokenAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// With raw keys, tokens that Django or another program made are accepted, from
// the length that Django accepts (_validate_session_key) to the width of the
// column.
const (
	minRawTokenLen = 8
	maxRawTokenLen = 40
)

// newToken returns a fresh token.
func newToken() string {
	// 252 is the largest multiple of 36 that a byte holds: taking the
	// remainder of smaller bytes only keeps every character equally likely.
	const unbiased = 256 - 256%len(tokenAlphabet)
	var token [tokenLen]byte
	var random [tokenLen + 8]byte
	for n := 0; n < tokenLen; {
		rand.Read(random[:])
		for _, b := range random {
			if int(b) < unbiased && n < tokenLen {
				token[n] = tokenAlphabet[int(b)%len(tokenAlphabet)]
				n++
			}
		}
	}
	return string(token[:])
}

// keyEncoding spells a hash in the digits of RFC 4648, section 7, in lower
// case: 25 bytes become 40 characters, the width of Django's column, and no two
// hashes differ in case only.
var keyEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// keyBytes is how much of the SHA-256 is stored. 200 bits leave the
// 165 of the token whole.
const keyBytes = 25

const keyLen = keyBytes * 8 / 5

// rawKey returns what the table's session_key holds for token with raw keys,
// and false for a token that no session can have.
func rawKey(token string) (string, bool) {
	return token, len(token) >= minRawTokenLen && len(token) <= maxRawTokenLen && inTokenAlphabet(token)
}

// storedKey returns what the table's session_key holds for a token of a cookie,
// and false for a token that no session can have. What is hashed is the token,
// whose length is fixed, and after it the cookie's name, so that no two pairs
// are hashed alike.
func storedKey(cookie, token string) (string, bool) {
	if len(token) != tokenLen || !inTokenAlphabet(token) {
		return "", false
	}
	var buf [tokenLen + 64]byte // names are short
	sum := sha256.Sum256(append(append(buf[:0], token...), cookie...))
	var key [keyLen]byte
	keyEncoding.Encode(key[:], sum[:keyBytes])
	return string(key[:]), true
}

func inTokenAlphabet(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
