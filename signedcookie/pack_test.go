package signedcookie_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"sessionengine/signedcookie"
)

func TestPacking(t *testing.T) {
	var (
		hex        = fmt.Sprintf("%x", secret(1))
		uuid       = "0190a6e2-7b1c-7def-8a12-3c4d5e6f7081"
		secondUUID = "5a1df48e-66f0-4be9-af5e-1962ccc1488e"
		random     = secret(2)
		url        = base64.RawURLEncoding.EncodeToString(random)
		std        = base64.RawStdEncoding.EncodeToString([]byte("\xfb\xff" + string(secret(3))))
		claims     = `{"iss":"https://sso.example.org","sub":"20","aud":"shop"}`
		jwt        = base64.RawURLEncoding.EncodeToString([]byte(claims))
	)
	for name, tc := range map[string]struct {
		data      string
		text, raw int // lengths; 0, 0 means that nothing is packed
	}{
		"nothing":                        {"", 0, 0},
		"words":                          {`{"_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}`, 0, 0},
		"a path":                         {`{"next":"/accounts/settings/2026/notifications"}`, 0, 0},
		"a time":                         {`{"at":"2026-01-31T23:59:59.123456+00:00"}`, 0, 0},
		"a short hash":                   {`{"h":"0123456789abcde"}`, 0, 0},
		"a hash":                         {hex, 2, 32},
		"a hash in upper case":           {strings.ToUpper(hex), 2, 48}, // as base64
		"a hash with an odd digit":       {hex + "a", 3, 32},
		"a time in seconds":              {"1767225600", 2, 4},
		"a time in milliseconds":         {"1767225600123", 2, 6},
		"the greatest number":            {"9999999999999999999", 2, 8},
		"a number that begins with zero": {"0123456789", 0, 0},
		"a short number":                 {"12345678", 0, 0},
		"a negative number":              {"-1767225600", 0, 0},
		"a long number":                  {strings.Repeat("1234567890", 2), 2, 10},
		"a UUID":                         {uuid, 1, 16},
		"a UUID, three times":            {uuid + "," + uuid + "," + uuid, 1 + 1 + 2 + 1 + 2, 16},
		"a UUID in upper case":           {strings.ToUpper(uuid), 0, 0},
		"a UUID without hyphens":         {strings.ReplaceAll(uuid, "-", ""), 2, 16},
		"a path with a UUID":             {`"/orders/` + uuid + `/pay"`, 9 + 1 + 5, 16},
		"a path with a hash":             {`"/orders/` + hex + `/pay"`, 9 + 2 + 5, 32},
		"two UUIDs in a path":            {"/teams/" + uuid + "/" + secondUUID, 7 + 1 + 1 + 1, 32},
		"a name with a hash":             {"login_web_" + hex, 0, 0},
		"a word with a hash":             {"x" + hex + "-y", 0, 0},
		"a UUID and more":                {"/orders/" + uuid + "0", 0, 0},
		"base64url":                      {url, 2, 32},
		"base64url that is longer than it need be": {url[:42] + "Z", 2 + 3, 30},
		"base64":                       {std, 2, 34},
		"base64 with padding":          {`"` + std + `=="`, 2 + 4, 34},
		"one alphabet after the other": {std + "_-" + url, 2 + 2 + 1, 34 + 33},
		"a JSON Web Token":             {jwt, 2 + len(claims), 0},
		"a hash of a kilobyte":         {strings.Repeat(hex, 16), 2 * 3, 512},
		"what repeats in a long one":   {strings.Repeat("ab", 255*2), 2 * 2, 255},
	} {
		text, raw, ok := signedcookie.Pack([]byte(tc.data))
		if !ok {
			if tc.text != 0 || tc.raw != 0 {
				t.Errorf("%s: is not packed", name)
			}
			continue
		}
		if len(text) != tc.text || len(raw) != tc.raw {
			t.Errorf("%s: %d characters became %d bytes of text and %d raw ones, want %d and %d", name, len(tc.data),
				len(text), len(raw), tc.text, tc.raw)
		}
		if back, ok := signedcookie.Unpack(nil, text, raw, len(tc.data)); !ok || string(back) != tc.data {
			t.Errorf("%s: was not unpacked", name)
		}
		if _, ok := signedcookie.Unpack(nil, text, raw, len(tc.data)-1); ok {
			t.Errorf("%s: was unpacked beyond the limit", name)
		}
	}
}

func TestPackingRepeatsTheFirstRunsOnly(t *testing.T) {
	var data []byte
	for i := range signedcookie.NumRepeats + 3 {
		data = fmt.Appendf(data, "%x,", secret(i))
	}
	data = append(data, data...)
	text, raw, ok := signedcookie.Pack(data)
	if !ok {
		t.Fatal("nothing was packed")
	}
	if want := (signedcookie.NumRepeats + 3 + 3) * 32; len(raw) != want {
		t.Errorf("%d raw bytes, want %d", len(raw), want)
	}
	if back, ok := signedcookie.Unpack(nil, text, raw, len(data)); !ok || !bytes.Equal(back, data) {
		t.Error("was not unpacked")
	}
}

func TestDataWithMarksIsNotPacked(t *testing.T) {
	for mark := 0xf8; mark <= 0xff; mark++ {
		data := append(fmt.Appendf(nil, "%x", secret(1)), byte(mark))
		if _, _, ok := signedcookie.Pack(data); ok {
			t.Errorf("data with the byte %#x was packed", mark)
		}
	}
}

func FuzzPack(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.session))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, raw, ok := signedcookie.Pack(data)
		if !ok {
			return
		}
		if back, ok := signedcookie.Unpack(nil, text, raw, len(data)); !ok || !bytes.Equal(back, data) {
			t.Errorf("%q was packed to %q and %q, and not unpacked", data, text, raw)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	for _, v := range vectors(f) {
		text, raw, _ := signedcookie.Pack([]byte(v.session))
		f.Add(text, raw)
	}
	const limit = 10000
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		back, ok := signedcookie.Unpack(nil, text, raw, limit)
		if ok && len(back) > limit {
			t.Errorf("%d bytes were unpacked, and the limit is %d", len(back), limit)
		}
		want, err := reader{}.unpack(text, raw)
		if ok != (err == nil && len(want) <= limit) || ok && !bytes.Equal(back, want) {
			t.Errorf("%q and %q were unpacked: %v, and as FORMAT.md says: %v", text, raw, ok, err)
		}
	})
}
