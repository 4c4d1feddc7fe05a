package signedcookie

import (
	"errors"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// envelope protects a payload with the keys of one secret.
type envelope interface {
	// seal returns what a cookie's value has in base64. It may overwrite payload,
	// and keeps no reference to it. What it returns may be a part of s.
	seal(s *scratch, cookie string, payload []byte) ([]byte, error)

	// open returns the payload that was sealed with these keys for this cookie.
	// It leaves what was sealed as it is. The payload may be a part of s.
	open(s *scratch, cookie string, sealed []byte) (payload []byte, ok bool)
}

// scratch is what encoding or decoding one cookie needs besides its result.
type scratch struct {
	packer   packer
	payload  buffer
	deflated buffer
	inflater inflater
	unpacked buffer
	value    buffer // in base64
	sealed   buffer
	cookie   buffer
	joined   buffer // securecookie's, without the outer base64
	text     buffer // securecookie's
	opened   []byte // the payload that securecookie gives, which is none of ours
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
	sealed, err := c.envelopes[0].seal(s, cookie, c.payloads.encode(s, data, expires))
	if err != nil {
		return "", errors.New("signedcookie: the cookie could not be sealed") // err might tell of its content
	}
	s.value = base64URL.AppendEncode(s.value[:0], sealed)
	return string(s.value), nil
}

// decode returns what was given to encode; data is the caller's. Whether it has
// expired is not looked at.
func (c *codec) decode(cookie, value string) ([]byte, time.Time, error) {
	s := c.scratch()
	defer c.pool.Put(s)
	if sealed, ok := s.decodeBase64(value); ok {
		for _, e := range c.envelopes {
			if payload, ok := e.open(s, cookie, sealed); ok {
				return c.payloads.decode(s, payload)
			}
		}
	}
	return nil, time.Time{}, session.ErrInvalidToken
}

// decodeBase64 decodes base64url without padding (RFC 4648, section 5). It
// accepts what an encoder writes, and no other spelling of the same bytes: not
// the line breaks either that encoding/base64 skips, even when it is strict.
func (s *scratch) decodeBase64(value string) (decoded []byte, ok bool) {
	if value == "" || strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		return nil, false
	}
	s.value = append(s.value[:0], value...)
	var err error
	s.sealed, err = base64URL.AppendDecode(s.sealed[:0], s.value)
	return s.sealed, err == nil
}
