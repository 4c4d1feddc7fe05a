package signedcookie

import "sessionengine/signedcookie/internal/siv"

// sealed is the envelope of the Sealed scheme: AES-SIV (RFC 5297) with AES-256,
// the cookie's name being the associated data.
//
// It needs no randomness, so that a cookie is 16 bytes longer than its payload
// and no more: the synthetic IV is the tag, too. FORMAT.md says why it is this
// cipher, and how many cookies a secret is good for.
type sealed struct {
	cipher *siv.Cipher
}

func newSealed(keys keyring) (sealed, error) {
	c, err := siv.New(keys.derive("sealed", 2*keySize))
	return sealed{c}, err
}

func (e sealed) seal(s *scratch, cookie string, payload []byte) ([]byte, error) {
	s.cookie = append(s.cookie[:0], cookie...)
	s.sealed = e.cipher.Seal(s.sealed[:0], payload, s.cookie)
	return s.sealed, nil
}

func (e sealed) open(s *scratch, cookie string, sealed []byte) (payload []byte, ok bool) {
	s.cookie = append(s.cookie[:0], cookie...)
	s.payload, ok = e.cipher.Open(s.payload[:0], sealed, s.cookie)
	return s.payload, ok
}
