package bench

import (
	"bytes"
	"testing"
)

func TestVariantsDifferAndAreOfOneSizeAndKind(t *testing.T) {
	for _, kind := range corpusShapes {
		sessions, err := Corpus(kind)
		if err != nil {
			t.Fatal(err)
		}
		s := sessions[0]
		original := bytes.Clone(s.JSON())
		seen := make(map[string]bool)
		for n := range 2000 {
			data := s.variant(n).JSON()
			if seen[string(data)] {
				t.Fatalf("%s: variant %d is there already", kind, n)
			}
			seen[string(data)] = true
			if len(data) != s.Size {
				t.Fatalf("%s: variant %d has %d bytes, want %d", kind, n, len(data), s.Size)
			}
			for i := range data {
				lo, _ := classOf(data[i])
				if want, _ := classOf(original[i]); lo != want {
					t.Fatalf("%s: variant %d has %q in the place of %q", kind, n, data[i], original[i])
				}
			}
		}
		if !bytes.Equal(s.JSON(), original) {
			t.Errorf("%s: the session itself was changed", kind)
		}
	}
}

func TestVariantOfASessionWithoutRandomTextHasANumber(t *testing.T) {
	s := Session{Entries: []Entry{{"user_id", []byte("20")}, {"team", []byte(`"red, white and blue forever"`)}}}
	a, b := s.variant(1).JSON(), s.variant(2).JSON()
	if bytes.Equal(a, b) || len(a) != len(b) || !bytes.Contains(a, []byte(CountKey)) {
		t.Errorf("got %s and %s", a, b)
	}
}

func TestReadEntryIsShort(t *testing.T) {
	entry := func(key, value string) Entry { return Entry{key, []byte(value)} }
	long := `"` + string(bytes.Repeat([]byte("x"), 200)) + `"`
	tests := []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"a user id after an object and a long text",
			[]Entry{entry("cart", "{}"), entry("token", long), entry("id", "7")}, "id"},
		{"the first of several", []Entry{entry("a", `"1"`), entry("b", "2")}, "a"},
		{"nothing short", []Entry{entry("cart", "{}"), entry("list", "[]")}, "cart"},
	}
	for _, tt := range tests {
		if got := (Session{Entries: tt.entries}).ReadEntry().Key; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestVisitorsOutnumberWhatAnEngineRemembers(t *testing.T) {
	const cache = 1 << 20
	for _, kind := range corpusShapes {
		sessions, err := Corpus(kind)
		if err != nil {
			t.Fatal(err)
		}
		s := sessions[0]
		for _, k := range []Kind{Read, Write, Login} {
			// A remembered session takes more than its own size.
			if n := visitorsFor(k, s, cache); n < cache/(s.Size+128) {
				t.Errorf("%s: %s: %d visitors fit into the cache", kind, k, n)
			}
		}
		if n := visitorsFor(Again, s, cache); n != ring {
			t.Errorf("%s: %d visitors come back at once, want %d", kind, n, ring)
		}
	}
}
