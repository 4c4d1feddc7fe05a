package signedcookie

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"slices"
	"sync"
)

// sealed is the envelope of the Sealed scheme:
//
//	base64url(salt ‖ AES-256-GCM(key = HMAC-SHA-256(K, salt), nonce = 0, data = payload,
//	                             additional data = cookie name))
//
// Each cookie has a key of its own, made from a random salt of 128 bits. A nonce
// of zeros is safe then, since no key is used twice: two of 2^48 cookies have
// the same salt with a probability of 2^-33. AES-GCM with one key and random
// nonces, of 96 bits, reaches that after 2^32 cookies (NIST SP 800-38D, section
// 8.3), which a busy site writes within months.
type sealed struct {
	macs sync.Pool // of hash.Hash: HMAC-SHA-256 with K
}

const (
	saltSize = 16
	tagSize  = 16
)

func newSealed(secret []byte) *sealed {
	key := deriveKey(secret, "sealed")
	e := new(sealed)
	e.macs.New = func() any { return hmac.New(sha256.New, key) }
	return e
}

// aead returns the cipher of the cookie with a salt.
func (e *sealed) aead(s *scratch, salt []byte) (cipher.AEAD, error) {
	mac := e.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(salt)
	mac.Sum(s.key[:0])
	e.macs.Put(mac)
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var zeroNonce [12]byte

func (e *sealed) seal(s *scratch, cookie string, payload []byte) (string, error) {
	s.sealed = append(s.sealed[:0], make([]byte, saltSize)...)
	rand.Read(s.sealed) // never fails
	aead, err := e.aead(s, s.sealed)
	if err != nil {
		return "", err
	}
	s.cookie = append(s.cookie[:0], cookie...)
	s.sealed = aead.Seal(s.sealed, zeroNonce[:], payload, s.cookie)
	return base64.RawURLEncoding.EncodeToString(s.sealed), nil
}

func (e *sealed) open(s *scratch, cookie, value string) (payload []byte, ok bool) {
	s.payload = append(s.payload[:0], value...)
	s.sealed = slices.Grow(s.sealed[:0], base64.RawURLEncoding.DecodedLen(len(value)))
	n, err := base64.RawURLEncoding.Decode(s.sealed[:cap(s.sealed)], s.payload)
	if err != nil || n < saltSize+tagSize {
		return nil, false
	}
	salt, ciphertext := s.sealed[:saltSize:saltSize], s.sealed[saltSize:n]
	aead, err := e.aead(s, salt)
	if err != nil {
		return nil, false
	}
	s.cookie = append(s.cookie[:0], cookie...)
	payload, err = aead.Open(s.payload[:0], zeroNonce[:], ciphertext, s.cookie)
	return payload, err == nil
}
