// Package deflate writes short texts as raw DEFLATE streams (RFC 1951) with a
// preset dictionary: each as one block, with the codes that make it shorter, and
// with what is nearly the cheapest choice of matches. An index of the dictionary
// is made once, so that the time for a text depends on the text only.
//
// It is for texts of a few kilobytes. What it writes is read by every inflater
// that takes a dictionary, such as those of compress/flate and zlib.
package deflate

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
)

const (
	// RFC 1951, section 3.2.5.
	minMatch = 3
	maxMatch = 258

	// maxWindow is the greatest distance (RFC 1951, section 2). Dictionary and
	// text are no longer together.
	maxWindow = 32 << 10

	// maxChain is how many places are looked at for a match, the nearest first.
	maxChain = 64

	// A match of niceMatch bytes that overlaps with none before it, but for
	// slack bytes, is taken without looking for what begins inside of it.
	niceMatch = 16
	slack     = 2

	hashBits = 12
)

// A Dictionary is an index of text that DEFLATE takes as if it had come before
// each text. It is safe for concurrent use.
type Dictionary struct {
	words    []byte
	head     [1 << hashBits]uint16
	prev     []uint16
	encoders sync.Pool // of *encoder
}

// NewDictionary returns an index of words, which it copies. They must be shorter
// than 32 KiB.
func NewDictionary(words []byte) *Dictionary {
	d := &Dictionary{words: slices.Clone(words), prev: make([]uint16, len(words))}
	e := d.newEncoder()
	for i := range max(0, len(words)-minMatch+1) {
		e.insert(i)
	}
	d.head = e.head
	copy(d.prev, e.prev)
	return d
}

// MaxText returns the length of the longest text that Append takes.
func (d *Dictionary) MaxText() int { return maxWindow - len(d.words) }

// Append appends text as a DEFLATE stream to dst. The same text always gives the
// same stream.
func (d *Dictionary) Append(dst, text []byte) []byte {
	e, ok := d.encoders.Get().(*encoder)
	if !ok {
		e = d.newEncoder()
	}
	dst = e.append(dst, text, &d.head)
	d.encoders.Put(e)
	return dst
}

// An encoder writes one text after another with one dictionary.
type encoder struct {
	words int
	buf   []byte // the dictionary, the text, and one byte that hash may read

	// Hash chains: 1 + the last position with a hash, and with the hash that a
	// position has, the last one before it; or 0.
	head [1 << hashBits]uint16
	prev []uint16

	ways []way // for each position of the text, and its end
	huffman
	bits writer
}

// A way to a position of the text is the last step of the cheapest one that is
// known: a literal, whose dist is 0, or a match. Once the parse is done, it is
// the step that begins at the position.
type way struct {
	cost         uint32 // from the start of the text, in bits
	length, dist uint16
}

func (d *Dictionary) newEncoder() *encoder {
	e := &encoder{words: len(d.words)}
	e.buf = append(append(e.buf, d.words...), 0)
	e.prev = append(e.prev, d.prev...)
	return e
}

func (e *encoder) append(dst, text []byte, head *[1 << hashBits]uint16) []byte {
	n := len(text)
	e.buf = append(append(e.buf[:e.words], text...), 0)
	e.prev = slices.Grow(e.prev[:e.words], n)[:e.words+n]
	e.ways = slices.Grow(e.ways[:0], n+1)[:n+1]
	e.head = *head

	fixed := 3 + e.parse() + int(fixedCodes.literals[endOfBlock].bits)
	codes := &fixedCodes
	if fixed > minDynamic {
		e.count(text)
		if e.fit() < fixed {
			codes = &e.codes
		}
	}
	e.bits = writer{out: dst}
	if codes == &fixedCodes {
		e.bits.write(1|1<<1, 3) // the last block, BTYPE 01: section 3.2.3
	} else {
		e.writeCodes()
	}
	for i := 0; i < n; i += int(e.ways[i].length) {
		w := e.ways[i]
		if w.dist == 0 {
			e.bits.code(codes.literals[text[i]])
			continue
		}
		code, extra, bits := lengthCode(int(w.length))
		e.bits.code(codes.literals[firstLength+code])
		e.bits.write(extra, bits)
		code, extra, bits = distCode(int(w.dist))
		e.bits.code(codes.dists[code])
		e.bits.write(extra, bits)
	}
	e.bits.code(codes.literals[endOfBlock])
	return e.bits.flush()
}

