package revocation

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessionengine/session"
)

// A mark is what a session carries for the list to find it. It is the first
// member of the session's JSON object, so that engines which need JSON take it,
// that Django keeps it when it writes to a session, and that it is found without
// parsing the object:
//
//	{"_session_id":"0123456789abcdef0123456751","user_id":20}
//	{"_session_id":"0123456789abcdef01234567510199c8f3a1b2.alice","user_id":20}
//
// The value is the id and the span in hexadecimal; the generation, if it is not
// 0, as twelve more digits; and the owner, if there is one, after a dot.
// Hexadecimal is what package signedcookie packs best: an id takes twelve bytes
// there.
type mark struct {
	id         string // idLen digits
	span       int    // how long tokens with this id live at most, see spanOf
	generation int64  // of the owner, when the session began
	owner      string
}

const (
	idBytes       = 12
	idLen         = 2 * idBytes
	spanLen       = 2
	generationLen = 12
	maxGeneration = 1<<48 - 1

	markPrefix = `"_session_id":"`
)

// spanOf returns the span of sessions that live as long as life: the least that is
// no shorter. There are four to each doubling, 1, 1.25, 1.5 and 1.75 times a power
// of two, so that one byte holds them all and few lives differ by none.
func spanOf(life time.Duration) int {
	span := 0
	for span < longestSpan && spanLife(span) < life {
		span++
	}
	return span
}

// longestSpan is about a hundred years, as much as is ever needed.
const longestSpan = 31*4 + 2

func spanLife(span int) time.Duration {
	seconds := int64(4+span%4) << (span / 4) / 4
	return time.Duration(seconds) * time.Second
}

// life is how long a token with the mark lives at most.
func (m mark) life() time.Duration { return spanLife(m.span) }

// newID returns the id of a new session.
func newID() string {
	var id [idBytes]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// add returns data, a JSON object, with the mark in it, and false if data is no
// object.
func (m mark) add(data []byte) ([]byte, bool) {
	open := openBrace(data)
	if open < 0 {
		return nil, false
	}
	rest := data[open+1:]
	b := make([]byte, 0, len(data)+len(markPrefix)+idLen+spanLen+generationLen+len(m.owner)+4)
	b = append(b, data[:open+1]...)
	b = append(b, markPrefix...)
	b = append(b, m.id...)
	b = appendHex(b, int64(m.span), spanLen)
	if m.generation != 0 {
		b = appendHex(b, m.generation, generationLen)
	}
	if m.owner != "" {
		b = append(b, '.')
		b = appendQuoted(b, m.owner)
	}
	b = append(b, '"')
	if !closes(rest) {
		b = append(b, ',')
	}
	return append(b, rest...), true
}

// appendHex appends n as that many digits.
func appendHex(b []byte, n int64, digits int) []byte {
	const zeros = "000000000000"
	text := strconv.FormatInt(n, 16)
	b = append(b, zeros[:digits-len(text)]...)
	return append(b, text...)
}

// cut returns the mark that is in data, and a copy of data without it. It reports
// false, and returns data itself, if there is none.
func cut(data []byte) (mark, []byte, bool) {
	open := openBrace(data)
	if open < 0 || !bytes.HasPrefix(data[open+1:], []byte(markPrefix)) {
		return mark{}, data, false
	}
	start := open + 1 + len(markPrefix)
	end := start
	for end < len(data) && data[end] != '"' {
		if data[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(data) {
		return mark{}, data, false
	}
	m, ok := parseMark(data[start:end])
	if !ok {
		return mark{}, data, false
	}
	rest := end + 1
	switch {
	case rest < len(data) && data[rest] == ',' && !closes(data[rest+1:]):
		rest++
	case !closes(data[rest:]):
		return mark{}, data, false
	}
	return m, slices.Concat(data[:open+1], data[rest:]), true
}

// parseMark reads what is between the quotes.
func parseMark(b []byte) (m mark, ok bool) {
	head, owner, dotted := bytes.Cut(b, []byte("."))
	const short = idLen + spanLen
	if len(head) != short && len(head) != short+generationLen || !isHex(head) {
		return mark{}, false
	}
	m.id = string(head[:idLen])
	span, err := strconv.ParseInt(string(head[idLen:short]), 16, 64)
	if err != nil || int(span) > longestSpan {
		return mark{}, false
	}
	m.span = int(span)
	if len(head) > short {
		generation, err := strconv.ParseInt(string(head[short:]), 16, 64)
		if err != nil || generation == 0 {
			return mark{}, false
		}
		m.generation = generation
	}
	if dotted {
		if m.owner, ok = unquote(owner); !ok || m.owner == "" {
			return mark{}, false
		}
	}
	return m, true
}

// openBrace returns where the JSON object in data begins, or -1.
func openBrace(data []byte) int {
	rest := bytes.TrimLeft(data, " \t\r\n")
	if len(rest) < 2 || rest[0] != '{' {
		return -1
	}
	return len(data) - len(rest)
}

// closes reports whether a JSON object that goes on with b has no members (more).
func closes(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '}'
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendQuoted appends s, which is valid UTF-8, as it stands between the quotes
// of a JSON string.
func appendQuoted(b []byte, s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("revocation: cannot happen: a string is always JSON")
	}
	return append(b, raw[1:len(raw)-1]...)
}

func unquote(b []byte) (s string, ok bool) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b), true
	}
	quoted := append(append([]byte{'"'}, b...), '"')
	err := json.Unmarshal(quoted, &s)
	return s, err == nil
}

// validOwner is the name under which an owner is known to the list.
func validOwner(owner string) string { return strings.ToValidUTF8(owner, "\uFFFD") }

// markOf makes up the mark of a session that has none: its id is made from the
// token, and it began before all generations. How long its tokens live is not
// known. It is false if data is no session, so that nobody can say whose it is.
func markOf(token string, data []byte) (mark, bool) {
	owner, ok := session.OwnerOf(data)
	sum := sha256.Sum256([]byte(token))
	return mark{id: hex.EncodeToString(sum[:idBytes]), span: longestSpan, owner: owner}, ok
}
