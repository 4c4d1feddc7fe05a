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
	// CompressionDefault packs random text, and compresses with an encoder that
	// takes a few microseconds; sessions above 2 KiB, whose cookies come near
	// the limit, as CompressionBest does.
	CompressionDefault Compression = iota

	// CompressionBest takes about three times as long to save a session, and
	// makes cookies up to a tenth smaller.
	CompressionBest

	// CompressionOff writes sessions as they are. With encryption, use it or
	// [Options.PadTo] if a session holds secrets next to text that others
	// choose: see the package documentation.
	CompressionOff
)

const (
	// bestAbove is the length of a text from which on CompressionDefault is
	// CompressionBest.
	bestAbove = 2 << 10

	bestLevel = flate.BestCompression
)

// deflate writes text as a raw DEFLATE stream (RFC 1951) to w, which does not
// fail.
func (d *dictionary) deflate(w *buffer, text []byte, c Compression) {
	if c == CompressionBest || len(text) > bestAbove {
		d.deflateBest(w, text)
		return
	}
	// The encoder reads the dictionary anew every time, which is most of its
	// work with short texts. What they need is at its end.
	words := d.words
	if n := shortDictionary + 4*len(text); n < len(words) {
		words = words[len(words)-n:]
	}
	flate.StatelessDeflate(w, text, true, words)
}

// shortDictionary is the least part of a dictionary that is worth its time.
const shortDictionary = 512

func (d *dictionary) deflateBest(w *buffer, text []byte) {
	fw, ok := d.best.Get().(*flate.Writer)
	if ok {
		fw.Reset(w)
	} else {
		fw, _ = flate.NewWriterDict(w, bestLevel, d.words) // fails for an invalid level only
	}
	fw.Write(text)
	fw.Close()
	d.best.Put(fw)
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
