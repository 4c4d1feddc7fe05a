package django_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sessionengine/django"
	"sessionengine/session"
)

// vectorPayloads are the payloads of all vectors of a format.
func vectorPayloads(f *testing.F, format string) (payloads []string) {
	f.Helper()
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		head, payload, _ := strings.Cut(string(content), "\n\n")
		if strings.Contains(head, "format: "+format+"\n") {
			payloads = append(payloads, strings.TrimSuffix(payload, "\n"))
		}
	}
	return payloads
}

// FuzzForgery: nothing is accepted but what was issued, character for
// character, neither as a cookie nor as a row.
func FuzzForgery(f *testing.F) {
	opts := django.Options{ReadSHA1: true, Fallbacks: []string{oldKey}}
	store := newCookieStore(f, opts)
	rows, err := django.Rows(secretKey, opts)
	if err != nil {
		f.Fatal(err)
	}
	issued := make(map[string]bool)
	for _, data := range []string{`{}`, `{"team":"red"}`, `{"a":"` + strings.Repeat("b", 100) + `"}`} {
		token, err := store.Save(f.Context(), "",
			&session.Record{Data: []byte(data), Expires: time.Now().Add(24 * time.Hour)})
		if err != nil {
			f.Fatal(err)
		}
		text, err := rows.Encoding.Encode([]byte(data))
		if err != nil {
			f.Fatal(err)
		}
		issued[token], issued["row "+text] = true, true
		for _, t := range []string{token, text} {
			f.Add(t)
			f.Add(t[:len(t)-1])
			f.Add(t + "=")
			f.Add(t + "\n")
			f.Add("." + t)
			f.Add(strings.Replace(t, ":", "::", 1))
		}
	}
	for _, format := range []string{"cookie", "row"} {
		for _, payload := range vectorPayloads(f, format) {
			f.Add(payload)
		}
	}
	// Fuzzing runs several processes. One that starts a second later issues the same
	// texts with another moment and signature.
	known := func(token string) bool {
		parts := strings.Split(token, ":")
		for other := range issued {
			if p := strings.Split(other, ":"); len(parts) == len(p) && len(p) == 3 && parts[0] == p[0] &&
				parts[1] != p[1] {
				return true
			}
		}
		return issued[token]
	}
	f.Fuzz(func(t *testing.T, token string) {
		rec, err := store.Load(t.Context(), token)
		switch {
		case err == nil && !known(token):
			t.Errorf("a cookie that was never issued was read as %q", rec.Data)
		case err != nil && !errors.Is(err, session.ErrNotFound):
			t.Errorf("%v, want session.ErrNotFound", err)
		}
		data, err := rows.Encoding.Decode(token)
		switch {
		case err == nil && !known("row "+token):
			t.Errorf("a row that was never issued was read as %q", data)
		case err != nil && !errors.Is(err, session.ErrInvalidToken):
			t.Errorf("%v, want session.ErrInvalidToken", err)
		}
	})
}

// FuzzSigned: whatever is validly signed either is a session, and then one that
// can be saved, or is refused.
func FuzzSigned(f *testing.F) {
	store := newCookieStore(f, django.Options{MaxBytes: 1 << 16})
	now := base62Now()
	for _, format := range []string{"cookie", "row"} {
		for _, payload := range vectorPayloads(f, format) {
			body, _, _ := strings.Cut(payload, ":")
			f.Add(body, now)
		}
	}
	f.Add("."+base64.RawURLEncoding.EncodeToString(bomb(f, 1)), now)
	f.Add("e30", "-0")
	f.Add("e30", "00")
	f.Add("e30", "zzzzzzzzzz")
	f.Fuzz(func(t *testing.T, body, timestamp string) {
		token := django.SignCookie(secretKey, body, timestamp)
		rec, err := store.Load(t.Context(), token)
		if err != nil {
			// A local time needs Options.TimeZone.
			if !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrMisuse) || rec != nil {
				t.Errorf("%v, want session.ErrNotFound", err)
			}
			return
		}
		data := string(rec.Data)
		if !json.Valid(rec.Data) || len(data) > 4<<16 {
			t.Fatalf("%d bytes that are no session: %q", len(data), data)
		}
		saved, err := store.Save(t.Context(), token, rec)
		if _, ok := errors.AsType[*session.TooLargeError](err); ok {
			return
		}
		if err != nil {
			t.Fatalf("a session that was read cannot be saved: %v", err)
		}
		again, err := store.Load(t.Context(), saved)
		if err != nil || string(again.Data) != data || !again.Expires.Equal(rec.Expires) && rec.Expires.Year() <= 9999 {
			t.Errorf("read back as %+v, %v", again, err)
		}
	})
}

// FuzzSerializer: every session is written in ASCII, means the same to whoever
// reads JSON, and comes back byte for byte.
func FuzzSerializer(f *testing.F) {
	for _, data := range []string{
		`{}`, ` {"a":1}`, `{"a":"é\u00e9\u00E9\u2028` + "\u2028" + `🍪\ud83c\udf6a\ud83c\ud83cé"}`,
		"\t\n {\"a\":\"\\\\u00e9\x7f\"}",
		`{"\\":"\\\\","a":"\"é"}`, `{"😀":"\uDEAD\uBEEF\uFFFF\uD83D"}`, "{\"a\":\"\ufffd\"}",
	} {
		f.Add([]byte(data), false)
		f.Add([]byte(data), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, mark bool) {
		text, err := django.Serialize(data, mark)
		if err != nil {
			var object map[string]json.RawMessage
			if json.Unmarshal(data, &object) == nil && object != nil && utf8.Valid(data) {
				t.Fatalf("a session cannot be written: %v", err)
			}
			return
		}
		for _, c := range text {
			if c >= 0x80 {
				t.Fatalf("%q is not ASCII", text)
			}
		}
		back, marked, err := django.Deserialize(text)
		if err != nil || string(back) != string(data) {
			t.Fatalf("%q was written as %q and read as %q, %v", data, text, back, err)
		}
		if mark && !marked {
			t.Fatalf("the mark of %q got lost", text)
		}
		var before, after any
		if err := json.Unmarshal(data, &before); err != nil {
			return // a number beyond a float64
		}
		if err := json.Unmarshal(text, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q was written as %q, which means something else: %v", data, text, err)
		}
	})
}

// FuzzDeserialize: whatever was signed, what is read is a JSON object that can
// be written again.
func FuzzDeserialize(f *testing.F) {
	for _, text := range []string{
		`{"a":NaN,"b":-Infinity,"c":"NaN"}`, "\n\t {\"a\":\"\\u00e9\"}", "\x80\x04}\x94.", "{\"\xe9\":1}", "{\"é\":1}",
		`{"a":"\ud83c"}`, `Infinity`, `\`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		data, marked, err := django.Deserialize(text)
		if err != nil {
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil || object == nil {
			t.Fatalf("%q was read as %q: %v", text, data, err)
		}
		written, err := django.Serialize(data, marked)
		if err != nil {
			t.Fatalf("%q cannot be written: %v", data, err)
		}
		back, _, err := django.Deserialize(written)
		if err != nil || string(back) != string(data) {
			t.Fatalf("%q was written as %q and read as %q, %v", data, written, back, err)
		}
	})
}
