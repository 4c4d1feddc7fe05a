package django

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"

	"sessionengine/session"
)

// What follows is TimestampSigner.sign_object and unsign_object of
// django/core/signing.py, which dumps and loads are made of:
//
//	text ":" timestamp ":" signature
//
// The text is base64url without padding, of the serialized object, or after a
// "." of the same compressed by zlib. The timestamp is a Unix time in base 62.
// The signature is the base64url of an HMAC over all that is before its colon.

// base64URL is what signing.py calls b64_encode.
var base64URL = base64.RawURLEncoding.Strict()

// saltedHMAC is salted_hmac of django/utils/crypto.py, for one salt and secret.
// It is safe for concurrent use.
type saltedHMAC struct {
	size int
	pool sync.Pool // of hash.Hash
}

func newSaltedHMAC(newHash func() hash.Hash, salt, secret string) *saltedHMAC {
	h := newHash()
	io.WriteString(h, salt)
	io.WriteString(h, secret)
	key := h.Sum(nil)
	return &saltedHMAC{
		size: h.Size(),
		pool: sync.Pool{New: func() any { return hmac.New(newHash, key) }},
	}
}

// sum returns the HMAC of value.
func (m *saltedHMAC) sum(value string) []byte {
	h := m.pool.Get().(hash.Hash)
	defer m.pool.Put(h)
	h.Reset()
	io.WriteString(h, value)
	return h.Sum(make([]byte, 0, m.size))
}

// signature returns the HMAC of value as signing.py writes it.
func (m *saltedHMAC) signature(value string) string {
	return base64URL.EncodeToString(m.sum(value))
}

// signer is a TimestampSigner for one salt.
type signer struct {
	macs  []*saltedHMAC // the first one signs
	limit int           // bytes of a text, before compression

	deflaters sync.Pool // of *deflater
	inflaters sync.Pool // of *inflater
}

func newSigner(salt string, keys []string, withSHA1 bool, limit int) *signer {
	s := &signer{limit: limit}
	for _, key := range keys {
		s.macs = append(s.macs, newSaltedHMAC(sha256.New, salt+"signer", key))
	}
	if withSHA1 {
		for _, key := range keys {
			s.macs = append(s.macs, newSaltedHMAC(sha1.New, salt+"signer", key))
		}
	}
	return s
}

// dumps signs a text, compressed if that makes it shorter.
func (s *signer) dumps(text []byte, timestamp int64) string {
	d, ok := s.deflaters.Get().(*deflater)
	if !ok {
		d = newDeflater()
	}
	defer s.deflaters.Put(d)
	compressed := d.deflate(text)

	prefix, body := "", text
	if len(compressed) < len(text)-1 {
		prefix, body = ".", compressed
	}
	b := make([]byte, 0, len(prefix)+base64URL.EncodedLen(len(body))+1+maxBase62Len+1+base64URL.EncodedLen(sha256.Size))
	b = append(b, prefix...)
	b = base64URL.AppendEncode(b, body)
	b = append(b, ':')
	b = appendBase62(b, timestamp)
	signature := s.macs[0].signature(string(b))
	b = append(b, ':')
	return string(append(b, signature...))
}

// errSignature says that something was not signed with one of our keys;
// errContent that it was, and is not what Django writes.
var (
	errSignature = errors.New("the signature does not match")
	errContent   = errors.New("what was signed cannot be read")
	errTooLong   = errors.New("what was signed is longer than Options.MaxBytes")
)

// loads returns a signed text. Nothing of it is looked at before the signature
// has been verified.
func (s *signer) loads(signed string) (text []byte, timestamp int64, err error) {
	i := strings.LastIndexByte(signed, ':')
	if i < 0 || !s.verify(signed[:i], signed[i+1:]) {
		return nil, 0, errSignature
	}
	body, stamp, ok := cutLast(signed[:i], ':')
	if !ok {
		return nil, 0, errContent
	}
	if timestamp, ok = parseBase62(stamp); !ok {
		return nil, 0, errContent
	}
	body, compressed := strings.CutPrefix(body, ".")
	b, err := base64URL.DecodeString(body)
	if err != nil || base64URL.EncodedLen(len(b)) != len(body) { // the decoder skips line breaks
		return nil, 0, errContent
	}
	if compressed {
		b, err = s.inflate(b)
	} else if len(b) > s.limit {
		err = errTooLong
	}
	return b, timestamp, err
}

