package signedcookie

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strconv"
)

// Packing writes what DEFLATE cannot shrink in as few bits as it needs. Half of
// a typical session is random: a hash in hexadecimal, a token in base64, a UUID,
// the seconds since 1970. DEFLATE spends a whole byte on each of their characters
// while a session is too small to pay for a Huffman table. Packing puts a mark in
// the place of such a run of characters, and what the run decodes to into raw,
// which is not compressed.
//
// A mark is a byte that UTF-8 never contains (RFC 3629, section 1). It is
// followed by the number of bytes that the run decodes to, or as told here.
const (
	markHex    = 0xf8 // lower-case hexadecimal, decoded in raw
	markUUID   = 0xf9 // RFC 9562, section 4, in lower case; always 16 bytes in raw, so no number follows
	markURL    = 0xfa // base64 of RFC 4648, section 5, without padding, decoded in raw
	markStd    = 0xfb // the same with the alphabet of section 4
	markJSON   = 0xfc // as markURL, but decoded in the text itself, since it is text: a JSON Web Token
	markRepeat = 0xfd // followed by the number of an earlier run, counted from 0: the same run again
	markNumber = 0xfe // decimal without leading zeros, big-endian in raw

	firstMark = markHex // so are all greater bytes, now or later
)

const (
	minRun   = 16 // characters; shorter runs are left to DEFLATE
	maxPiece = 255
	uuidLen  = 36

	minNumber      = 9  // digits; a time in seconds has 10
	maxNumber      = 19 // digits, all of which fit into maxNumberBytes
	maxNumberBytes = 8

	// maxRepeats is the number of runs that can be repeated: the first ones.
	maxRepeats = 32
)

var (
	base64URL = base64.RawURLEncoding.Strict()
	base64Std = base64.RawStdEncoding.Strict()
)

// Classes of the characters that runs are made of.
const (
	notInRun = iota
	classDigit
	classHexLetter // a to f
	classLower     // g to z
	classUpper
	classURL // - and _
	classStd // + and /
	classMark
	numClasses
)

var classOf = func() (class [256]uint8) {
	for c := range class {
		switch {
		case '0' <= c && c <= '9':
			class[c] = classDigit
		case 'a' <= c && c <= 'f':
			class[c] = classHexLetter
		case 'g' <= c && c <= 'z':
			class[c] = classLower
		case 'A' <= c && c <= 'Z':
			class[c] = classUpper
		case c == '-', c == '_':
			class[c] = classURL
		case c == '+', c == '/':
			class[c] = classStd
		case c >= firstMark:
			class[c] = classMark
		}
	}
	return class
}()

// packer packs one session after another, and keeps its buffers.
type packer struct {
	text []byte // the session, marks in the place of runs
	raw  []byte // what runs decode to

	runs [maxRepeats][]byte // runs that are in text, parts of the session
	n    int
}

// pack makes p.text and p.raw of a session. It reports false if there is nothing
// to pack, or if data is not UTF-8 and contains marks.
func (p *packer) pack(data []byte) bool {
	p.text, p.raw, p.n = p.text[:0], p.raw[:0], 0
	defer clear(p.runs[:]) // they are the caller's
	done := 0
	for i := 0; i < len(data); {
		class := classOf[data[i]]
		if class == notInRun {
			i++
			continue
		}
		var count [numClasses]int
		start, uuid := i, false
		for class != notInRun {
			if class >= classURL {
				if uuid = data[i] == '-' && i-start >= 8 && uuidAt(data, i-8); uuid {
					// The run ends before it, whatever it is, such as a path.
					for range 8 {
						i--
						count[classOf[data[i]]]--
					}
					break
				}
				if class == classStd && count[classURL] > 0 || class == classURL && count[classStd] > 0 {
					break // no alphabet has both
				}
			}
			count[class]++
			if i++; i == len(data) {
				break
			}
			class = classOf[data[i]]
		}
		if count[classMark] > 0 {
			return false
		}
		if n := i - start; n >= minRun || n >= minNumber && count[classDigit] == n {
			done = p.packRun(data, done, start, i, &count)
		}
		if uuid {
			done = p.put(data, done, i, i+uuidLen, markUUID)
			i = done
		}
	}
	if done == 0 {
		return false
	}
	p.text = append(p.text, data[done:]...)
	return true
}

// put packs data[from:to], after what is between done and from as it is. It
// returns to, up to which data is done then.
func (p *packer) put(data []byte, done, from, to int, mark byte) int {
	p.text = append(p.text, data[done:from]...)
	p.add(data[from:to], mark)
	return to
}

// packRun packs what it can of a run, data[start:end], and returns how much of
// data is done then.
func (p *packer) packRun(data []byte, done, start, end int, count *[numClasses]int) int {
	if n, mark := choose(data[start:end], count); mark != 0 {
		return p.put(data, done, start, start+n, mark)
	}
	// There may be a hash in it, as in a path. What a name ends with, as Laravel's
	// login_web_59ba36addc…, is rather the same in all sessions.
	for count[classDigit] >= minRun/4 && start < end {
		hexDigits, from := 0, start
		for ; start < end && (isAlphanumeric(data[start]) || data[start] == '_'); start++ {
			if class := classOf[data[start]]; class == classDigit || class == classHexLetter {
				hexDigits++
			}
		}
		if n := start - from; n == hexDigits && n >= minRun {
			done = p.put(data, done, from, from+n&^1, markHex)
		}
		start++
	}
	return done
}

func isAlphanumeric(c byte) bool {
	class := classOf[c]
	return class != notInRun && class < classURL
}

