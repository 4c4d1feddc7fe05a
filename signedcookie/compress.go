package signedcookie

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// Compression tells whether cookies are made smaller. They are read the same way,
// whatever was used to write them.
type Compression int

const (
	// CompressionDefault takes half a microsecond for a login, and twenty for a
	// shopping cart: see MEASUREMENTS.md.
	CompressionDefault Compression = iota

	// CompressionOff writes sessions as they are. With encryption, use it or
	// [Options.PadTo] if a session holds secrets next to text that others
	// choose: see the package documentation.
	CompressionOff
)

// longText is the length in bytes from which on flate's best level gives shorter
// texts than package deflate does, in less time: see MEASUREMENTS.md.
const longText = 4 << 10

// deflate appends text as a raw DEFLATE stream (RFC 1951) to w.
func (d *dictionary) deflate(w *buffer, text []byte) {
	if len(text) < longText {
		*w = d.index.Append(*w, text)
		return
	}
	fw, ok := d.writers.Get().(*flate.Writer)
	if !ok {
		fw, _ = flate.NewWriter(io.Discard, flate.BestCompression) // fails for an invalid level only
	}
	fw.ResetDict(w, d.words)
	fw.Write(text) // as w.Write, which does not fail
	fw.Close()
	d.writers.Put(fw)
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
		end := cap(text)
		if limit < end {
			end = limit + 1
		}
		n, err := f.stream.Read(text[len(text):end])
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
