package deflate

import (
	"math/bits"
	"slices"
)

// The alphabets of RFC 1951, section 3.2.5.
const (
	endOfBlock  = 256
	firstLength = 257
	numLengths  = 29
	numLiterals = firstLength + numLengths // of literals, the end of the block, and lengths
	numDists    = 30
)

const (
	maxCodeBits = 15

	// minDynamic is the size in bits from which on it is tried whether a text
	// gets shorter with codes of its own. To tell them takes about 50 bytes.
	minDynamic = 120 * 8
)

// lengthCode returns the code of a match's length, less firstLength, and its
// extra bits.
func lengthCode(length int) (code, extra, bits int) {
	if length == maxMatch {
		return numLengths - 1, 0, 0
	}
	return exponential(length-minMatch, 2)
}

// distCode returns the code of a match's distance, and its extra bits.
func distCode(dist int) (code, extra, bits int) { return exponential(dist-1, 1) }

// exponential returns the code for v in the tables of RFC 1951, section 3.2.5,
// in which 2^k codes in a row have the same number of extra bits.
func exponential(v, k int) (code, extra, n int) {
	n = max(0, bits.Len(uint(v))-1-k)
	return n<<k + v>>n, v & (1<<n - 1), n
}

// A code stands for a symbol: that many bits, in the order in which they are
// written.
type code struct{ code, bits uint16 }

type codes struct {
	literals [numLiterals]code
	dists    [numDists]code
}

// fixedCodes are those of RFC 1951, section 3.2.6, and lengthCost is what a
// match's length takes with them.
var (
	fixedCodes = func() (c codes) {
		var literals [288]code // with two that stand for nothing
		for i := range literals {
			switch {
			case i < 144:
				literals[i].bits = 8
			case i < 256:
				literals[i].bits = 9
			case i < 280:
				literals[i].bits = 7
			default:
				literals[i].bits = 8
			}
		}
		assign(literals[:])
		copy(c.literals[:], literals[:])
		for i := range c.dists {
			c.dists[i].bits = 5
		}
		assign(c.dists[:])
		return c
	}()

	lengthCost = func() (cost [maxMatch + 1]uint8) {
		for length := minMatch; length <= maxMatch; length++ {
			code, _, bits := lengthCode(length)
			cost[length] = uint8(int(fixedCodes.literals[firstLength+code].bits) + bits)
		}
		return cost
	}()
)

// distCost is what a match's distance takes with the fixed codes.
func distCost(dist int) uint32 { return uint32(5 + max(0, bits.Len(uint(dist-1))-2)) }

