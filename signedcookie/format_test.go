package signedcookie_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

// A reader reads cookies as FORMAT.md says. It is a second implementation,
// written from that document with the standard library and Tink's AES-SIV, and
// shares nothing with the package.
type reader struct {
	scheme       string
	secrets      [][]byte
	context      string
	cookie       string
	builtin      []byte
	dictionaries [][]byte
	limit        int
}

// Why a cookie is refused, as the vectors call it.
var (
	errTooLong      = errors.New("too long")
	errNotCanonical = errors.New("not canonical")
	errForged       = errors.New("forged")
	errMalformed    = errors.New("malformed")
	errTooLarge     = errors.New("too large")
	errExpired      = errors.New("expired")
)

func (r reader) read(value string, now int64) (data []byte, expires int64, err error) {
	if len(r.cookie)+len(value) > 4096 {
		return nil, 0, errTooLong
	}
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || base64.RawURLEncoding.EncodeToString(b) != value || value == "" {
		return nil, 0, errNotCanonical
	}
	for _, secret := range r.secrets {
		payload, ok := r.open(secret, b)
		if !ok {
			continue
		}
		data, expires, err = r.payload(payload)
		if err == nil && now >= expires {
			err = errExpired
		}
		return data, expires, err
	}
	return nil, 0, errForged
}

func (r reader) key(secret []byte, purpose string, size int) []byte {
	info := "sessionengine signedcookie v1 " + purpose
	if r.context != "" {
		info += "\x00" + r.context
	}
	key, err := hkdf.Key(sha256.New, secret, nil, info, size)
	if err != nil {
		panic(err)
	}
	return key
}

func (r reader) open(secret, b []byte) (payload []byte, ok bool) {
	if r.scheme == "sealed" {
		siv, err := subtle.NewAESSIV(r.key(secret, "sealed", 64))
		if err != nil {
			panic(err)
		}
		payload, err = siv.DecryptDeterministically(b, []byte(r.cookie))
		return payload, err == nil
	}
	date, n := binary.Uvarint(b)
	if n <= 0 || !bytes.Equal(binary.AppendUvarint(nil, date), b[:n]) || date >= 1<<63 || len(b) < n+32 {
		return nil, false
	}
	payload = b[n : len(b)-32]
	mac := hmac.New(sha256.New, r.key(secret, r.scheme+" hash", 32))
	fmt.Fprintf(mac, "%s|%d|%s", r.cookie, date, base64.URLEncoding.EncodeToString(payload))
	if !hmac.Equal(mac.Sum(nil), b[len(b)-32:]) {
		return nil, false
	}
	if r.scheme == "encrypted" {
		if len(payload) <= 16 {
			return nil, false
		}
		block, err := aes.NewCipher(r.key(secret, "encrypted block", 32))
		if err != nil {
			panic(err)
		}
		cipher.NewCTR(block, payload[:16]).XORKeyStream(payload[16:], payload[16:])
		payload = payload[16:]
	}
	return payload, true
}

func (r reader) payload(b []byte) (data []byte, expires int64, err error) {
	short := false
	take := func(n uint64) []byte {
		if n > uint64(len(b)) {
			short = true
			return make([]byte, 8)
		}
		field := b[:n]
		b = b[n:]
		return field
	}
	head := take(1)[0]
	if head>>5 != 1 {
		return nil, 0, errMalformed
	}
	if head&0x10 != 0 {
		b = bytes.TrimRight(b, "\x00")
		if !bytes.HasSuffix(b, []byte{0x80}) {
			return nil, 0, errMalformed
		}
		b = b[:len(b)-1]
	}
	if head&0x01 != 0 {
		expires = int64(binary.BigEndian.Uint64(take(8)))
	} else {
		expires = int64(binary.BigEndian.Uint32(take(4)))
	}
	if expires < 0 || expires > time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix() {
		return nil, 0, errMalformed
	}
	dictionary := r.builtin
	if head&0x08 != 0 {
		id := take(3)
		dictionary = nil
		for _, d := range r.dictionaries {
			if sum := sha256.Sum256(d); bytes.Equal(sum[:3], id[:3]) {
				dictionary = d
			}
		}
		if dictionary == nil || head&0x04 == 0 {
			return nil, 0, errMalformed
		}
	}
	var raw []byte
	if head&0x02 != 0 {
		n := uint64(take(1)[0])
		if n >= 0x80 {
			more := uint64(take(1)[0])
			if more >= 0x80 {
				return nil, 0, errMalformed
			}
			n = n&0x7f | more<<7
		}
		raw = take(n)
	}
	if short {
		return nil, 0, errMalformed
	}
	text := b
	if head&0x04 != 0 {
		src := bytes.NewReader(b)
		text, err = io.ReadAll(io.LimitReader(flate.NewReaderDict(src, dictionary), int64(r.limit)+1))
		if len(text) > r.limit {
			return nil, 0, errTooLarge
		}
		if err != nil || src.Len() != 0 {
			return nil, 0, errMalformed
		}
	}
	if head&0x02 == 0 {
		data = text
	} else if data, err = r.unpack(text, raw); err != nil {
		return nil, 0, err
	}
	if len(data) > r.limit {
		return nil, 0, errTooLarge
	}
	return data, expires, nil
}

