package deflate_test

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/flate"

	"sessionengine/signedcookie/internal/deflate"
)

// wantRoundTrip compresses text twice, which gives the same, and has other
// packages inflate it.
func wantRoundTrip(t *testing.T, d *deflate.Dictionary, words, text []byte) []byte {
	t.Helper()
	const before = "before"
	out := d.Append([]byte(before), text)
	if again := d.Append(nil, text); string(out) != before+string(again) {
		t.Fatalf("the same text gave %x and %x", out, again)
	}
	out = out[len(before):]
	for name, open := range map[string]func(io.Reader, []byte) io.ReadCloser{
		"compress/flate": stdflate.NewReaderDict, "klauspost/compress/flate": flate.NewReaderDict} {
		src := bytes.NewReader(out)
		if got, err := io.ReadAll(open(src, words)); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%s inflates %x to %q, %v, want %q", name, out, got, err, text)
		}
		if src.Len() > 0 {
			t.Fatalf("%s leaves %d bytes of %x", name, src.Len(), out)
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	words := readFile(t, "../../testdata/dictionary.bin")
	d := deflate.NewDictionary(words)
	files, err := filepath.Glob("../../../bench/testdata/corpus/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		for line := range bytes.Lines(readFile(t, file)) {
			wantRoundTrip(t, d, words, line)
		}
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// edges calls f for texts at the limits of the format: all lengths and distances,
// codes that are as long as they can be, or of one symbol only.
func edges(f func(d *deflate.Dictionary, words, text []byte)) {
	random := rand.NewChaCha8([32]byte{})
	noise := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	var fibonacci []byte // counts of symbols that give the deepest Huffman tree
	for i, a, b := 0, 1, 1; i < 20; i, a, b = i+1, b, a+b {
		fibonacci = append(fibonacci, bytes.Repeat([]byte{byte(i)}, a)...)
	}
	rand.New(random).Shuffle(len(fibonacci), func(i, j int) {
		fibonacci[i], fibonacci[j] = fibonacci[j], fibonacci[i]
	})
	var all []byte // bytes, no three of which come twice
	for i := range 256 {
		all = append(all, byte(i), byte(i*7), byte(255-i))
	}
	far := noise(30000)
	texts := [][]byte{nil, []byte("a"), []byte("ab"), []byte("abc"), []byte("abcabc"), bytes.Repeat([]byte("a"), 1000),
		fibonacci, all, noise(2000), append(far, far[:300]...)}
	for n := range 300 {
		texts = append(texts, append(bytes.Repeat([]byte("x"), n), noise(n)...))
	}
	for _, words := range [][]byte{nil, []byte("a"), []byte("ab"), []byte("abc"), noise(260), all,
		append(noise(400), "xxx"...)} {
		d := deflate.NewDictionary(words)
		for _, text := range append(texts, words, noise(d.MaxText()), bytes.Repeat([]byte("a"), d.MaxText())) {
			if len(text) <= d.MaxText() {
				f(d, words, text)
			}
		}
	}
}

func TestEdges(t *testing.T) {
	edges(func(d *deflate.Dictionary, words, text []byte) { wantRoundTrip(t, d, words, text) })
}

// zlib is stricter than Go about codes that are not complete.
func TestZlibInflates(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	var lines strings.Builder
	edges(func(d *deflate.Dictionary, words, text []byte) {
		fmt.Fprintf(&lines, "%x %x %x\n", words, text, d.Append(nil, text))
	})
	python := exec.Command("python3", "-c", `
import sys, zlib
for line in sys.stdin:
    words, text, stream = map(bytes.fromhex, line[:-1].split(" "))
    d = zlib.decompressobj(-15, words)
    assert d.decompress(stream) == text and d.eof and d.unused_data == b"", line
`)
	python.Stdin = strings.NewReader(lines.String())
	if out, err := python.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out[max(0, len(out)-2000):])
	}
}

// A match may begin in the dictionary and end in the text, and a text that is in
// the dictionary is one match.
func TestDictionaryIsUsed(t *testing.T) {
	words := []byte("the words of a dictionary, ab")
	d := deflate.NewDictionary(words)
	for text, most := range map[string]int{
		"the words of a dictionary": 5,
		"abababababababababababab":  4,
		strings.Repeat("b", 100):    5,
	} {
		if out := wantRoundTrip(t, d, words, []byte(text)); len(out) > most {
			t.Errorf("%q takes %d bytes, want %d at most", text, len(out), most)
		}
	}
}

// What is written is no longer than what flate's best level makes of it, but for
// a few texts, and by a few bytes.
func TestTextsAreShort(t *testing.T) {
	words := readFile(t, "../../testdata/dictionary.bin")
	d := deflate.NewDictionary(words)
	var best bytes.Buffer
	w, err := flate.NewWriterDict(&best, flate.BestCompression, words)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := 0, 0
	for _, kind := range []string{"visitor", "login", "cart", "laravel", "rails", "express", "flashes", "checkout"} {
		for line := range bytes.Lines(readFile(t, "../../../bench/testdata/corpus/"+kind+".jsonl")) {
			best.Reset()
			w.Reset(&best)
			w.Write(line)
			w.Close()
			out := d.Append(nil, line)
			if len(out) > best.Len()*103/100+2 {
				t.Errorf("%s: %d bytes, and flate writes %d", kind, len(out), best.Len())
			}
			ours += len(out)
			theirs += best.Len()
		}
	}
	t.Logf("%d bytes, and flate writes %d", ours, theirs)
	if ours > theirs*99/100 {
		t.Errorf("%d bytes in all, and flate writes %d", ours, theirs)
	}
}

func TestConcurrentUse(t *testing.T) {
	words := readFile(t, "../../testdata/dictionary.bin")
	d := deflate.NewDictionary(words)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				if text := words[i:]; !bytes.Equal(d.Append(nil, text), deflate.NewDictionary(words).Append(nil, text)) {
					t.Error("another stream than that of one who is alone")
				}
			}
		})
	}
	wg.Wait()
}

// Any text with any dictionary inflates to the text.
func FuzzRoundTrip(f *testing.F) {
	words := readFile(f, "../../testdata/dictionary.bin")
	for _, kind := range []string{"login", "cart", "large-cart"} {
		f.Add(words, bytes.Split(readFile(f, "../../../bench/testdata/corpus/"+kind+".jsonl"), []byte("\n"))[0])
	}
	f.Add([]byte("aaaa"), bytes.Repeat([]byte("a"), 600))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, words, text []byte) {
		words = words[:min(len(words), 8<<10)]
		d := deflate.NewDictionary(words)
		wantRoundTrip(t, d, words, text[:min(len(text), d.MaxText())])
	})
}
