package signedcookie_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/flate"

	"sessionengine/internal/testserver"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

var addVectors = flag.Bool("add-vectors", false,
	"write the vectors of vectorMakers that have no file in testdata/vectors yet")

func TestVectors(t *testing.T) {
	if *addVectors {
		writeVectors(t)
	}
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) < len(vectorMakers) {
		t.Fatalf("%d files in testdata/vectors (%v), want %d or more", len(files), err, len(vectorMakers))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			v, err := readVector(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run("store", func(t *testing.T) { synctest.Test(t, v.testStore) })
			t.Run("reader", func(t *testing.T) { v.testReader(t) })
		})
	}
}

// testStore runs in a bubble, so that the clock can be set.
func (v vector) testStore(t *testing.T) {
	time.Sleep(time.Until(time.Unix(v.now, 0)))
	opts := signedcookie.Options{FallbackSecrets: v.secrets[1:], FallbackDictionaries: v.dictionaries,
		MaxDataBytes: v.limit, Context: v.context}
	for _, scheme := range schemes {
		if scheme.String() == v.scheme {
			opts.Scheme = scheme
		}
	}
	if opts.Scheme.String() != v.scheme {
		t.Fatalf("unknown scheme %q", v.scheme)
	}
	store, err := signedcookie.New(v.secrets[0], opts)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := store.ForCookie(v.cookie)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache, if at all
		rec, err := bound.Load(t.Context(), v.value)
		switch v.expect {
		case "success":
			if err != nil {
				t.Fatalf("Load: %v", err)
			}
			if string(rec.Data) != v.session || rec.Expires.Unix() != v.expires {
				t.Errorf("Load gave %d bytes that expire at %d, want %d bytes and %d", len(rec.Data),
					rec.Expires.Unix(), len(v.session), v.expires)
			}
		case "expired":
			if !errors.Is(err, session.ErrExpired) {
				t.Errorf("Load gave %v, want %v", err, session.ErrExpired)
			}
		case "too long", "not canonical", "forged", "malformed", "too large":
			if !errors.Is(err, session.ErrInvalidToken) {
				t.Errorf("Load gave %v, want %v", err, session.ErrInvalidToken)
			}
		default:
			t.Fatalf("unknown expect %q", v.expect)
		}
	}
}

func (v vector) testReader(t *testing.T) {
	r := reader{v.scheme, v.secrets, v.context, v.cookie, builtinDictionary(t), v.dictionaries, v.limit}
	data, expires, err := r.read(v.value, v.now)
	if v.expect != "success" {
		if err == nil || err.Error() != v.expect {
			t.Errorf("reading it as FORMAT.md says gave %v, want %s", err, v.expect)
		}
		return
	}
	if err != nil {
		t.Fatalf("reading it as FORMAT.md says: %v", err)
	}
	if string(data) != v.session || expires != v.expires {
		t.Errorf("reading it as FORMAT.md says gave %d bytes that expire at %d, want %d bytes and %d", len(data),
			expires, len(v.session), v.expires)
	}
}

