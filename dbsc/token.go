package dbsc

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"math"
	"sync"
	"time"
)

// kind is what a token is for, and its first byte. FORMAT.md has the tokens.
type kind byte

const (
	boundCookie      kind = 'B' // its time: when it expires; its subject: the binding's id
	offerCookie      kind = 'O' // when it was made; the user
	offerChallenge   kind = 'R' // the same as of the offer's cookie
	refreshChallenge kind = 'F' // when it was made; the binding's id
)

const (
	idBytes    = 16 // of a binding's id, and of an offer's nonce
	macBytes   = 16
	timeBytes  = 5 // seconds since 1970, enough until the year 36812
	shortToken = 1 + timeBytes + macBytes
	longToken  = shortToken + idBytes
)

// encoding is base64url without padding (RFC 4648, section 5), of one text for
// each value.
var encoding = base64.RawURLEncoding.Strict()

// nonce is what tells two offers of one second apart. Tokens of other kinds have
// none: they are the same for the same time and subject.
type nonce [idBytes]byte

func newNonce() (n nonce) {
	rand.Read(n[:])
	return n
}

// macs makes and checks message authentication codes, HMAC-SHA-256 (RFC 2104) cut
// to 16 bytes, with the first of the site's keys, or any of them.
type macs struct {
	pools []*sync.Pool // of *hasher, one for each key
}

// hasher is a keyed hash with room for what goes in and comes out.
type hasher struct {
	hash.Hash
	in  []byte
	out [sha256.Size]byte
}

// newMACs derives the keys from the secrets (HKDF-SHA-256, RFC 5869).
func newMACs(secrets [][]byte, info string) (*macs, error) {
	m := new(macs)
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, info, sha256.Size)
		if err != nil {
			return nil, err
		}
		m.pools = append(m.pools, &sync.Pool{New: func() any { return &hasher{Hash: hmac.New(sha256.New, key)} }})
	}
	return m, nil
}

// sum appends the code of head and subject to b. The first byte of head is a
// kind, which determines the length of head.
func (m *macs) sum(b []byte, key int, head []byte, subject string) []byte {
	h := m.pools[key].Get().(*hasher)
	defer m.pools[key].Put(h)
	h.Reset()
	h.in = append(append(h.in[:0], head...), subject...)
	h.Write(h.in)
	return append(b, h.Sum(h.out[:0])[:macBytes]...)
}

// check reports whether code is that of head and subject with any of the keys.
func (m *macs) check(code, head []byte, subject string) bool {
	var sum [macBytes]byte
	for key := range m.pools {
		if hmac.Equal(m.sum(sum[:0], key, head, subject), code) {
			return true
		}
	}
	return false
}

// seal returns a token.
func (m *macs) seal(k kind, at time.Time, n nonce, subject string) string {
	b := make([]byte, 0, longToken)
	b = append(b, byte(k))
	var seconds [8]byte
	binary.BigEndian.PutUint64(seconds[:], uint64(at.Unix()))
	b = append(b, seconds[8-timeBytes:]...)
	if k.long() {
		b = append(b, n[:]...)
	}
	return encoding.EncodeToString(m.sum(b, 0, b, subject))
}

func (k kind) long() bool { return k == offerCookie || k == offerChallenge }

// open returns the time and the nonce of a token, if it is one of that kind and
// subject that seal has made.
func (m *macs) open(k kind, token, subject string) (at time.Time, n nonce, ok bool) {
	size := shortToken
	if k.long() {
		size = longToken
	}
	var buf [longToken]byte
	if len(token) != encoding.EncodedLen(size) {
		return time.Time{}, n, false
	}
	if _, err := encoding.Decode(buf[:], []byte(token)); err != nil || kind(buf[0]) != k {
		return time.Time{}, n, false
	}
	head, code := buf[:size-macBytes], buf[size-macBytes:size]
	if !m.check(code, head, subject) {
		return time.Time{}, n, false
	}
	copy(n[:], head[1+timeBytes:])
	return timeIn(head), n, true
}

func timeIn(head []byte) time.Time {
	var seconds [8]byte
	copy(seconds[8-timeBytes:], head[1:][:timeBytes])
	return time.Unix(int64(binary.BigEndian.Uint64(seconds[:])&math.MaxInt64), 0)
}

// timeOf returns the time in a token that is known to be one of ours.
func timeOf(token string) time.Time {
	var buf [longToken]byte
	if len(token) > encoding.EncodedLen(longToken) {
		return time.Time{}
	}
	if _, err := encoding.Decode(buf[:], []byte(token)); err != nil {
		return time.Time{}
	}
	return timeIn(buf[:])
}