// assign makes codes of their lengths: RFC 1951, section 3.2.2.
func assign(codes []code) {
	var count, next [maxCodeBits + 2]uint16
	for _, c := range codes {
		if c.bits > 0 {
			count[c.bits]++
		}
	}
	for n := range maxCodeBits {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for i, c := range codes {
		if c.bits > 0 {
			codes[i].code = bits.Reverse16(next[c.bits]) >> (16 - c.bits)
			next[c.bits]++
		}
	}
}

// huffman makes the codes of a block: RFC 1951, section 3.2.7.
type huffman struct {
	codes
	literalCount [numLiterals]uint16
	distCount    [numDists]uint16
	extra        int // bits

	// The lengths of the codes, as they are written.
	numLiterals, numDists, numLengthCodes int
	lengths                               []lengthSymbol
	lengthCodes                           [numLengthSymbols]code

	keys   [numLiterals]uint32
	weight [2 * numLiterals]uint32
	parent [2 * numLiterals]uint16
}

// Symbols for the lengths of codes beside those for 0 to 15.
const (
	repeatLength = 16 // the length before, 3 to 6 times
	repeatZero   = 17 // 0, 3 to 10 times
	repeatZeros  = 18 // 0, 11 to 138 times

	numLengthSymbols = 19
	maxLengthBits    = 7
)

var (
	lengthOrder     = [numLengthSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lengthExtraBits = [numLengthSymbols]int{repeatLength: 2, repeatZero: 3, repeatZeros: 7}
)

type lengthSymbol struct{ symbol, extra uint8 }

// count counts the symbols of a text that was parsed.
func (e *encoder) count(text []byte) {
	clear(e.literalCount[:])
	clear(e.distCount[:])
	e.extra = 0
	for i := 0; i < len(text); i += int(e.ways[i].length) {
		w := e.ways[i]
		if w.dist == 0 {
			e.literalCount[text[i]]++
			continue
		}
		code, _, bits := lengthCode(int(w.length))
		e.literalCount[firstLength+code]++
		e.extra += bits
		code, _, bits = distCode(int(w.dist))
		e.distCount[code]++
		e.extra += bits
	}
	e.literalCount[endOfBlock] = 1
}

// fit makes the codes for what was counted, and returns the size of the block in
// bits.
func (h *huffman) fit() int {
	h.build(h.literals[:], h.literalCount[:], maxCodeBits)
	h.build(h.dists[:], h.distCount[:], maxCodeBits)
	h.numLiterals = used(h.literals[:], firstLength)
	h.numDists = used(h.dists[:], 1)
	count := h.describe()
	h.build(h.lengthCodes[:], count[:], maxLengthBits)
	h.numLengthCodes = numLengthSymbols
	for h.lengthCodes[lengthOrder[h.numLengthCodes-1]].bits == 0 {
		h.numLengthCodes--
	}

	size := 3 + 5 + 5 + 4 + 3*h.numLengthCodes + h.extra
	for i, n := range h.literalCount {
		size += int(n) * int(h.literals[i].bits)
	}
	for i, n := range h.distCount {
		size += int(n) * int(h.dists[i].bits)
	}
	for i, n := range count {
		size += int(n) * (int(h.lengthCodes[i].bits) + lengthExtraBits[i])
	}
	return size
}

func used(codes []code, least int) int {
	n := len(codes)
	for n > least && codes[n-1].bits == 0 {
		n--
	}
	return n
}

// describe makes the symbols for the lengths of the codes, and counts them.
func (h *huffman) describe() (count [numLengthSymbols]uint16) {
	h.lengths = h.lengths[:0]
	put := func(symbol, extra int) {
		h.lengths = append(h.lengths, lengthSymbol{uint8(symbol), uint8(extra)})
		count[symbol]++
	}
	at := func(i int) int {
		if i < h.numLiterals {
			return int(h.literals[i].bits)
		}
		return int(h.dists[i-h.numLiterals].bits)
	}
	for i, total := 0, h.numLiterals+h.numDists; i < total; {
		length, run := at(i), 1
		for i+run < total && at(i+run) == length {
			run++
		}
		i += run
		if length > 0 {
			put(length, 0)
			run--
		}
		for run > 0 {
			switch n := run; {
			case n < 3:
				put(length, 0)
				run--
			case length > 0:
				n = min(n, 6)
				put(repeatLength, n-3)
				run -= n
			case n <= 10:
				put(repeatZero, n-3)
				run -= n
			default:
				n = min(n, 138)
				put(repeatZeros, n-11)
				run -= n
			}
		}
	}
	return count
}

// writeCodes writes the header of the block.
func (e *encoder) writeCodes() {
	e.bits.write(1|2<<1, 3) // the last block, BTYPE 10: section 3.2.3
	e.bits.write(e.numLiterals-firstLength, 5)
	e.bits.write(e.numDists-1, 5)
	e.bits.write(e.numLengthCodes-4, 4)
	for _, symbol := range lengthOrder[:e.numLengthCodes] {
		e.bits.write(int(e.lengthCodes[symbol].bits), 3)
	}
	for _, l := range e.lengths {
		e.bits.code(e.lengthCodes[l.symbol])
		e.bits.write(int(l.extra), lengthExtraBits[l.symbol])
	}
}

// build makes a Huffman code for symbols that occur so often, none of whose
// codes has more than limit bits.
//
// It is Huffman's algorithm with two queues (van Leeuwen 1976): the symbols in
// the order of their counts, and the nodes in the order in which they are made.
// When a code is too long it is made again with counts that differ less.
func (h *huffman) build(codes []code, count []uint16, limit int) {
	for shift := 0; ; shift++ {
		leaves := h.keys[:0]
		for i, n := range count {
			codes[i].bits = 0
			if n > 0 {
				leaves = append(leaves, uint32(max(1, n>>shift))<<16|uint32(i))
			}
		}
		if len(leaves) < 2 {
			for _, key := range leaves {
				codes[key&0xffff].bits = 1
			}
			break
		}
		slices.Sort(leaves)
		if h.depths(codes, leaves) <= limit {
			break
		}
	}
	assign(codes)
}

// depths sets the lengths of codes, and returns the greatest.
func (h *huffman) depths(codes []code, leaves []uint32) int {
	for i, key := range leaves {
		h.weight[i] = key >> 16
	}
	leaf, node, root := 0, len(leaves), 2*len(leaves)-2
	for next := node; next <= root; next++ {
		h.weight[next] = 0
		for range 2 {
			i := &node
			if leaf < len(leaves) && (node == next || h.weight[leaf] <= h.weight[node]) {
				i = &leaf
			}
			h.weight[next] += h.weight[*i]
			h.parent[*i] = uint16(next)
			*i++
		}
	}
	depth := &h.weight
	depth[root] = 0
	greatest := uint32(0)
	for i := root - 1; i >= 0; i-- {
		depth[i] = depth[h.parent[i]] + 1
		if i < len(leaves) {
			codes[leaves[i]&0xffff].bits = uint16(depth[i])
			greatest = max(greatest, depth[i])
		}
	}
	return int(greatest)
}
