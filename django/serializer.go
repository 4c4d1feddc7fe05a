package django

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONSerializer of django/core/signing.py writes json.dumps(…).encode("latin-1"):
// ASCII, since json.dumps escapes everything else. It reads
// json.loads(….decode("latin-1")), so a session in UTF-8 would come out garbled
// there. Sessions in Go are UTF-8, with an escape here or there that the
// application chose, and an engine has to give back every byte of them. So:
//
// A site's own serializer may write UTF-8, as json.dumps does with
// ensure_ascii=False and orjson always: it is read as UTF-8, and what is written
// here is good for it as well. Bytes that are no UTF-8 are nobody's.
//
//   - Writing replaces each character beyond ASCII by its escape.
//   - Reading replaces each escape beyond ASCII by its character, but for
//     U+2028 and U+2029, which encoding/json always escapes.
//   - A session where that would not give back the same bytes begins with
//     white space that tells the exceptions: for each character or escape
//     beyond ASCII a line feed, or a tab if it is one, up to the last of them,
//     and a space. Python skips white space.
//
// The space alone is a mark, too: see cookie.go.

var (
	errNotObject = errors.New("the session is not a JSON object")
	errNotUTF8   = errors.New("the session is not valid UTF-8")
	errNotASCII  = errors.New("the session is neither ASCII, as Django's JSONSerializer writes, nor UTF-8; see " +
		"SESSION_SERIALIZER")
	errPickle = errors.New("the session was written by Django's PickleSerializer, which cannot be read safely; " +
		`set SESSION_SERIALIZER to "django.contrib.sessions.serializers.JSONSerializer"`)
)

const (
	asUsual   = '\n'
	exception = '\t'
	endOfMark = ' '
)

// serialize returns data, a JSON object, as Django's serializer writes it, after
// a mark if need be or if asked for.
func serialize(data []byte, mark bool) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	if !isObject(data) {
		return nil, errNotObject
	}
	var exceptions []byte
	n := 0 // characters and escapes beyond ASCII
	note := func(r rune, escaped bool) {
		if escaped != usuallyEscaped(r) {
			for len(exceptions) < n {
				exceptions = append(exceptions, asUsual)
			}
			exceptions = append(exceptions, exception)
		}
		n++
	}
	text := make([]byte, 0, len(data)+len(data)/8)
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '\\':
			r, size := escape(data[i:])
			if beyondASCII(r) {
				note(r, true)
			}
			text = append(text, data[i:i+size]...)
			i += size
		case c < utf8.RuneSelf:
			text = append(text, c)
			i++
		default:
			r, size := utf8.DecodeRune(data[i:])
			note(r, false)
			text = appendEscape(text, r)
			i += size
		}
	}
	if len(exceptions) == 0 && !mark && data[0] == '{' {
		return text, nil
	}
	return append(append(exceptions, endOfMark), text...), nil
}

// deserialize returns the session that Django's serializer, or serialize, has
// written, and whether it is marked.
func deserialize(text []byte) (data []byte, marked bool, err error) {
	if len(text) > 1 && text[0] == 0x80 && text[1] >= 2 && text[1] <= 5 { // the PROTO opcode
		return nil, false, errPickle
	}
	if !utf8.Valid(text) {
		return nil, false, errNotASCII
	}
	exceptions, text, marked := cutMark(text)
	data = make([]byte, 0, len(text))
	n := 0
	inString := false
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\' && inString:
			r, size := escape(text[i:])
			keep := true
			if beyondASCII(r) {
				keep = usuallyEscaped(r) != (n < len(exceptions) && exceptions[n] == exception)
				n++
			}
			if keep {
				data = append(data, text[i:i+size]...)
			} else {
				data = utf8.AppendRune(data, r)
			}
			i += size
			continue
		case c == '"':
			inString = !inString
		case c == 'N' && !inString && bytes.HasPrefix(text[i:], []byte("NaN")):
			// Python writes NaN and Infinity, which JSON does not have. It
			// reads a number beyond the range of a float as an infinity.
			data = append(data, "null"...)
			i += len("NaN")
			continue
		case c == 'I' && !inString && bytes.HasPrefix(text[i:], []byte("Infinity")):
			data = append(data, "1e999"...)
			i += len("Infinity")
			continue
		}
		data = append(data, c)
		i++
	}
	if !isObject(data) {
		return nil, false, errNotObject
	}
	return data, marked, nil
}

// cutMark splits a text into its mark, without the end, and the rest.
func cutMark(text []byte) (exceptions, rest []byte, marked bool) {
	for i, c := range text {
		switch c {
		case asUsual, exception:
		case endOfMark:
			return text[:i], text[i+1:], true
		default:
			return nil, text, false
		}
	}
	return nil, text, false
}

func isObject(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(data)
}

// escape returns the character that the escape at the beginning of s stands
// for, and the length of the escape. A surrogate pair is one escape; a
// surrogate without its other half stands for itself. The character is 0 for
// the escapes of two bytes and for what is no escape.
func escape(s []byte) (r rune, size int) {
	r, ok := unicodeEscape(s)
	if !ok {
		return 0, min(2, len(s))
	}
	if utf16.IsSurrogate(r) {
		if low, ok := unicodeEscape(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return r, 6
}

func unicodeEscape(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= rune(c - '0')
		case 'a' <= c && c <= 'f':
			r |= rune(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			r |= rune(c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return r, true
}

// beyondASCII reports whether r can stand in UTF-8 and not in ASCII.
func beyondASCII(r rune) bool { return r >= utf8.RuneSelf && !utf16.IsSurrogate(r) }

// usuallyEscaped reports whether encoding/json writes an escape for r.
func usuallyEscaped(r rune) bool { return r == '\u2028' || r == '\u2029' }

// appendEscape appends r as json.dumps writes it.
func appendEscape(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendEscape(appendEscape(b, high), low)
	}
	b = append(b, `\u`...)
	const width = 4
	digits := strconv.AppendInt(make([]byte, 0, width), int64(r), 16)
	for range width - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}
