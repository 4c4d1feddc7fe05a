package signedcookie

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"math"
	"strconv"
	"sync"
	"unsafe"

	"github.com/gorilla/securecookie"
)

// secureCookie is the envelope of the Signed and Encrypted schemes. What is in
// a cookie is the text that securecookie makes, packed: the text has base64 in
// base64, and a date in decimal. To be verified it is made again, character for
// character.
type secureCookie struct {
	pool sync.Pool // of *securecookie.SecureCookie
}

// macSize is the size of securecookie's MAC.
const macSize = sha256.Size

func newSecureCookie(keys keyring, encrypted bool) *secureCookie {
	var hashKey, blockKey []byte
	if encrypted {
		hashKey = keys.derive("encrypted hash", keySize)
		blockKey = keys.derive("encrypted block", keySize)
	} else {
		hashKey = keys.derive("signed hash", keySize)
	}
	e := new(secureCookie)
	e.pool.New = func() any {
		// The payload has its own expiry, and the store its own limit, which
		// counts the cookie's name too.
		return securecookie.New(hashKey, blockKey).MaxAge(0).MaxLength(0).SetSerializer(payloadSerializer{}).
			HashFunc(alternate(sha256.New(), sha256.New()))
	}
	return e
}

// alternate returns two hashes by turns, for an HMAC, which takes two. It saves
// making them for each cookie.
func alternate(a, b hash.Hash) func() hash.Hash {
	return func() hash.Hash {
		a, b = b, a
		a.Reset()
		return a
	}
}

func (e *secureCookie) seal(s *scratch, cookie string, payload []byte) ([]byte, error) {
	sc := e.pool.Get().(*securecookie.SecureCookie)
	defer e.pool.Put(sc)
	text, err := sc.Encode(cookie, payload)
	if err != nil {
		return nil, err
	}
	packed, ok := packSecureCookie(s, text)
	if !ok {
		return nil, errors.New("the clock is before 1970") // the one date that cannot be packed
	}
	return packed, nil
}

func (e *secureCookie) open(s *scratch, cookie string, packed []byte) (payload []byte, ok bool) {
	text, ok := unpackSecureCookie(s, packed)
	if !ok {
		return nil, false
	}
	sc := e.pool.Get().(*securecookie.SecureCookie)
	defer e.pool.Put(sc)
	err := sc.Decode(cookie, text, &s.opened)
	return s.opened, err == nil
}

// packSecureCookie packs what securecookie has made,
//
//	base64url(date ‖ "|" ‖ base64url(value) ‖ "|" ‖ MAC)
//
// with padding and the date in decimal, into
//
//	uvarint(date) ‖ value ‖ MAC
func packSecureCookie(s *scratch, text string) (packed []byte, ok bool) {
	s.text = append(s.text[:0], text...)
	s.joined, _ = base64.URLEncoding.AppendDecode(s.joined[:0], s.text)
	date, rest, _ := bytes.Cut(s.joined, []byte("|"))
	if len(rest) < 1+macSize {
		return nil, false
	}
	value, mac := rest[:len(rest)-1-macSize], rest[len(rest)-macSize:]
	seconds, err := strconv.ParseUint(string(date), 10, 63)
	if err != nil {
		return nil, false
	}
	s.sealed = binary.AppendUvarint(s.sealed[:0], seconds)
	if s.sealed, err = base64.URLEncoding.AppendDecode(s.sealed, value); err != nil {
		return nil, false
	}
	s.sealed = append(s.sealed, mac...)
	return s.sealed, true
}

// unpackSecureCookie makes the text again that was packed. It reports false if
// there is none. The text is a part of s, which securecookie copies.
func unpackSecureCookie(s *scratch, packed []byte) (text string, ok bool) {
	seconds, n := binary.Uvarint(packed)
	switch {
	case n <= 0 || seconds > math.MaxInt64:
		return "", false
	case n > 1 && packed[n-1] == 0: // another spelling of the same number
		return "", false
	case len(packed) < n+macSize:
		return "", false
	}
	value, mac := packed[n:len(packed)-macSize], packed[len(packed)-macSize:]
	s.joined = append(strconv.AppendUint(s.joined[:0], seconds, 10), '|')
	s.joined = append(base64.URLEncoding.AppendEncode(s.joined, value), '|')
	s.joined = append(s.joined, mac...)
	s.text = base64.URLEncoding.AppendEncode(s.text[:0], s.joined)
	return unsafe.String(unsafe.SliceData(s.text), len(s.text)), true
}

// payloadSerializer hands payloads to securecookie as they are.
type payloadSerializer struct{}

func (payloadSerializer) Serialize(src any) ([]byte, error) { return src.([]byte), nil }

func (payloadSerializer) Deserialize(src []byte, dst any) error {
	*dst.(*[]byte) = src
	return nil
}
