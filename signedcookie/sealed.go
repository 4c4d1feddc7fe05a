package signedcookie

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"sync"
)

// sealed is the envelope of the Sealed scheme:
//
//	base64url(salt ‖ AES-256-GCM(key = HMAC-SHA-256(K, salt), nonce = 0, data = payload, additional data = cookie name))
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
func (e *sealed) aead(salt []byte) (cipher.AEAD, error) {
	mac := e.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(salt)
	var key [sha256.Size]byte
	mac.Sum(key[:0])
	e.macs.Put(mac)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("signedcookie: %w", err)
	}
	return cipher.NewGCM(block)
}

var zeroNonce [12]byte

func (e *sealed) seal(cookie string, payload []byte) (string, error) {
	b := make([]byte, saltSize, saltSize+len(payload)+tagSize)
	rand.Read(b) // never fails
	aead, err := e.aead(b)
	if err != nil {
		return "", err
	}
	b = aead.Seal(b, zeroNonce[:], payload, []byte(cookie))
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func (e *sealed) open(cookie, value string) (payload []byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) < saltSize+tagSize {
		return nil, false
	}
	salt, ciphertext := b[:saltSize], b[saltSize:]
	aead, err := e.aead(salt)
	if err != nil {
		return nil, false
	}
	payload, err = aead.Open(ciphertext[:0], zeroNonce[:], ciphertext, []byte(cookie))
	return payload, err == nil
}
