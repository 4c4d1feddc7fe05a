package revocation_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sessionengine/revocation"
)

const id = "0123456789abcdef01234567"

func TestMark(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		generation int64
		owner      string
		want       string
	}{
		{"a session", `{"a":1}`, 0, "", `{"_session_id":"0123456789abcdef0123456715","a":1}`},
		{"an empty session", `{}`, 0, "", `{"_session_id":"0123456789abcdef0123456715"}`},
		{"an empty session with a space", `{ }`, 0, "", `{"_session_id":"0123456789abcdef0123456715" }`},
		{"spaces in front", " \n{\t\"a\":1} ", 0, "", " \n{\"_session_id\":\"0123456789abcdef0123456715\",\t\"a\":1} "},
		{"an owner", `{"a":1}`, 0, "42", `{"_session_id":"0123456789abcdef0123456715.42","a":1}`},
		{"a generation", `{"a":1}`, 0x0199c8f3a1b2, "",
			`{"_session_id":"0123456789abcdef01234567150199c8f3a1b2","a":1}`},
		{"both", `{"a":1}`, 1, "a.b", `{"_session_id":"0123456789abcdef0123456715000000000001.a.b","a":1}`},
		{"an owner to be escaped", `{"a":1}`, 0, "\"\\\n", `{"_session_id":"0123456789abcdef0123456715.\"\\\n","a":1}`},
		{"a session that has a mark", `{"_session_id":"0123456789abcdef0123456715","a":1}`, 0, "",
			`{"_session_id":"0123456789abcdef0123456715","_session_id":"0123456789abcdef0123456715","a":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			marked, ok := revocation.Mark([]byte(tc.data), id, tc.generation, tc.owner)
			if !ok || string(marked) != tc.want {
				t.Fatalf("marked is\n%s, want\n%s", marked, tc.want)
			}
			gotID, generation, owner, rest, ok := revocation.Cut(marked)
			if !ok || gotID != id || generation != tc.generation || owner != tc.owner || string(rest) != tc.data {
				t.Errorf("cut: %q %d %q %q %v", gotID, generation, owner, rest, ok)
			}
		})
	}
}

func TestWhatIsNoMark(t *testing.T) {
	for _, data := range []string{
		``, `{`, `{}`, `[]`, `"_session_id":"0123456789abcdef0123456715"`,
		`{"a":1,"_session_id":"0123456789abcdef0123456715"}`, // the mark comes first
		`{"_session_id":"0123456789abcdef01234567"}`,
		`{"_session_id":"0123456789abcdef01234567ff"}`, // a span of more than a hundred years
		`{"_session_id":"0123456789ABCDEF01234567"}`,
		`{"_session_id":"0123456789abcdef012345671500"}`,
		`{"_session_id":"0123456789abcdef0123456715000000000000"}`, // generation 0 is written as none
		`{"_session_id":"0123456789abcdef0123456715."}`,
		`{"_session_id":"0123456789abcdef0123456715.\x"}`,
		`{"_session_id":"0123456789abcdef0123456715\"}`,
		`{"_session_id":"0123456789abcdef0123456715`,
		`{"_session_id":"0123456789abcdef0123456715"`,
		`{"_session_id":"0123456789abcdef0123456715" "a":1}`,
		`{"_session_id":"0123456789abcdef0123456715",}`,
		`{"_session_id":7}`,
	} {
		if _, _, _, rest, ok := revocation.Cut([]byte(data)); ok || string(rest) != data {
			t.Errorf("%s: %q, %v", data, rest, ok)
		}
	}
	for _, data := range []string{``, `{`, `[]`, `null`, `a{}`} {
		if marked, ok := revocation.Mark([]byte(data), id, 0, ""); ok {
			t.Errorf("%s: marked is %s", data, marked)
		}
	}
}

// FuzzMark checks that what is marked is a JSON object if it was one, and comes
// back byte for byte with the same mark.
func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"a":1}`), int64(0), "")
	f.Add([]byte(` { }`), int64(1), "alice@example.org")
	f.Add([]byte("{\"\u00e9\":\"\\u00e9\"}"), int64(1<<48-1), "\u00e9\\\"\u2028<\x00")
	f.Fuzz(func(t *testing.T, data []byte, generation int64, owner string) {
		if generation < 0 || generation >= 1<<48 || !utf8.ValidString(owner) {
			return
		}
		before := bytes.Clone(data)
		marked, ok := revocation.Mark(data, id, generation, owner)
		if !bytes.Equal(data, before) {
			t.Error("the data was changed")
		}
		if !ok {
			if json.Valid(data) && strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
				t.Error("refused an object")
			}
			return
		}
		if json.Valid(marked) != json.Valid(data) {
			t.Errorf("made %q of %q", marked, data)
		}
		gotID, gotGeneration, gotOwner, rest, ok := revocation.Cut(marked)
		if !ok || gotID != id || gotGeneration != generation || gotOwner != owner || !bytes.Equal(rest, data) {
			t.Errorf("%q came back as %q, with %q %d %q", data, rest, gotID, gotGeneration, gotOwner)
		}
	})
}

// FuzzCut presents any data, as another program may have written it.
func FuzzCut(f *testing.F) {
	f.Add([]byte(`{"_session_id":"0123456789abcdef01234567.\u00e9","a":1}`))
	f.Add([]byte(`{"_session_id":"0123456789abcdef01234567\"}`))
	f.Add([]byte(`{"_session_id":"0123456789abcdef01234567000000000001" }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		id, generation, owner, rest, ok := revocation.Cut(data)
		if !ok {
			if !bytes.Equal(rest, before) || !bytes.Equal(data, before) {
				t.Errorf("%q was changed to %q, and has no mark", before, rest)
			}
			return
		}
		if json.Valid(before) && !json.Valid(rest) {
			t.Errorf("made %q of %q", rest, before)
		}
		marked, ok := revocation.Mark(rest, id, generation, owner)
		if !ok || !utf8.Valid(before) {
			return
		}
		again, g, o, r, ok := revocation.Cut(marked)
		if !ok || again != id || g != generation || o != owner || !bytes.Equal(r, rest) {
			t.Errorf("%q came back as %q, with %q %d %q", rest, r, again, g, o)
		}
	})
}

func TestSpans(t *testing.T) {
	last := -1
	for life := time.Second; life < 100*365*24*time.Hour; life += life/50 + time.Millisecond {
		span, spanLife := revocation.Span(life)
		if span < last || span > 255 {
			t.Fatalf("the span of %v is %d, after %d", life, span, last)
		}
		if spanLife < life || life > 10*time.Second && spanLife > life+life/4+time.Second {
			t.Errorf("the span of %v is %v", life, spanLife)
		}
		last = span
	}
}
