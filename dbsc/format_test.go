package dbsc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var testSecret = []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=")

// token makes a token as FORMAT.md says, and shares nothing with the package.
func token(t *testing.T, context string, kind byte, seconds uint64, nonce, subject string) string {
	t.Helper()
	key, err := hkdf.Key(sha256.New, testSecret, nil, "sessionengine dbsc v1\x00__Host-dbsc\x00"+context, 32)
	if err != nil {
		t.Fatal(err)
	}
	head := []byte{kind, byte(seconds >> 32), byte(seconds >> 24), byte(seconds >> 16), byte(seconds >> 8), byte(seconds)}
	head = append(head, nonce...)
	h := hmac.New(sha256.New, key)
	h.Write(head)
	h.Write([]byte(subject))
	return base64.RawURLEncoding.EncodeToString(append(head, h.Sum(nil)[:16]...))
}

func testBinder(t testing.TB, context string) *Binder {
	t.Helper()
	b, err := New(testSecret, Options{Context: context})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTokensAreThoseOfTheFormat(t *testing.T) {
	at := time.Unix(1790000000, 0)
	var n nonce
	copy(n[:], "0123456789abcdef")
	for _, context := range []string{"", "staging"} {
		m := testBinder(t, context).macs
		for _, k := range []kind{boundCookie, offerCookie, offerChallenge, refreshChallenge} {
			text := ""
			if k.long() {
				text = string(n[:])
			}
			got, want := m.seal(k, at, n, "subject"), token(t, context, byte(k), 1790000000, text, "subject")
			if got != want {
				t.Errorf("%c: %s, want %s", k, got, want)
			}
			if back, backNonce, ok := m.open(k, got, "subject"); !ok || !back.Equal(at) || k.long() && backNonce != n {
				t.Errorf("%c: %v %v %v", k, back, backNonce, ok)
			}
		}
	}
}

// Values that this version has made, so that none after it makes others without
// notice.
func TestVectors(t *testing.T) {
	m := testBinder(t, "").macs
	at := time.Unix(1790000000, 0)
	for kind, want := range map[kind]string{
		boundCookie:      "QgBqsTuA74Xqa9RC2EzPfq3Ghn2Ybg",
		refreshChallenge: "RgBqsTuARrHbdKLDvaA4FqzO4IqdgQ",
		offerCookie:      "TwBqsTuAAAAAAAAAAAAAAAAAAAAAALXsVaDiEEMr83xJLCDrIps",
		offerChallenge:   "UgBqsTuAAAAAAAAAAAAAAAAAAAAAAIjRywdTycN1gjMGSQ-wFh8",
	} {
		if got := m.seal(kind, at, nonce{}, "ada"); got != want {
			t.Errorf("%c: %s, want %s", kind, got, want)
		}
	}
	if got, want := tagOf("ada"), "W8MjFYZBwl0"; got != want {
		t.Errorf("tag %s, want %s", got, want)
	}
}

// No part of a token can be changed, and none is taken for one of another kind,
// subject, context or secret.
func TestTokensCannotBeChanged(t *testing.T) {
	m := testBinder(t, "").macs
	for _, k := range []kind{boundCookie, offerCookie, offerChallenge, refreshChallenge} {
		good := m.seal(k, time.Now(), newNonce(), "ada")
		raw, err := encoding.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(raw) {
			changed := slices.Clone(raw)
			changed[i/8] ^= 1 << (i % 8)
			if _, _, ok := m.open(k, encoding.EncodeToString(changed), "ada"); ok {
				t.Errorf("%c: bit %d was changed", k, i)
			}
		}
		for i := range good {
			for _, c := range "AZaz09-_=+/ \n" {
				text := good[:i] + string(c) + good[i+1:]
				if _, _, ok := m.open(k, text, "ada"); ok && text != good {
					t.Errorf("%c: %s is accepted for %s", k, text, good)
				}
			}
		}
		for _, other := range []kind{boundCookie, offerCookie, offerChallenge, refreshChallenge} {
			if _, _, ok := m.open(other, good, "ada"); ok != (other == k) {
				t.Errorf("%c opened as %c: %v", k, other, ok)
			}
		}
		for _, subject := range []string{"", "ad", "adaa", "bob"} {
			if _, _, ok := m.open(k, good, subject); ok {
				t.Errorf("%c of ada is accepted for %q", k, subject)
			}
		}
		if _, _, ok := testBinder(t, "staging").macs.open(k, good, "ada"); ok {
			t.Errorf("%c is accepted in another context", k)
		}
	}
}

// Proofs that Chromium 156 has made with keys in software.
const (
	chromiumRegistration = "eyJhbGciOiJFUzI1NiIsImp3ayI6eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImNPSkdmaUNDejEydzVwd1" +
		"hhR1NTNDJ2aTZEcVNkVXZfbzFCMEMyN1gtOEEiLCJ5IjoiaUs4QkdWTE5oQnQ0NXYydExJM2dkWkx3MGFMWF9sbnhhVmpmd2FMQ1g5byJ9LC" +
		"J0eXAiOiJkYnNjK2p3dCJ9.eyJqdGkiOiJXYUozbXlLbnFMMU5aSmhhSGJ4YjY3SUVOdUlWYXpuMiJ9.JuZlSgxsv6aUseicxDfNhlJGM1xK" +
		"kaR1tclNK7YfonXxj2KrySADkeE--o7Wg66cbiD6hYpPXDDLdn5ymVPqbA"
	chromiumRefresh = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0.eyJqdGkiOiItS1hPNnNZOUlIRmFpcmZ1ZlA3NndSajRENTJn" +
		"SE5HUSJ9.1X5M_YbiMZhRh30FJTjl44iY2AkqIsg58nuk56FG9Z8sJ8h1NTR4BWCpAqfVQ_SdPjs9HidncWGiAIsmfT_rfw"
)

// The proof in the draft's section on Secure-Session-Response is of an earlier
// form, with the key in the payload.
const earlierDraft = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0." +
	"eyJhdWQiOiJodHRwczovL2V4YW1wbGUuY29tL3JlZyIsImp0aSI6Im" +
	"N2IiwiaWF0IjoiMTcyNTU3OTA1NSIsImp3ayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6IjZfR0Iydm9RMHFyb01oNk9sREZDRlNfU0" +
	"pyaVFpMVBUdnZCT2hHWjNiSEkiLCJ5IjoiSWVnT0pVTHlFN1N4SF9DZDFLQ0VSN2xXQnZHRkhRLWgweHlqelVqRUlXRSJ9LCJhdXRob3JpemF0" +
	"aW9uIjoiYWMifQ.6Fb_vVBDmfNghQiBmIGe8o7tBfYPbPCywhQruP0vIhxgmcJmuNTaMHeVn_M8ZnOm1_bzIitbZqCWEn-1Qzmtyw"

func TestProofsOfChromium(t *testing.T) {
	p, err := verify(chromiumRegistration, nil, "site.test", "/dbsc/register")
	if err != nil || p.challenge != "WaJ3myKnqL1NZJhaHbxb67IENuIVazn2" {
		t.Fatalf("%v %v", p, err)
	}
	have, ok := parseBinding(binding{idOf("x"), tagOf("ada"), p.key}.String())
	if !ok {
		t.Fatal("the binding cannot be read")
	}
	p, err = verify(chromiumRefresh, have.key, "site.test", "/dbsc/refresh")
	if err != nil || p.challenge != "-KXO6sY9IHFairfufP76wRj4D52gHNGQ" {
		t.Fatalf("%v %v", p, err)
	}
	if _, err := verify(earlierDraft, nil, "example.com", "/reg"); err != errProofKey {
		t.Errorf("a proof of an earlier draft: %v", err)
	}
}

// A proof in the other forms that a JWS may have is none.
func TestOnlyCompactProofs(t *testing.T) {
	parts := strings.Split(chromiumRegistration, ".")
	for name, text := range map[string]string{
		"JSON": `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"JSON with several signatures": `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] +
			`","signature":"` + parts[2] + `"}]}`,
		"four parts":         chromiumRegistration + ".",
		"two parts":          parts[0] + "." + parts[2],
		"a detached payload": parts[0] + ".." + parts[2],
		"padding":            chromiumRegistration + "==",
		"white space":        parts[0] + ". " + parts[1] + "." + parts[2],
	} {
		if _, err := verify(text, nil, "site.test", "/dbsc/register"); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzProof(f *testing.F) {
	for _, text := range []string{chromiumRegistration, chromiumRefresh, earlierDraft, "", "..", "a.b.c"} {
		f.Add(text)
	}
	registered, err := verify(chromiumRegistration, nil, "", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := verify(text, nil, "site.test", "/dbsc/register"); err == nil {
			if len(text) > maxProofBytes || checkKey(p.key) != nil {
				t.Error("a proof that is too long, or with a key that is not allowed")
			}
			if _, ok := parseBinding(binding{idOf("x"), tagOf(""), p.key}.String()); !ok {
				t.Error("its binding cannot be read")
			}
		}
		if p, err := verify(text, registered.key, "site.test", "/dbsc/refresh"); err == nil &&
			text != chromiumRefresh && text != chromiumRegistration &&
			p.challenge != "-KXO6sY9IHFairfufP76wRj4D52gHNGQ" && p.challenge != "WaJ3myKnqL1NZJhaHbxb67IENuIVazn2" {
			t.Error("a proof that nobody signed")
		}
	})
}

func FuzzHeaders(f *testing.F) {
	id := strings.Repeat("-", idLength)
	for _, text := range []string{id, `"` + id + `"`, `"` + id + `";a="b"`,
		`quota_exceeded;session_identifier="` + id + `"`,
		`unreachable, x;session_identifier=` + id, `;;==",`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{headerID: {line}, headerSkipped: {line}, "Cookie": {line}}
		if got := text(h, headerID); got == id && !strings.Contains(line, id) {
			t.Error("an id that is not in the line")
		}
		if reason := skipped(h, id); reason != "" && !strings.Contains(line, id) {
			t.Errorf("%s, of an id that is not in the line", reason)
		}
		tried := 0
		cookies(h, DefaultCookieName, func(value string) bool {
			tried++
			if !strings.Contains(line, value) {
				t.Error("a value that is not in the line")
			}
			return true
		})
		if tried > maxCookiesTried {
			t.Errorf("%d cookies", tried)
		}
	})
}