func (r reader) unpack(text, raw []byte) ([]byte, error) {
	var out strings.Builder
	var runs []string
	for len(text) > 0 {
		mark := text[0]
		text = text[1:]
		if mark < 0xf8 {
			out.WriteByte(mark)
			continue
		}
		n := 16
		if mark != 0xf9 {
			if len(text) == 0 {
				return nil, errMalformed
			}
			n = int(text[0])
			text = text[1:]
		}
		if mark == 0xfd {
			if n >= len(runs) || n >= 32 {
				return nil, errMalformed
			}
			out.WriteString(runs[n])
			continue
		}
		from := &raw
		if mark == 0xfc {
			from = &text
		}
		if n > len(*from) {
			return nil, errMalformed
		}
		b := (*from)[:n]
		*from = (*from)[n:]
		run := ""
		switch mark {
		case 0xf8:
			run = hex.EncodeToString(b)
		case 0xf9:
			run = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		case 0xfa, 0xfc:
			run = base64.RawURLEncoding.EncodeToString(b)
		case 0xfb:
			run = base64.RawStdEncoding.EncodeToString(b)
		case 0xfe:
			if n > 8 {
				return nil, errMalformed
			}
			run = new(big.Int).SetBytes(b).String()
		default:
			return nil, errMalformed
		}
		runs = append(runs, run)
		out.WriteString(run)
	}
	if len(raw) > 0 {
		return nil, errMalformed
	}
	return []byte(out.String()), nil
}

func builtinDictionary(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/dictionary.bin")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFormatReadsWhatTheStoreWrites(t *testing.T) {
	trained := []byte(`{"cart":{"userid":,"product_id":,"name":"","quantity":1,"price":"9.00",` +
		`"image":"/media/products/.jpg"}}`)
	expiries := []time.Time{time.Now().Add(time.Hour), time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC),
		time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	var sessions [][]byte
	for _, kind := range []string{"visitor", "login", "cart", "oidc", "rails", "laravel", "express", "cart-vi",
		"checkout-ja", "large-cart", "flashes"} {
		sessions = append(sessions, corpus(t, kind)[:3]...)
	}
	sessions = append(sessions, []byte("{}"), nil,
		bytes.Repeat([]byte(`{"a":"0123456789abcdef0123456789abcdef"}`), 100),
		bytes.Repeat([]byte(`{"name":"not packed, and long"},`), 200))
	for _, scheme := range schemes {
		for _, opts := range []signedcookie.Options{
			{},
			{Dictionary: trained},
			{PadTo: 64},
			{Context: "shop"},
		} {
			if opts.PadTo > 0 && scheme == signedcookie.Signed {
				continue
			}
			opts.Scheme = scheme
			opts.CacheBytes = -1
			store := newStore(t, opts)
			second := reader{
				scheme:       scheme.String(),
				secrets:      [][]byte{secret(2), secret(1)},
				context:      opts.Context,
				cookie:       session.DefaultCookieName,
				builtin:      builtinDictionary(t),
				dictionaries: [][]byte{opts.Dictionary},
				limit:        64 << 10,
			}
			for i, data := range sessions {
				expires := expiries[i%len(expiries)]
				token, err := store.Save(t.Context(), "", &session.Record{Data: data, Expires: expires})
				if err != nil {
					t.Fatalf("Save of session %d: %v", i, err)
				}
				got, gotExpires, err := second.read(token, time.Now().Unix())
				if err != nil {
					t.Fatalf("%v: session %d, read as FORMAT.md says: %v", scheme, i, err)
				}
				if !bytes.Equal(got, data) || gotExpires != expires.Unix() {
					t.Errorf("%v: session %d, read as FORMAT.md says, is not what was saved", scheme, i)
				}
			}
		}
	}
}

func TestFormatNamesTheDictionary(t *testing.T) {
	file := builtinDictionary(t)
	if string(file) != signedcookie.BuiltinWords {
		t.Error("testdata/dictionary.bin is not the built-in dictionary")
	}
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(file)); !bytes.Contains(doc, []byte(sum)) {
		t.Errorf("FORMAT.md does not have the dictionary's SHA-256, which is %s", sum)
	}
}

// A vector is one file of testdata/vectors: see FORMAT.md.
type vector struct {
	comment, scheme, context, cookie, expect, session string
	secrets, dictionaries                             [][]byte
	limit                                             int
	now, expires                                      int64
	value                                             string
}

func readVector(file string) (vector, error) {
	v := vector{limit: 64 << 10}
	text, err := os.ReadFile(file)
	if err != nil {
		return v, err
	}
	head, value, ok := strings.Cut(string(text), "\n\n")
	if !ok {
		return v, errors.New("no empty line")
	}
	if v.value, ok = strings.CutSuffix(value, "\n"); !ok {
		return v, errors.New("no line break at the end")
	}
	seen := make(map[string]bool)
	for line := range strings.SplitSeq(head, "\n") {
		key, text, ok := strings.Cut(line, ": ")
		if !ok {
			return v, fmt.Errorf("line %q is not key: value", line)
		}
		if seen[key] && key != "fallback" && key != "dictionary" {
			return v, fmt.Errorf("key %q twice", key)
		}
		seen[key] = true
		switch key {
		case "comment":
			v.comment = text
		case "scheme":
			v.scheme = text
		case "context":
			v.context = text
		case "cookie":
			v.cookie = text
		case "expect":
			v.expect = text
		case "session":
			v.session = text
		case "limit":
			v.limit, err = strconv.Atoi(text)
		case "now":
			v.now, err = strconv.ParseInt(text, 10, 64)
		case "expires":
			v.expires, err = strconv.ParseInt(text, 10, 64)
		case "secret", "fallback":
			var secret []byte
			secret, err = hex.DecodeString(text)
			v.secrets = append(v.secrets, secret)
		case "dictionary":
			var d []byte
			d, err = hex.DecodeString(text)
			v.dictionaries = append(v.dictionaries, d)
		default:
			err = errors.New("unknown key")
		}
		if err != nil {
			return v, fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, key := range []string{"comment", "scheme", "secret", "cookie", "now", "expect"} {
		if !seen[key] {
			return v, fmt.Errorf("no %s", key)
		}
	}
	return v, nil
}
