package jsonobject

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse splits the text of a JSON object into its keys and its still encoded
// values. It checks the whole text, and accepts what encoding/json accepts. Of
// several entries with one key the last one counts, as there; but keys that are
// not valid Unicode stay different keys.
func Parse(text string) (o Object, ok bool) {
	p := parser{s: text}
	return p.object()
}

// unquote returns the content of a JSON string. Unlike encoding/json, it gives
// different texts for strings that are not valid Unicode: halves of a surrogate
// pair become three bytes each, as for any other number, and bytes that are not
// UTF-8 stay as they are.
func unquote(quoted string) string {
	s := quoted[1 : len(quoted)-1]
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if rest := s[i+1:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					if pair := utf16.DecodeRune(r, hex4(rest[2:])); pair != utf8.RuneError {
						b = utf8.AppendRune(b, pair)
						i += 6
						continue
					}
				}
				b = append(b, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
				continue
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// hex4 returns the number that the first four characters of s are.
func hex4(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16)
	return rune(n)
}

// parser is a checking JSON scanner. Its methods advance i past what they
// accept and report whether they did.
type parser struct {
	s string
	i int
}

// maxDepth is the nesting from which encoding/json gives up too.
const maxDepth = 10000

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

func (p *parser) byte(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) object() (Object, bool) {
	var o Object
	p.space()
	if !p.byte('{') {
		return o, false
	}
	p.space()
	if !p.byte('}') {
		o.entries = make([]entry, 0, 8)
		for {
			p.space()
			start := p.i
			if !p.string() {
				return o, false
			}
			quoted := p.s[start:p.i]
			key, isPlain := unquotePlain(quoted)
			if !isPlain {
				key = unquote(quoted)
			}
			p.space()
			if !p.byte(':') {
				return o, false
			}
			p.space()
			start = p.i
			if !p.value(2) {
				return o, false
			}
			o.Set(key, p.s[start:p.i])
			if !isPlain {
				o.keepQuoted(key, quoted)
			}
			p.space()
			if p.byte(',') {
				continue
			}
			if !p.byte('}') {
				return o, false
			}
			break
		}
	}
	p.space()
	return o, p.i == len(p.s)
}

func (p *parser) value(depth int) bool {
	if p.i >= len(p.s) {
		return false
	}
	switch c := p.s[p.i]; c {
	case '"':
		return p.string()
	case '{', '[':
		return depth <= maxDepth && p.container(c, depth)
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	case 'n':
		return p.word("null")
	default:
		return p.number()
	}
}

func (p *parser) container(open byte, depth int) bool {
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	p.i++
	p.space()
	if p.byte(end) {
		return true
	}
	for {
		p.space()
		if open == '{' {
			if !p.string() {
				return false
			}
			p.space()
			if !p.byte(':') {
				return false
			}
			p.space()
		}
		if !p.value(depth + 1) {
			return false
		}
		p.space()
		if !p.byte(',') {
			return p.byte(end)
		}
	}
}

func (p *parser) word(w string) bool {
	if len(p.s)-p.i >= len(w) && p.s[p.i:p.i+len(w)] == w {
		p.i += len(w)
		return true
	}
	return false
}

func (p *parser) string() bool {
	if !p.byte('"') {
		return false
	}
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return true
		case c < 0x20:
			return false
		case c == '\\':
			p.i++
			if p.i >= len(p.s) {
				return false
			}
			switch p.s[p.i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(p.s)-p.i < 5 {
					return false
				}
				for _, h := range []byte(p.s[p.i+1 : p.i+5]) {
					if !('0' <= h && h <= '9' || 'a' <= h && h <= 'f' || 'A' <= h && h <= 'F') {
						return false
					}
				}
				p.i += 4
			default:
				return false
			}
			p.i++
		default:
			p.i++
		}
	}
	return false
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}

func (p *parser) number() bool {
	p.byte('-')
	if !p.byte('0') && !p.digits() {
		return false
	}
	if p.byte('.') && !p.digits() {
		return false
	}
	if p.byte('e') || p.byte('E') {
		if !p.byte('+') {
			p.byte('-')
		}
		return p.digits()
	}
	return true
}
