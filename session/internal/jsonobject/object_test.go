package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse holds Parse against encoding/json: the same texts are
// accepted, with the same keys and values, and what was parsed can be written
// and parsed again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"a":2}`, `{"a" : [1, {"b": "\u00e9\\"}] , "c":null}`, `{"\u0061":-0.5e+10}`,
		`{"a":01}`, `{"a":.5}`, `{"a":1,}`, `[]`, `null`, ``, `{"a":"` + "\x01" + `"}`, `{"a":tru}`, `{"a":1}x`,
		`{"a":"\ud800"}`,
		`{"` + "\xff" + `":1}`, `{"a":1e}`, `{"a\ud83d":1,"a\ud83e":2}`, `{"\ud83d\ude00":1,"a\ufffd":2,"a\udead":3}`,
		`{"a":-}`, `{"a":[}`, strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(data, &want)
		got, ok := Parse(string(data))
		if string(bytes.TrimSpace(data)) == "null" { // encoding/json lets null pass for a map
			if ok {
				t.Fatal("null was accepted")
			}
			return
		}
		if ok != (wantErr == nil) {
			t.Fatalf("Parse: %v, encoding/json: %v", ok, wantErr)
		}
		if !ok {
			return
		}
		check := func(o Object) {
			t.Helper()
			// encoding/json takes keys for one that differ only in what is no
			// Unicode, and keeps the last of them.
			names := map[string]string{}
			for key, raw := range o.All() {
				if found, ok := o.Get(key); !ok || found != raw {
					t.Fatalf("%q is not found", key)
				}
				if utf8.ValidString(key) {
					if wanted, ok := want[key]; !ok || string(wanted) != raw && !strings.Contains(key, "\uFFFD") {
						t.Fatalf("%q: %q, want %q", key, raw, wanted)
					}
				}
				names[string([]rune(replaceSurrogates(key)))] = raw
			}
			if len(names) != len(want) {
				t.Fatalf("%d names, want %d", len(names), len(want))
			}
			for name := range want {
				if _, ok := names[name]; !ok {
					t.Fatalf("%q is missing", name)
				}
			}
		}
		check(got)
		again, ok := Parse(string(got.Encode()))
		if !ok {
			t.Fatal("what Encode wrote cannot be read")
		}
		check(again)
	})
}

// replaceSurrogates makes halves of surrogate pairs, three bytes each, what
// encoding/json makes of them: one replacement character each.
func replaceSurrogates(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0xED && i+2 < len(s) && s[i+1] >= 0xA0 && s[i+1] <= 0xBF && s[i+2]&0xC0 == 0x80 {
			b.WriteString("\uFFFD")
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestKeysThatNobodyTouchedStayByteForByte(t *testing.T) {
	for _, text := range []string{
		`{"a\ud83d":1,"a\ud83e":2}`, `{"\u00e9":1,"\u0061":2}`,
		`{"\ud83d\ude00":1,"\ud83d\ud83d\ude00":2,"\ude00\ud83d":3}`,
		`{"a\ufffd":1,"a\ud800":2,"a` + "\xff" + `":3}`, `{"\/":1,"\"\\\b\f\n\r\t":2}`, `{"\u2028":1}`,
	} {
		o, ok := Parse(text)
		if !ok {
			t.Fatalf("%s cannot be read", text)
		}
		if got := string(o.Encode()); got != text {
			t.Errorf("%s became %s", text, got)
		}
		o.Set("new", "0")
		if got, want := string(o.Encode()), text[:len(text)-1]+`,"new":0}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDeeplyNestedDataIsRefusedNotRun(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 5_000_000) + strings.Repeat("]", 5_000_000) + `}`
	if _, ok := Parse(deep); ok {
		t.Error("five million levels were accepted")
	}
	for _, levels := range []int{maxDepth - 1, maxDepth} {
		text := []byte(`{"a":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`)
		if _, ok := Parse(string(text)); ok != json.Valid(text) {
			t.Errorf("%d levels: %v, encoding/json says %v", levels, ok, json.Valid(text))
		}
	}
}

// FuzzUnmarshal holds the short ways of Unmarshal against encoding/json.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`1`, `-0`, `01`, `"a"`, `"\n"`, `true`, `1.0`, `1e3`, `9223372036854775808`, `"é"`,
		`null`, `"` + "\xff" + `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) || raw != strings.TrimSpace(raw) {
			t.Skip()
		}
		same(t, raw, "")
		same(t, raw, 0)
		same(t, raw, int64(0))
		same(t, raw, false)
	})
}

func same[T comparable](t *testing.T, raw string, zero T) {
	t.Helper()
	got, want := zero, zero
	gotErr, wantErr := Unmarshal(raw, &got), json.Unmarshal([]byte(raw), &want)
	if got != want || (gotErr == nil) != (wantErr == nil) {
		t.Errorf("%T from %q: %v, %v; encoding/json: %v, %v", zero, raw, got, gotErr, want, wantErr)
	}
}

func TestObjectAgainstAMap(t *testing.T) {
	// Enough keys to cross the size at which the index comes and goes.
	var o Object
	model := map[string]string{}
	for i := range 2000 {
		key := fmt.Sprint("k", (i*7919)%40)
		switch (i / 40) % 3 {
		case 0, 1:
			_, had := model[key]
			if o.Set(key, fmt.Sprint(i)) == had {
				t.Fatalf("step %d: Set reports %v", i, !had)
			}
			model[key] = fmt.Sprint(i)
		case 2:
			_, had := model[key]
			if o.Delete(key) != had {
				t.Fatalf("step %d: Delete reports %v", i, !had)
			}
			delete(model, key)
		}
		if raw, ok := o.Get(key); raw != model[key] || ok != (model[key] != "") {
			t.Fatalf("step %d: %q, %v, want %q", i, raw, ok, model[key])
		}
		if o.Len() != len(model) {
			t.Fatalf("step %d: %d entries, want %d", i, o.Len(), len(model))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if raw, _ := o.Get(k); raw != model[k] {
			t.Errorf("%s: %q, want %q", k, raw, model[k])
		}
	}
}

func TestEncodeKeepsTheOrderOfTheKeys(t *testing.T) {
	o, ok := Parse(`{"z":1,"a":{"y":2},"é\"":3}`)
	if !ok {
		t.Fatal("cannot be read")
	}
	o.Set("z", "9")
	o.Set("b", "4")
	if got, want := string(o.Encode()), `{"z":9,"a":{"y":2},"é\"":3,"b":4}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// BenchmarkParse reads a login as Django keeps it, and one value of it.
func BenchmarkParse(b *testing.B) {
	data := []byte(`{"_auth_user_id":"1024","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
		`"_auth_user_hash":"5b2b7bbd0d1d2f4f7b9d7a7d7e6b5a40f3b6f2c9e1a8d7c6b5a4938271605f4e",` +
		`"_csrftoken":"q8Zx0nM4v7B2c9K1j6H5g3F8d0S2a4P7","cart":{"items":[{"id":7,"n":2}],"note":"\u00e9"}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		o, _ := Parse(string(data))
		var id string
		if raw, _ := o.Get("_auth_user_id"); Unmarshal(raw, &id) != nil || id != "1024" {
			b.Fatal(id)
		}
	}
}