// A program in another language, which has been written from FORMAT.md, reads all
// vectors as they say.
func TestVectorsInPython(t *testing.T) {
	python := testserver.Python(t, "cryptography.hazmat.primitives.ciphers.aead")
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	cmd := exec.Command(python, append([]string{"testdata/reader.py", "testdata/dictionary.bin"}, files...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for _, file := range files {
		var got struct {
			File, Session, Refused string
			Expires                int64
		}
		if err := answers.Decode(&got); err != nil || got.File != file {
			t.Fatalf("no answer for %s: %v", file, err)
		}
		v, err := readVector(file)
		if err != nil {
			t.Fatal(err)
		}
		want := got
		if v.expect == "success" {
			want.Session, want.Expires, want.Refused = hex.EncodeToString([]byte(v.session)), v.expires, ""
		} else {
			want.Session, want.Expires, want.Refused = "", 0, v.expect
		}
		if got != want {
			t.Errorf("%s: read as %+v, want %+v", file, got, want)
		}
	}
}

// A vectorMaker makes a vector: by saving a session, or from a payload, or from
// another value.
type vectorMaker struct {
	name, comment string
	scheme        signedcookie.Scheme
	as            signedcookie.Scheme // makes the value instead of scheme if asOther is set
	asOther       bool
	session       string
	context       string
	savedIn       string // context that the value was made in
	padTo         int
	payload       []byte              // instead of session
	change        func(string) string // of the value
	expires       int64               // 0 means an hour after now
	expect        string              // "" means success
	savedWith     []byte              // secret that made the value, if it is not the store's
	fallback      bool                // savedWith is accepted
	savedFor      string              // cookie that the value was made for, if it is not the store's
	dictionary    []byte
	limit         int
}

const (
	vectorNow    = 1764500000
	vectorCookie = "sessionid"

	loginSession = `{"_auth_user_id":"20","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
		`"_auth_user_hash":"9b5d8a2c4f6e70315263748596a7b8c9dae1f2031425364758697a8b9cadbecf",` +
		`"_csrftoken":"Zq7VtE2nXo9LrYb4KdW8mJ1uHs6GcPf3"}`
	runsSession = `{"uuid":"0190a6e2-7b1c-7def-8a12-3c4d5e6f7081","again":"0190a6e2-7b1c-7def-8a12-3c4d5e6f7081",` +
		`"url":"3q2-7wD_x9Kf8QaZb1Yw5R","std":"3q2+7wD/x9Kf8QaZb1Yw5R==","hex":"00112233445566778899aabbccddeeff0",` +
		`"jwt":"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3Nzby5leGFtcGxlLm9yZyIsInN1YiI6IjIwIn0.x"}`
)

var vectorMakers = func() []vectorMaker {
	head := func(flags byte, rest ...byte) []byte {
		return append([]byte{1<<5 | flags, 0x69, 0x2c, 0x33, 0xb0}, rest...)
	}
	deflated := func(text, dictionary []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriterDict(&b, flate.BestCompression, dictionary)
		if err != nil {
			panic(err)
		}
		w.Write(text)
		w.Close()
		return b.Bytes()
	}
	builtin := []byte(signedcookie.BuiltinWords)
	own := []byte(`{"team":"red","quests":["cave","tower"],"level":`)
	ownID := sha256.Sum256(own)
	flip := func(at func(string) int, with func(byte) byte) func(string) string {
		return func(s string) string {
			b := []byte(s)
			i := at(s)
			b[i] = with(b[i])
			return string(b)
		}
	}
	other := func(c byte) byte {
		if c == 'A' {
			return 'B'
		}
		return 'A'
	}
	first := func(string) int { return 0 }
	middle := func(s string) int { return len(s) / 2 }
	inMAC := func(s string) int { return len(s) - 8 }
	next := func(c byte) byte { return c + 1 } // of a last character with unused bits, which are zero

	var all []vectorMaker
	for _, scheme := range schemes {
		add := func(name, comment string, v vectorMaker) {
			v.name = scheme.String() + "-" + name
			v.comment = comment
			v.scheme = scheme
			all = append(all, v)
		}
		add("login", "a login, packed and deflated", vectorMaker{session: loginSession})
		add("empty", "an empty object, written as it is", vectorMaker{session: "{}"})
		add("runs", "runs of every kind, one of them repeated", vectorMaker{session: runsSession})
		add("numbers", "numbers of 9 to 20 digits, one of them repeated",
			vectorMaker{session: `[100000000,1767225600,1767225600123,9999999999999999999,99999999999999999999,` +
				`1767225600,0123456789,-1767225600]`})
		add("binary", "a session that contains a mark is not packed",
			vectorMaker{session: "\xf8 00112233445566778899aabbccddeeff"})
		add("last-second", "in the second before it expires", vectorMaker{session: "{}", expires: vectorNow + 1})
		add("expired", "in the second in which it expires",
			vectorMaker{session: "{}", expires: vectorNow, expect: "expired"})
		add("year-2200", "an expiry in eight bytes", vectorMaker{session: "{}", expires: 7258118400})
		add("fallback-secret", "made with the second secret",
			vectorMaker{session: loginSession, savedWith: secret(8), fallback: true})
		add("other-secret", "made with an unknown secret",
			vectorMaker{session: loginSession, savedWith: secret(8), expect: "forged"})
		add("other-cookie", "made for another cookie",
			vectorMaker{session: loginSession, savedFor: "sessionid2", expect: "forged"})
		add("context", "made for the context of the reader", vectorMaker{session: loginSession, context: "shop",
			savedIn: "shop"})
		add("other-context", "made for another context", vectorMaker{session: loginSession, context: "shop",
			savedIn: "blog", expect: "forged"})
		add("missing-context", "made without a context", vectorMaker{session: loginSession, context: "shop",
			expect: "forged"})
		add("surplus-context", "made for a context, and the reader has none",
			vectorMaker{session: loginSession, savedIn: "shop", expect: "forged"})
		for _, wrong := range schemes {
			if wrong != scheme {
				add("from-"+wrong.String(), "a cookie of another scheme, from the same secret",
					vectorMaker{session: loginSession, as: wrong, asOther: true, expect: "forged"})
			}
		}
		add("first-character", "the first character changed",
			vectorMaker{session: loginSession, change: flip(first, other), expect: "forged"})
		add("middle-character", "a character in the middle changed",
			vectorMaker{session: loginSession, change: flip(middle, other), expect: "forged"})
		add("mac-character", "a character of the MAC or tag changed",
			vectorMaker{session: loginSession, change: flip(inMAC, other), expect: "forged"})
		add("cut-off", "the last four characters cut off",
			vectorMaker{session: loginSession, change: func(s string) string {
				return s[:(len(s)-4)/4*4]
			}, expect: "forged"})
		add("line-break", "a line break in the middle",
			vectorMaker{session: loginSession, change: func(s string) string { return s[:40] + "\n" + s[40:] },
				expect: "not canonical"})
		add("standard-alphabet", "a character of the other base64",
			vectorMaker{session: loginSession, change: flip(middle, func(byte) byte { return '+' }),
				expect: "not canonical"})
		add("surplus-padding", "padding that does not belong there",
			vectorMaker{session: loginSession, change: func(s string) string { return s + "=" },
				expect: "not canonical"})
		add("unused-bits", "unused bits of the last character are not zero",
			vectorMaker{session: loginSession, change: func(s string) string {
				if len(s)%4 == 0 {
					panic("the value has no unused bits")
				}
				return flip(func(string) int { return len(s) - 1 }, next)(s)
			}, expect: "not canonical"})
		add("long-value", "more than 4096 bytes with the cookie's name",
			vectorMaker{session: "{}", change: func(string) string { return strings.Repeat("QUJD", 1022) },
				expect: "too long"})

		add("dictionary", "with a dictionary of the site's own",
			vectorMaker{session: `{"team":"red","quests":["cave","tower"],"level":7}`, dictionary: own})
		add("unknown-dictionary", "with a dictionary that the reader does not have",
			vectorMaker{payload: head(0x0c, append([]byte{1, 2, 3}, deflated([]byte("{}"), own)...)...),
				expect: "malformed"})
		add("dictionary-not-deflated", "the flag for a dictionary without the one for deflate",
			vectorMaker{payload: head(0x08, append(ownID[:3:3], "{}"...)...), dictionary: own, expect: "malformed"})
		add("version-0", "version 0 of the payload",
			vectorMaker{payload: append([]byte{0}, head(0, '{', '}')[1:]...), expect: "malformed"})
		add("version-2", "version 2 of the payload",
			vectorMaker{payload: append([]byte{2 << 5}, head(0, '{', '}')[1:]...), expect: "malformed"})
		add("short-payload", "a payload that ends within the expiry",
			vectorMaker{payload: head(0)[:4], expect: "malformed"})
		add("short-raw", "fewer raw bytes than announced",
			vectorMaker{payload: head(0x02, 9, 1, 2, 3), expect: "malformed"})
		add("two-byte-length", "the length of the raw bytes in two bytes",
			vectorMaker{session: `"` + strings.Repeat("00112233445566778899aabbccddeef", 17) + `"`})
		add("three-byte-length", "the length of the raw bytes in three bytes",
			vectorMaker{payload: head(0x02, 0x82, 0x80, 0x00, 1, 2, 0xf8, 2), expect: "malformed"})
		add("surplus-raw", "raw bytes that no run uses",
			vectorMaker{payload: head(0x02, 2, 1, 2, '{', '}'), expect: "malformed"})
		add("missing-raw", "a run that needs more raw bytes than there are",
			vectorMaker{payload: head(0x02, 2, 1, 2, 0xf8, 3), expect: "malformed"})
		add("unknown-mark", "a mark that stands for nothing",
			vectorMaker{payload: head(0x02, 0, 0xff, 0), expect: "malformed"})
		add("nine-byte-number", "a number of nine bytes",
			vectorMaker{payload: head(0x02, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfe, 9), expect: "malformed"})
		add("repeat-nothing", "a repeat of a run that was not there yet",
			vectorMaker{payload: head(0x02, 1, 1, 0xf8, 1, 0xfd, 1), expect: "malformed"})
		add("mark-at-the-end", "a mark without its number",
			vectorMaker{payload: head(0x02, 0, '{', '}', 0xf8), expect: "malformed"})
		add("not-deflate", "text that is not DEFLATE",
			vectorMaker{payload: head(0x04, 0x07, 0xff, 0xff), expect: "malformed"})
		add("deflate-cut-off", "DEFLATE that ends too early",
			vectorMaker{payload: head(0x04, deflated([]byte(loginSession), builtin)[:60]...), expect: "malformed"})
		add("after-deflate", "bytes after the end of the DEFLATE data",
			vectorMaker{payload: head(0x04, append(deflated([]byte("{}"), builtin), 0)...), expect: "malformed"})
		add("at-the-limit", "a session as long as the limit",
			vectorMaker{session: loginSession, limit: len(loginSession)})
		add("above-the-limit", "a session one byte longer than the limit",
			vectorMaker{session: loginSession, limit: len(loginSession) - 1, expect: "too large"})
		add("bomb", "a megabyte in a kilobyte of DEFLATE",
			vectorMaker{payload: head(0x04, deflated(bytes.Repeat([]byte("a"), 1<<20), builtin)...),
				expect: "too large"})
		add("repeat-bomb", "runs that are repeated until the session is too large",
			vectorMaker{payload: head(0x06, append([]byte{255, 1},
				append(bytes.Repeat([]byte{7}, 255),
					deflated(append([]byte{0xf8, 255}, bytes.Repeat([]byte{0xfd, 0}, 1<<14)...),
						builtin)...)...)...), expect: "too large"})
		add("padding-without-end", "padding that is not marked",
			vectorMaker{payload: head(0x10, '{', '}', 0, 0), expect: "malformed"})
		if scheme != signedcookie.Sealed {
			date := func(change func(date uint64) []byte) func(string) string {
				return func(s string) string {
					b, _ := base64.RawURLEncoding.DecodeString(s)
					was, n := binary.Uvarint(b)
					return base64.RawURLEncoding.EncodeToString(append(change(was), b[n:]...))
				}
			}
			add("other-date", "the date changed", vectorMaker{session: loginSession,
				change: date(func(was uint64) []byte { return binary.AppendUvarint(nil, was+1) }), expect: "forged"})
			add("long-date", "the date with a byte more than it needs", vectorMaker{session: loginSession,
				change: date(func(was uint64) []byte {
					b := binary.AppendUvarint(nil, was)
					b[len(b)-1] |= 0x80
					return append(b, 0)
				}), expect: "forged"})
			add("huge-date", "a date of more than 63 bits", vectorMaker{session: loginSession,
				change: date(func(was uint64) []byte { return binary.AppendUvarint(nil, was|1<<63) }), expect: "forged"})
			if scheme == signedcookie.Encrypted {
				add("only-an-iv", "an initialization vector with nothing behind it",
					vectorMaker{payload: []byte{}, expect: "forged"})
			}
			add("short-mac", "fewer bytes than a MAC has", vectorMaker{session: loginSession,
				change: func(s string) string { return s[len(s)-40:] }, expect: "forged"})
		}
		if scheme != signedcookie.Signed {
			add("padded", "padded to a multiple of 64 bytes", vectorMaker{session: loginSession, padTo: 64})
		}
	}
	return all
}()

func (m vectorMaker) make(t *testing.T) string {
	opts := signedcookie.Options{Scheme: m.scheme, Context: m.savedIn, PadTo: m.padTo}
	if m.asOther {
		opts.Scheme = m.as
	}
	if m.dictionary != nil {
		opts.Dictionary = m.dictionary
	}
	with := secret(9)
	if m.savedWith != nil {
		with = m.savedWith
	}
	store, err := signedcookie.New(with, opts)
	if err != nil {
		t.Fatal(err)
	}
	cookie := vectorCookie
	if m.savedFor != "" {
		cookie = m.savedFor
	}
	bound, err := store.ForCookie(cookie)
	if err != nil {
		t.Fatal(err)
	}
	store = bound.(*signedcookie.Store)
	var value string
	if m.payload != nil {
		value, err = signedcookie.SealPayload(store, m.payload)
	} else {
		value, err = store.Save(t.Context(), "",
			&session.Record{Data: []byte(m.session), Expires: time.Unix(m.expires, 0)})
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.change != nil {
		value = m.change(value)
	}
	return value
}

func writeVectors(t *testing.T) {
	for _, m := range vectorMakers {
		file := filepath.Join("testdata/vectors", m.name+".txt")
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if m.expires == 0 {
			m.expires = vectorNow + 3600
		}
		if m.expect == "" {
			m.expect = "success"
		}
		var b strings.Builder
		fmt.Fprintf(&b, "comment: %s\nscheme: %v\nsecret: %x\n", m.comment, m.scheme, secret(9))
		if m.fallback {
			fmt.Fprintf(&b, "fallback: %x\n", m.savedWith)
		}
		if m.context != "" {
			fmt.Fprintf(&b, "context: %s\n", m.context)
		}
		if m.dictionary != nil {
			fmt.Fprintf(&b, "dictionary: %x\n", m.dictionary)
		}
		if m.limit != 0 {
			fmt.Fprintf(&b, "limit: %d\n", m.limit)
		}
		fmt.Fprintf(&b, "cookie: %s\nnow: %d\nexpect: %s\n", vectorCookie, vectorNow, m.expect)
		if m.expect == "success" {
			fmt.Fprintf(&b, "expires: %d\nsession: %s\n", m.expires, m.session)
		}
		fmt.Fprintf(&b, "\n%s\n", m.make(t))
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