// uuidAt reports whether there is a UUID at data[i], a whole word.
func uuidAt(data []byte, i int) bool {
	end := i + uuidLen
	if end > len(data) || i > 0 && isAlphanumeric(data[i-1]) || end < len(data) && isAlphanumeric(data[end]) {
		return false
	}
	for j, c := range data[i:end] {
		if j == 8 || j == 13 || j == 18 || j == 23 {
			if c != '-' {
				return false
			}
		} else if class := classOf[c]; class != classDigit && class != classHexLetter {
			return false
		}
	}
	return true
}

// choose tells how to pack a run, and how much of it; mark 0 leaves it as it is.
// A reader takes any choice: this one is a guess at what pays.
func choose(run []byte, count *[numClasses]int) (n int, mark byte) {
	n = len(run)
	digits, upper := count[classDigit], count[classUpper]
	lower := count[classHexLetter] + count[classLower]
	switch {
	case digits == n && n <= maxNumber && run[0] != '0':
		return n, markNumber
	case digits+count[classHexLetter] == n && n >= minRun:
		return n &^ 1, markHex
	}
	// Words hold few digits, and those in mixed case fewer.
	random := upper >= n/8 && lower >= n/8 && digits >= n/16 ||
		n >= 20 && digits >= n/8 && digits+lower+upper == n
	switch {
	case count[classStd] == 0 && bytes.HasPrefix(run, []byte("eyJ")): // {" in base64
		mark = markJSON
	case !random:
		return 0, 0
	case count[classStd] > 0:
		mark = markStd
	default:
		mark = markURL
	}
	// The last characters may not be what an encoder of base64 gives.
	if tail := run[n&^3:]; len(tail) > 0 {
		var b [3]byte
		if _, err := encodingOf(mark).Decode(b[:], tail); err != nil {
			n &^= 3
		}
	}
	return n, mark
}

func encodingOf(mark byte) *base64.Encoding {
	if mark == markStd {
		return base64Std
	}
	return base64URL
}

// add appends a run, in pieces if it is long.
func (p *packer) add(run []byte, mark byte) {
	longest := maxPiece / 3 * 4 // more than a number has
	if mark == markHex {
		longest = maxPiece * 2
	}
	for len(run) > 0 {
		piece := run[:min(len(run), longest)]
		run = run[len(piece):]
		if i := p.find(piece); i >= 0 {
			p.text = append(p.text, markRepeat, byte(i))
			continue
		}
		if p.n < maxRepeats {
			p.runs[p.n] = piece
			p.n++
		}
		p.text = append(p.text, mark)
		switch mark {
		case markHex:
			p.text = append(p.text, byte(len(piece)/2))
			p.raw, _ = hex.AppendDecode(p.raw, piece)
		case markNumber:
			number, _ := strconv.ParseUint(string(piece), 10, 64)
			n := (bits.Len64(number) + 7) / 8
			p.text = append(p.text, byte(n))
			var b [maxNumberBytes]byte
			binary.BigEndian.PutUint64(b[:], number)
			p.raw = append(p.raw, b[maxNumberBytes-n:]...)
		case markUUID:
			for _, part := range [...][]byte{piece[:8], piece[9:13], piece[14:18], piece[19:23], piece[24:]} {
				p.raw, _ = hex.AppendDecode(p.raw, part)
			}
		case markJSON:
			p.text = append(p.text, byte(base64URL.DecodedLen(len(piece))))
			p.text, _ = base64URL.AppendDecode(p.text, piece)
		default:
			enc := encodingOf(mark)
			p.text = append(p.text, byte(enc.DecodedLen(len(piece))))
			p.raw, _ = enc.AppendDecode(p.raw, piece)
		}
	}
}

// find returns the number of an earlier run that is equal to run, or -1.
func (p *packer) find(run []byte) int {
	for i, earlier := range p.runs[:p.n] {
		if bytes.Equal(earlier, run) {
			return i
		}
	}
	return -1
}

// unpack appends the session that text and raw stand for to dst. It reports
// false if there is none, or if it is longer than limit bytes.
func unpack(dst, text, raw []byte, limit int) ([]byte, bool) {
	type span struct{ from, to int }
	var (
		start = len(dst)
		runs  [maxRepeats]span // in dst
		n     int
	)
	for {
		i := 0
		for i < len(text) && text[i] < firstMark {
			i++
		}
		dst = append(dst, text[:i]...)
		if len(dst)-start > limit {
			return nil, false
		}
		if i == len(text) {
			return dst, len(raw) == 0
		}
		mark := text[i]
		text = text[i+1:]
		number := 16
		if mark != markUUID {
			if len(text) == 0 {
				return nil, false
			}
			number = int(text[0])
			text = text[1:]
		}
		if mark == markRepeat {
			if number >= n {
				return nil, false
			}
			dst = append(dst, dst[runs[number].from:runs[number].to]...)
			continue
		}
		source := &raw
		if mark == markJSON {
			source = &text
		}
		if len(*source) < number {
			return nil, false
		}
		run := (*source)[:number]
		*source = (*source)[number:]
		from := len(dst)
		switch mark {
		case markHex:
			dst = hex.AppendEncode(dst, run)
		case markUUID:
			for i, part := range [...][]byte{run[:4], run[4:6], run[6:8], run[8:10], run[10:]} {
				if i > 0 {
					dst = append(dst, '-')
				}
				dst = hex.AppendEncode(dst, part)
			}
		case markNumber:
			if number > maxNumberBytes {
				return nil, false
			}
			var b [maxNumberBytes]byte
			copy(b[maxNumberBytes-number:], run)
			dst = strconv.AppendUint(dst, binary.BigEndian.Uint64(b[:]), 10)
		case markURL, markStd, markJSON:
			dst = encodingOf(mark).AppendEncode(dst, run)
		default:
			return nil, false
		}
		if n < maxRepeats {
			runs[n] = span{from, len(dst)}
			n++
		}
	}
}
