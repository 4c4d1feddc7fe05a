package signedcookie

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// Compression tells how much time to spend to make cookies smaller. Cookies are
// read the same way, whatever was used to write them.
type Compression int

const (
	// CompressionDefault takes a few microseconds for a login, and twenty for a
	// shopping cart.
	CompressionDefault Compression = iota

	// CompressionBest takes twice as long or longer, and a megabyte of memory
	// for each session that is saved at the same time, and makes cookies up to
	// a twentieth smaller.
	CompressionBest

	// CompressionOff writes sessions as they are. With encryption, use it or
	// [Options.PadTo] if a session holds secrets next to text that others
	// choose: see the package documentation.
	CompressionOff
)

const (
	// defaultLevel is within a few percent of the best one, in less time: see
	// MEASUREMENTS.md.
	defaultLevel = 5
	bestLevel    = flate.BestCompression

	// Below this length the encoder for defaultLevel looks for no matches, and
	// another one is used.
	shortText = 128

	// The encoders read the dictionary again every time, which is most of their
	// work with short texts. So these get only the end of the built-in one, which
	// is made for that: shortWords bytes for short texts, and n²/wordsDivisor
	// for one of n bytes.
	shortWords   = 512
	wordsDivisor = 48
)

// deflate writes text as a raw DEFLATE stream (RFC 1951) to w, which does not
// fail.
func (d *dictionary) deflate(w *buffer, text []byte, c Compression) {
	words := d.words
	pool, level := &d.best, bestLevel
	if c == CompressionDefault {
		short := len(text) < shortText
		if d.builtin {
			n := len(text) * len(text) / wordsDivisor
			if short {
				n = shortWords
			}
			words = words[max(0, len(words)-n):]
		}
		if short {
			flate.StatelessDeflate(w, text, true, words)
			return
		}
		pool, level = &d.fast, defaultLevel
	}
	fw, ok := pool.Get().(*flate.Writer)
	if !ok {
		fw, _ = flate.NewWriter(io.Discard, level) // fails for an invalid level only
	}
	fw.ResetDict(w, words)
	fw.Write(text)
	fw.Close()
	pool.Put(fw)
}

// inflater decompresses one text after another.
type inflater struct {
	src    bytes.Reader
	stream io.ReadCloser // a flate reader of src
	text   []byte
}

// inflate decompresses a raw DEFLATE stream that must end with compressed. It
// reports false for any other, and for one that holds more than limit bytes, of
// which it decompresses hardly more than limit. The text is valid until the next
// call.
func (f *inflater) inflate(compressed, dict []byte, limit int) (text []byte, ok bool) {
	f.src.Reset(compressed)
	defer f.src.Reset(nil)
	if f.stream == nil {
		f.stream = flate.NewReaderDict(&f.src, dict)
	} else if err := f.stream.(flate.Resetter).Reset(&f.src, dict); err != nil {
		return nil, false
	}
	text = f.text[:0]
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := f.stream.Read(text[len(text):min(cap(text), limit+1)])
		text = text[:len(text)+n]
		f.text = text
		if len(text) > limit {
			return nil, false
		}
		if err == io.EOF {
			return text, f.src.Len() == 0
		}
		if err != nil {
			return nil, false
		}
	}
}
