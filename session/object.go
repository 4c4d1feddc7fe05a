package session

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object whose values stay encoded: the form in which a
// session lives in memory. It keeps the order in which its keys were first
// set, as Python's dict and so Django's sessions do, and so gives the same
// bytes for the same history.
//
// Keys and values are substrings of the text that was parsed or are freshly
// marshaled; being strings, they can be shared without being copied.
//
// What is done once per key or flash takes time that does not depend on how
// many there are.
type object struct {
	entries []entry           // with those that were deleted, whose raw is empty, if there is an index
	index   map[string]int    // key to position in entries; nil until it pays
	dead    int               // entries that were deleted
	own     int               // entries of the application's
	quoted  map[string]string // keys as they were written, if encode would write them otherwise
	flashes *flashList        // nil until they are asked for
}

type entry struct {
	key string
	raw string // one valid JSON value
}

// indexAbove is the number of entries from which a map beats walking them.
const indexAbove = 16

func (o *object) find(key string) int {
	if o.index == nil {
		if len(o.entries) <= indexAbove {
			for i := range o.entries {
				if o.entries[i].key == key {
					return i
				}
			}
			return -1
		}
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
	if !reserved(key) {
		o.own++
	}
}

func (o *object) delete(key string) bool {
	i := o.find(key)
	if i < 0 {
		return false
	}
	if !reserved(key) {
		o.own--
	}
	delete(o.quoted, key)
	if o.index == nil {
		o.entries = append(o.entries[:i], o.entries[i+1:]...)
		return true
	}
	delete(o.index, key)
	o.entries[i] = entry{}
	if o.dead++; o.dead > len(o.entries)/2 {
		o.entries = slices.DeleteFunc(o.entries, func(e entry) bool { return e.raw == "" })
		o.index, o.dead = nil, 0
	}
	return true
}

func (o *object) clear() { *o = object{} }

// len returns the number of entries.
func (o *object) len() int { return len(o.entries) - o.dead }

// encode returns the object as compact JSON.
func (o *object) encode() []byte {
	o.writeFlashes()
	n := 2
	for i := range o.entries {
		n += len(o.entries[i].key) + len(o.entries[i].raw) + 4
	}
	b := append(make([]byte, 0, n), '{')
	for i := range o.entries {
		e := &o.entries[i]
		if e.raw == "" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		if quoted, ok := o.quoted[e.key]; ok {
			b = append(b, quoted...)
		} else {
			b = appendString(b, e.key)
		}
		b = append(b, ':')
		b = append(b, e.raw...)
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
			return "", errNotUTF8
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
	// encoding/json checks its grammar only. In strings it replaces what is not
	// valid by an escape that it writes for nothing else, but which those may
	// give too.
	if !utf8.ValidString(raw) || strings.Contains(raw, `\ufffd`) && !validStrings(reflect.ValueOf(v)) {
		return "", errNotUTF8
	}
	if p := (parser{s: raw}); !p.value(2) {
		return "", errors.New("nested too deeply")
	}
	return raw, nil
}

var errNotUTF8 = errors.New("not valid UTF-8; store it as []byte")

// validStrings reports whether the strings that encoding/json takes out of v
// are valid UTF-8.
func validStrings(v reflect.Value) bool {
	if !v.IsValid() {
		return true
	}
	t := v.Type()
	if k := t.Kind(); (k == reflect.Pointer || k == reflect.Interface) && v.IsNil() {
		return true
	}
	if v.CanAddr() && t.Kind() != reflect.Pointer && v.Addr().CanInterface() {
		if p := v.Addr().Interface(); isMarshaler(p) {
			return validText(p)
		}
	}
	if v.CanInterface() && isMarshaler(v.Interface()) {
		return validText(v.Interface())
	}
	switch t.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return validStrings(v.Elem())
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return true
		}
		for i := range v.Len() {
			if !validStrings(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !validStrings(it.Key()) || !validStrings(it.Value()) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-" {
				continue
			}
			if !validStrings(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

func isMarshaler(v any) bool {
	switch v.(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return true
	}
	return false
}

// validText reports whether what a method for encoding returns is valid UTF-8.
// The JSON of a json.Marshaler is checked as such.
func validText(v any) bool {
	if _, ok := v.(json.Marshaler); ok {
		return true
	}
	text, err := v.(encoding.TextMarshaler).MarshalText()
	return err == nil && utf8.Valid(text)
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

var (
	errNotObject     = errors.New("session: stored data is not a JSON object")
	errNotUnderstood = errors.New("session: stored data has an owner or an expiry that cannot be read")
)

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

// keepQuoted notes how key was written, if encode would write it otherwise.
func (o *object) keepQuoted(key, quoted string) {
	if utf8.ValidString(key) && string(appendString(nil, key)) == quoted {
		delete(o.quoted, key)
		return
	}
	if o.quoted == nil {
		o.quoted = make(map[string]string)
	}
	o.quoted[key] = quoted
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
			o.set(key, p.s[start:p.i])
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
