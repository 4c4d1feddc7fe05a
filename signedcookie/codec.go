package signedcookie

import (
	"errors"
	"sync"
	"time"

	"sessionengine/session"
)

// envelope protects a payload with one key.
type envelope interface {
	// seal returns a cookie's value. It may overwrite payload, and keeps no
	// reference to it.
	seal(s *scratch, cookie string, payload []byte) (string, error)

	// open returns the payload of a value, which is canonical base64, if it was
	// sealed with this key for this cookie. The payload may be a part of s.
	open(s *scratch, cookie, value string) (payload []byte, ok bool)
}

// scratch is what encoding or decoding one cookie needs besides its result.
type scratch struct {
	packer   packer
	payload  buffer
	deflated buffer
	inflater inflater
	sealed   buffer
	key      [keySize]byte
	cookie   []byte
}

// buffer is an io.Writer that appends to itself.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// codec turns a session into the value of a cookie and back. It decodes nothing
// but what it has encoded for that cookie, character for character, and looks at
// nothing that is not authenticated. It is safe for concurrent use.
type codec struct {
	payloads  *payloads
	envelopes []envelope // one for each secret; the first one seals
	padded    bool       // whether the base64 of a value is padded
	pool      sync.Pool  // of *scratch
}

func (c *codec) scratch() *scratch {
	if s, ok := c.pool.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// encode returns the value of the named cookie for a session that is valid until
// expires, a part of a second dropped. It keeps no reference to data.
func (c *codec) encode(cookie string, data []byte, expires time.Time) (string, error) {
	s := c.scratch()
	defer c.pool.Put(s)
	value, err := c.envelopes[0].seal(s, cookie, c.payloads.encode(s, data, expires))
	if err != nil {
		return "", errors.New("signedcookie: the cookie could not be sealed") // err might tell of its content
	}
	return value, nil
}

// decode returns what was given to encode; data is the caller's. Whether it has
// expired is not looked at.
func (c *codec) decode(cookie, value string) ([]byte, time.Time, error) {
	if !canonicalBase64(value, c.padded) {
		return nil, time.Time{}, session.ErrInvalidToken
	}
	s := c.scratch()
	defer c.pool.Put(s)
	for _, e := range c.envelopes {
		if payload, ok := e.open(s, cookie, value); ok {
			return c.payloads.decode(s, payload)
		}
	}
	return nil, time.Time{}, session.ErrInvalidToken
}

// canonicalBase64 reports whether s is what an encoder of base64url (RFC 4648,
// section 5) writes. Decoders of encoding/base64 skip line breaks, and unless
// they are strict they ignore the bits of the last character that stand for
// nothing, so that several texts decode to the same bytes.
func canonicalBase64(s string, padded bool) bool {
	if padded {
		if len(s)%4 != 0 {
			return false
		}
		for range 2 {
			if n := len(s); n > 0 && s[n-1] == '=' {
				s = s[:n-1]
			}
		}
	}
	if len(s) == 0 {
		return false
	}
	var last uint8
	for i := range len(s) {
		if last = base64Value[s[i]]; last == notBase64 {
			return false
		}
	}
	switch len(s) % 4 {
	case 1:
		return false
	case 2:
		return last&0x0f == 0
	case 3:
		return last&0x03 == 0
	}
	return true
}

const notBase64 = 0xff

var base64Value = func() (value [256]uint8) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for c := range value {
		value[c] = notBase64
	}
	for v, c := range alphabet {
		value[c] = uint8(v)
	}
	return value
}()
