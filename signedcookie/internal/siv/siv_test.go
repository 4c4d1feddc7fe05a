package siv_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"

	"sessionengine/signedcookie/internal/siv"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 5297, appendix A.1.
func TestRFC5297(t *testing.T) {
	c, err := siv.New(unhex(t, "fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff"))
	if err != nil {
		t.Fatal(err)
	}
	associated := unhex(t, "10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627")
	plaintext := unhex(t, "11223344 55667788 99aabbcc ddee")
	want := unhex(t, "85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c")
	if got := c.Seal(nil, plaintext, associated); !bytes.Equal(got, want) {
		t.Errorf("Seal gave %x, want %x", got, want)
	}
	if got, ok := c.Open(nil, want, associated); !ok || !bytes.Equal(got, plaintext) {
		t.Errorf("Open gave %x, %v, want %x", got, ok, plaintext)
	}
}

// oracle is the AES-SIV of Tink for the same key.
func oracle(t testing.TB, key []byte) *subtle.AESSIV {
	t.Helper()
	o, err := subtle.NewAESSIV(key)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var testKey = []byte("0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ-_!?<>")

// Each length up to some blocks, of the text and of the associated data.
func TestLengths(t *testing.T) {
	c, err := siv.New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle(t, testKey)
	text := bytes.Repeat([]byte("All work and no play makes a dull test."), 3)
	for n := range 70 {
		for a := range 40 {
			want, err := o.EncryptDeterministically(text[:n], text[1:1+a])
			if err != nil {
				t.Fatal(err)
			}
			got := c.Seal([]byte("before"), text[:n], text[1:1+a])
			if string(got[:6]) != "before" || !bytes.Equal(got[6:], want) {
				t.Fatalf("Seal of %d bytes with %d bytes of associated data gave %x, want %x", n, a, got[6:], want)
			}
			plain, ok := c.Open([]byte("before"), want, text[1:1+a])
			if !ok || string(plain[:6]) != "before" || !bytes.Equal(plain[6:], text[:n]) {
				t.Fatalf("Open of %d bytes with %d bytes of associated data gave %q, %v", n, a, plain, ok)
			}
		}
	}
}

func TestKeySizes(t *testing.T) {
	for n := range 100 {
		if _, err := siv.New(make([]byte, n)); (err == nil) != (n == 32 || n == 48 || n == 64) {
			t.Errorf("New with a key of %d bytes gave %v", n, err)
		}
	}
}

func TestRefusesEveryChange(t *testing.T) {
	c, err := siv.New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	associated := []byte("sessionid")
	sealed := c.Seal(nil, []byte("a text that has more than two blocks of AES"), associated)
	refused := func(what string, ciphertext, associated []byte) {
		t.Helper()
		if plain, ok := c.Open(nil, ciphertext, associated); ok || len(plain) > 0 {
			t.Errorf("Open with %s gave %q, %v", what, plain, ok)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			refused("a bit flipped", changed, associated)
		}
		refused("an end cut off", sealed[:i], associated)
		refused("a beginning cut off", sealed[i+1:], associated)
	}
	refused("a byte more", append(bytes.Clone(sealed), 0), associated)
	refused("other associated data", sealed, []byte("sessionie"))
	refused("more associated data", sealed, []byte("sessionid\x80"))
	refused("no associated data", sealed, nil)
	other, err := siv.New(append([]byte{1}, testKey[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.Open(nil, sealed, associated); ok {
		t.Error("Open with another key accepts it")
	}
}

func TestConcurrentUse(t *testing.T) {
	c, err := siv.New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for i := range 4 {
		go func() {
			text := bytes.Repeat([]byte{byte(i)}, 100+i)
			for range 500 {
				plain, ok := c.Open(nil, c.Seal(nil, text, text[:i]), text[:i])
				if !ok || !bytes.Equal(plain, text) {
					t.Errorf("goroutine %d: Open gave %x, %v", i, plain, ok)
				}
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
}

// Whatever it is given, it does as Tink does.
func FuzzAgainstTink(f *testing.F) {
	f.Add(testKey, []byte("text"), []byte("sessionid"))
	f.Add(testKey, []byte(""), []byte(""))
	f.Add(testKey, bytes.Repeat([]byte{0}, 64), bytes.Repeat([]byte{0x80}, 16))
	f.Fuzz(func(t *testing.T, key, text, associated []byte) {
		key = append(key, make([]byte, 64)...)[:64]
		c, err := siv.New(key)
		if err != nil {
			t.Fatal(err)
		}
		o := oracle(t, key)
		want, err := o.EncryptDeterministically(text, associated)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Seal(nil, text, associated); !bytes.Equal(got, want) {
			t.Fatalf("Seal gave %x, and Tink %x", got, want)
		}
		wantText, err := o.DecryptDeterministically(text, associated)
		if got, ok := c.Open(nil, text, associated); ok != (err == nil) || !bytes.Equal(got, wantText) {
			t.Fatalf("Open gave %x, %v, and Tink %x, %v", got, ok, wantText, err)
		}
	})
}

// What a cookie of a login (88 bytes) and one of a cart (347) take, and Tink with
// them.
func BenchmarkOpen(b *testing.B) {
	c, err := siv.New(testKey)
	if err != nil {
		b.Fatal(err)
	}
	associated := []byte("sessionid")
	for _, size := range []struct {
		name  string
		bytes int
	}{{"login", 72}, {"cart", 331}} {
		sealed := c.Seal(nil, make([]byte, size.bytes), associated)
		b.Run("with=siv/session="+size.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, len(sealed))
			for b.Loop() {
				if _, ok := c.Open(buf, sealed, associated); !ok {
					b.Fatal("refused")
				}
			}
		})
		b.Run("with=tink/session="+size.name, func(b *testing.B) {
			b.ReportAllocs()
			o := oracle(b, testKey)
			for b.Loop() {
				if _, err := o.DecryptDeterministically(sealed, associated); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
