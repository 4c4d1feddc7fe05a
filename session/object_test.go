package session

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

// FuzzParseObject holds parseObject against encoding/json: the same texts are
// accepted, with the same keys and values, and what was parsed can be written
// and parsed again.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"a":2}`, `{"a" : [1, {"b": "\u00e9\\"}] , "c":null}`, `{"\u0061":-0.5e+10}`,
		`{"a":01}`, `{"a":.5}`, `{"a":1,}`, `[]`, `null`, ``, `{"a":"` + "\x01" + `"}`, `{"a":tru}`, `{"a":1}x`, `{"a":"\ud800"}`,
		`{"` + "\xff" + `":1}`, `{"a":1e}`, `{"a\ud83d":1,"a\ud83e":2}`, `{"\ud83d\ude00":1,"a\ufffd":2,"a\udead":3}`, `{"a":-}`, `{"a":[}`, strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(data, &want)
		got, err := parseObject(data)
		if string(bytes.TrimSpace(data)) == "null" { // encoding/json lets null pass for a map
			if err == nil {
				t.Fatal("null was accepted")
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("parseObject: %v, encoding/json: %v", err, wantErr)
		}
		if err != nil {
			return
		}
		check := func(o object) {
			t.Helper()
			// encoding/json takes keys for one that differ only in what is no
			// Unicode, and keeps the last of them.
			names := map[string]string{}
			for _, e := range o.entries {
				if e.raw == "" {
					continue
				}
				if raw, ok := o.get(e.key); !ok || raw != e.raw {
					t.Fatalf("%q is not found", e.key)
				}
				if utf8.ValidString(e.key) {
					if raw, ok := want[e.key]; !ok || string(raw) != e.raw && !strings.Contains(e.key, "\uFFFD") {
						t.Fatalf("%q: %q, want %q", e.key, e.raw, raw)
					}
				}
				names[string([]rune(replaceSurrogates(e.key)))] = e.raw
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
		again, err := parseObject(got.encode())
		if err != nil {
			t.Fatalf("what encode wrote: %v", err)
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
		`{"a\ud83d":1,"a\ud83e":2}`, `{"\u00e9":1,"\u0061":2}`, `{"\ud83d\ude00":1,"\ud83d\ud83d\ude00":2,"\ude00\ud83d":3}`,
		`{"a\ufffd":1,"a\ud800":2,"a` + "\xff" + `":3}`, `{"\/":1,"\"\\\b\f\n\r\t":2}`, `{"\u2028":1}`,
	} {
		o, err := parseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(o.encode()); got != text {
			t.Errorf("%s became %s", text, got)
		}
		o.set("new", "0")
		if got, want := string(o.encode()), text[:len(text)-1]+`,"new":0}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDeeplyNestedDataIsRefusedNotRun(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 5_000_000) + strings.Repeat("]", 5_000_000) + `}`
	if _, err := parseObject([]byte(deep)); err == nil {
		t.Error("five million levels were accepted")
	}
	for _, levels := range []int{maxDepth - 1, maxDepth} {
		text := []byte(`{"a":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`)
		if _, err := parseObject(text); (err == nil) != json.Valid(text) {
			t.Errorf("%d levels: %v, encoding/json says valid=%v", levels, err, json.Valid(text))
		}
	}
}

// FuzzUnmarshalShortcuts holds the short ways of unmarshal against encoding/json.
func FuzzUnmarshalShortcuts(f *testing.F) {
	for _, s := range []string{`1`, `-0`, `01`, `"a"`, `"\n"`, `true`, `1.0`, `1e3`, `9223372036854775808`, `"é"`, `null`, `"` + "\xff" + `"`} {
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
	gotErr, wantErr := unmarshal(raw, &got), json.Unmarshal([]byte(raw), &want)
	if got != want || (gotErr == nil) != (wantErr == nil) {
		t.Errorf("%T from %q: %v, %v; encoding/json: %v, %v", zero, raw, got, gotErr, want, wantErr)
	}
}

func TestObjectAgainstAMap(t *testing.T) {
	// Enough keys to cross the size at which the index comes and goes.
	var o object
	model := map[string]string{}
	for i := range 2000 {
		key := fmt.Sprint("k", (i*7919)%40)
		switch (i / 40) % 3 {
		case 0, 1:
			o.set(key, fmt.Sprint(i))
			model[key] = fmt.Sprint(i)
		case 2:
			_, had := model[key]
			if o.delete(key) != had {
				t.Fatalf("step %d: delete reports %v", i, !had)
			}
			delete(model, key)
		}
		if raw, ok := o.get(key); raw != model[key] || ok != (model[key] != "") {
			t.Fatalf("step %d: %q, %v, want %q", i, raw, ok, model[key])
		}
		if o.len() != len(model) || o.own != len(model) {
			t.Fatalf("step %d: %d and %d entries, want %d", i, o.len(), o.own, len(model))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if raw, _ := o.get(k); raw != model[k] {
			t.Errorf("%s: %q, want %q", k, raw, model[k])
		}
	}
}

func TestEncodeKeepsTheOrderOfTheKeys(t *testing.T) {
	o, err := parseObject([]byte(`{"z":1,"a":{"y":2},"é\"":3}`))
	if err != nil {
		t.Fatal(err)
	}
	o.set("z", "9")
	o.set("b", "4")
	if got, want := string(o.encode()), `{"z":9,"a":{"y":2},"é\"":3,"b":4}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