// insert adds a position to the chain of its hash, and returns the one before
// it, plus 1.
func (e *encoder) insert(i int) uint16 {
	const golden = 0x9e3779b1 // 2^32 / the golden ratio
	h := binary.LittleEndian.Uint32(e.buf[i:]) << 8 * golden >> (32 - hashBits)
	before := e.head[h]
	e.prev[i] = before
	e.head[h] = uint16(i + 1)
	return before
}

// parse chooses literals and matches, and returns their size in bits with the
// fixed codes. It goes through the text once and notes the cheapest way to each
// position, a shortest path as in zopfli, but leaves out what is inside of long
// matches, and cuts no more than slack bytes off a match. What is best with the
// fixed codes is good with other ones.
func (e *encoder) parse() int {
	buf, ways := e.buf[:len(e.buf)-1], e.ways
	for i := range ways {
		ways[i].cost = math.MaxUint32
	}
	ways[0].cost = 0
	last := len(buf) - minMatch // where a match can begin
	for i := max(0, e.words-minMatch+1); i < min(e.words, last+1); i++ {
		e.insert(i) // the end of the dictionary and the start of the text
	}
	reach := 0 // where the matches found so far end
	for i := e.words; i < len(buf); i++ {
		to := ways[i-e.words:]
		if cost := to[0].cost + uint32(fixedCodes.literals[buf[i]].bits); cost < to[1].cost {
			to[1] = way{cost, 1, 0}
		}
		if i > last {
			continue
		}
		text := buf[i:min(len(buf), i+maxMatch)]
		longest := minMatch - 1
		at := int(e.insert(i))
		for chain := maxChain; at > 0 && chain > 0; chain-- {
			from := at - 1
			at = int(e.prev[from])
			earlier := buf[from : from+len(text)]
			if earlier[longest] != text[longest] {
				continue
			}
			n := matchLen(earlier, text)
			if n <= longest {
				continue
			}
			dist := i - from
			cost := to[0].cost + distCost(dist)
			for length := max(longest+1, n-slack); length <= n; length++ {
				if cost := cost + uint32(lengthCost[length]); cost < to[length].cost {
					to[length] = way{cost, uint16(length), uint16(dist)}
				}
			}
			longest = n
			if n == len(text) {
				break
			}
		}
		if longest >= niceMatch && i+slack >= reach {
			for end := i + longest - 1; i < end; {
				if i++; i <= last {
					e.insert(i)
				}
			}
			reach = i + 1
		} else if longest >= minMatch {
			reach = max(reach, i+longest)
		}
	}
	// Turn the steps around.
	i := len(ways) - 1
	cost := ways[i].cost
	for step := ways[i]; i > 0; {
		i -= int(step.length)
		step, ways[i] = ways[i], step
	}
	return int(cost)
}

// matchLen returns how many bytes at the start of a and b, which have the same
// length, are the same.
func matchLen(a, b []byte) int {
	n := 0
	for ; n+8 <= len(a) && n+8 <= len(b); n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
	}
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// A writer packs bits into bytes, from the least significant bit on: RFC 1951,
// section 3.1.1.
type writer struct {
	out  []byte
	bits uint64 // that are not yet in out
	n    int    // how many, less than 32
}

// write writes n bits, at most 32.
func (w *writer) write(v, n int) {
	w.bits |= uint64(v) << w.n
	w.n += n
	if w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.bits))
		w.bits >>= 32
		w.n -= 32
	}
}

func (w *writer) code(c code) { w.write(int(c.code), int(c.bits)) }

func (w *writer) flush() []byte {
	for ; w.n > 0; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
	return w.out
}