func FuzzBinding(f *testing.F) {
	p, err := verify(chromiumRegistration, nil, "", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(binding{idOf("x"), tagOf("ada"), p.key}.String())
	f.Add("1." + strings.Repeat("A", idLength) + "." + strings.Repeat("A", tagLength) + "." + strings.Repeat("_", 342))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		b, ok := parseBinding(text)
		if !ok {
			return
		}
		if checkKey(b.key) != nil {
			t.Error("a key that is not allowed")
		}
		again, ok := parseBinding(b.String())
		if !ok || again.id != b.id || again.user != b.user || !bytes.Equal(encodeKey(again.key), encodeKey(b.key)) {
			t.Errorf("%q is read as %q", b, again)
		}
		switch k := b.key.(type) {
		case *ecdsa.PublicKey, *rsa.PublicKey:
		default:
			t.Errorf("a key of type %T", k)
		}
	})
}

func TestManyBoundCookies(t *testing.T) {
	b := testBinder(t, "")
	id := idOf("x")
	good := DefaultCookieName + "=" + b.macs.seal(boundCookie, time.Now().Add(time.Minute), nonce{}, id)
	for before, want := range []bool{true, true, true, false, false} {
		r := &http.Request{Header: http.Header{"Cookie": {strings.Repeat(DefaultCookieName+"=x; ", before) + good}}}
		if got := b.proven(r, id); got != want {
			t.Errorf("behind %d others: %v", before, got)
		}
	}
}

func TestSkipped(t *testing.T) {
	for line, want := range map[string]string{
		`quota_exceeded;session_identifier="abc"`:                                   "quota_exceeded",
		`unreachable;session_identifier="x", server_error;session_identifier="abc"`: "server_error",
		`unreachable;a=1; session_identifier=abc ;b`:                                "unreachable",
		`something_new;session_identifier="abc"`:                                    "another reason",
		`quota_exceeded`:                                                            "",
		`quota_exceeded;session_identifier="abcd"`:                                  "",
		`quota_exceeded;id="abc"`:                                                   "",
		`, ,;,`:                                                                     "",
		``:                                                                          "",
	} {
		if got := skipped(http.Header{headerSkipped: {line}}, "abc"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
