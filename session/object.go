package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// object is a JSON object whose values stay encoded: the form in which a
// session lives in memory. It keeps the order in which its keys were first
// set, as Python's dict and so Django's sessions do, and so gives the same
// bytes for the same history.
//
// Keys and values are substrings of the text that was parsed or are freshly
// marshaled; being strings, they can be shared without being copied.
type object struct {
	entries []entry
	index   map[string]int // key to position in entries; nil until it pays
}

type entry struct {
	key string
	raw string // one valid JSON value
}

// indexAbove is the number of entries from which a map beats walking them.
const indexAbove = 16

func (o *object) find(key string) int {
	if len(o.entries) <= indexAbove {
		for i := range o.entries {
			if o.entries[i].key == key {
				return i
			}
		}
		return -1
	}
	if o.index == nil {
		o.index = make(map[string]int, len(o.entries))
		for i := range o.entries {
			o.index[o.entries[i].key] = i
		}
	}
	if i, ok := o.index[key]; ok {
		return i
	}
	return -1
}

func (o *object) get(key string) (raw string, ok bool) {
	if i := o.find(key); i >= 0 {
		return o.entries[i].raw, true
	}
	return "", false
}

func (o *object) set(key, raw string) {
	if i := o.find(key); i >= 0 {
		o.entries[i].raw = raw
		return
	}
	o.entries = append(o.entries, entry{key, raw})
	if o.index != nil {
		o.index[key] = len(o.entries) - 1
	}
}

func (o *object) delete(key string) bool {
	i := o.find(key)
	if i < 0 {
		return false
	}
	o.entries = append(o.entries[:i], o.entries[i+1:]...)
	o.index = nil
	return true
}

func (o *object) clear() {
	o.entries, o.index = nil, nil
}

// encode returns the object as compact JSON.
func (o *object) encode() []byte {
	n := 2
	for i := range o.entries {
		n += len(o.entries[i].key) + len(o.entries[i].raw) + 4
	}
	b := append(make([]byte, 0, n), '{')
	for i := range o.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, o.entries[i].key)
		b = append(b, ':')
		b = append(b, o.entries[i].raw...)
	}
	return append(b, '}')
}

// plain reports whether s stands between quotes as it is, in JSON and in Go.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	raw, err := marshal(s)
	if err != nil {
		panic("session: cannot happen: a string is always JSON")
	}
	return append(b, raw...)
}

// marshal returns v as compact JSON. It leaves <, > and & as they are, since
// the text never stands in a page's source and escapes would only cost bytes.
func marshal(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if plain(v) {
			return `"` + v + `"`, nil
		}
		if !utf8.ValidString(v) {
			return "", errors.New("not valid UTF-8; store it as []byte")
		}
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case nil:
		return "null", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	raw := string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	// json.RawMessage and methods of the application's give what they like, and
	// encoding/json checks its grammar only.
	if !utf8.ValidString(raw) {
		return "", errors.New("not valid UTF-8")
	}
	if p := (parser{s: raw}); !p.value(2) {
		return "", errors.New("nested too deeply")
	}
	return raw, nil
}

// unmarshal decodes one valid JSON value into v, a non-nil pointer. The common
// types take a short way that gives what encoding/json gives.
func unmarshal(raw string, v any) error {
	switch p := v.(type) {
	case *string:
		if s, ok := unquotePlain(raw); ok {
			*p = s
			return nil
		}
	case *int:
		if n, err := strconv.Atoi(raw); err == nil {
			*p = n
			return nil
		}
	case *int64:
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			*p = n
			return nil
		}
	case *bool:
		switch raw {
		case "true":
			*p = true
			return nil
		case "false":
			*p = false
			return nil
		}
	}
	return json.Unmarshal([]byte(raw), v)
}

// unquotePlain returns the content of a JSON string that has no escapes.
func unquotePlain(raw string) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	s := raw[1 : len(raw)-1]
	return s, plain(s)
}

var errNotObject = errors.New("session: stored data is not a JSON object")

// parseObject splits the text of a JSON object (RFC 8259) into its keys and its
// still encoded values. It checks the whole text. Of several entries with one
// key the last one counts, as in encoding/json.
func parseObject(data []byte) (object, error) {
	p := parser{s: string(data)}
	o, ok := p.object()
	if !ok {
		return object{}, errNotObject
	}
	return o, nil
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

func (p *parser) object() (object, bool) {
	var o object
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
			key, ok := unquotePlain(quoted)
			if !ok && json.Unmarshal([]byte(quoted), &key) != nil {
				return o, false
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
			o.set(key, p.s[start:p.i])
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