// verify compares signatures in their encoded form, as Django does, so that
// there is one text only for each signature.
func (s *signer) verify(value, signature string) bool {
	for _, mac := range s.macs {
		if len(signature) == base64URL.EncodedLen(mac.size) &&
			hmac.Equal([]byte(mac.signature(value)), []byte(signature)) {
			return true
		}
	}
	return false
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// compressionLevel is the lowest one whose texts are as short as Django's. Those
// below leave a text without repetitions as it is, where Huffman codes alone
// save a quarter of a session of random tokens.
const compressionLevel = 7

// deflater compresses one text after another.
type deflater struct {
	out bytes.Buffer
	w   *zlib.Writer
}

func newDeflater() *deflater {
	d := new(deflater)
	d.w, _ = zlib.NewWriterLevel(&d.out, compressionLevel) // fails for an invalid level only
	return d
}

// deflate returns a zlib stream, which is valid until the next call.
func (d *deflater) deflate(text []byte) []byte {
	d.out.Reset()
	d.w.Reset(&d.out)
	d.w.Write(text) // a bytes.Buffer takes everything
	d.w.Close()
	return d.out.Bytes()
}

// inflater decompresses one text after another.
type inflater struct {
	src bytes.Reader
	r   io.ReadCloser // a zlib reader of src
}

// inflate decompresses a zlib stream that must end with b. Of one that holds
// more than s.limit bytes it decompresses hardly more than s.limit.
func (s *signer) inflate(b []byte) ([]byte, error) {
	f, ok := s.inflaters.Get().(*inflater)
	if !ok {
		f = new(inflater)
	}
	defer s.inflaters.Put(f)
	f.src.Reset(b)
	defer f.src.Reset(nil)
	var err error
	if f.r == nil {
		f.r, err = zlib.NewReader(&f.src)
	} else {
		err = f.r.(zlib.Resetter).Reset(&f.src, nil)
	}
	if err != nil {
		return nil, errContent
	}
	var text bytes.Buffer
	switch _, err := text.ReadFrom(io.LimitReader(f.r, int64(s.limit)+1)); {
	case err != nil:
		return nil, errContent
	case text.Len() > s.limit:
		return nil, errTooLong
	case f.src.Len() > 0:
		return nil, errContent
	}
	return text.Bytes(), nil
}

// base62 is the alphabet of b62_encode in signing.py (and of
// django/utils/baseconv.py before Django 4.0).
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// maxBase62Len is the length of the longest timestamp that is read: a sign and
// ten digits, which an int64 holds.
const maxBase62Len = 11

// appendBase62 is b62_encode.
func appendBase62(b []byte, n int64) []byte {
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	var digits [11]byte
	i := len(digits)
	for {
		i--
		digits[i] = base62[n%62]
		if n /= 62; n == 0 {
			return append(b, digits[i:]...)
		}
	}
}

// parseBase62 is b62_decode. It accepts what appendBase62 writes.
func parseBase62(s string) (n int64, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || len(digits) > maxBase62Len-1 || digits[0] == '0' && s != "0" {
		return 0, false
	}
	for i := range len(digits) {
		v := strings.IndexByte(base62, digits[i])
		if v < 0 {
			return 0, false
		}
		n = n*62 + int64(v)
	}
	if negative {
		n = -n
	}
	return n, true
}

// unreadable is the error of a session that was loaded and is not there: why is
// one of this package's own reasons.
func unreadable(why error) error {
	if why == errSignature {
		return session.ErrInvalidToken
	}
	return &unreadableError{why}
}

// unreadableError matches session.ErrInvalidToken and tells an operator why.
type unreadableError struct{ why error }

func (e *unreadableError) Error() string   { return "django: " + e.why.Error() }
func (e *unreadableError) Unwrap() []error { return []error{session.ErrInvalidToken, e.why} }
