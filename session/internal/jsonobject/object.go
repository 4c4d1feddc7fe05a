// Package jsonobject has a JSON object (RFC 8259) that keeps the order of its
// keys and leaves its values encoded until they are asked for: the form in which
// a session lives in memory. A program that changes one value so writes back all
// the others byte for byte.
//
// The parser is one pass that splits the text and checks it. [Marshal] and
// [Unmarshal] are those of encoding/json for a single value, with short ways for
// common types, and with text that is not UTF-8 refused instead of replaced.
package jsonobject

import (
	"iter"
	"slices"
	"unicode/utf8"
)

// Object is a JSON object. Its keys are in the order in which they were first
// set, as in Python's dict and so in Django's sessions, so that the same history
// gives the same bytes. The zero Object is empty. It is not safe for concurrent
// use, and a copy is not to be used beside the original.
//
// Keys and values are substrings of the text that was parsed, or what Set was
// given. What is done with one key takes time that does not depend on how many
// there are.
type Object struct {
	entries []entry           // with those that were deleted, whose raw is empty, if there is an index
	index   map[string]int    // key to position in entries; nil until it pays
	dead    int               // entries that were deleted
	quoted  map[string]string // keys as they were written, if Encode would write them otherwise
}

type entry struct {
	key string
	raw string // one valid JSON value
}

// indexAbove is the number of entries from which a map beats walking them.
const indexAbove = 16

func (o *Object) find(key string) int {
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

// Get returns the encoded value of key.
func (o *Object) Get(key string) (raw string, ok bool) {
	if i := o.find(key); i >= 0 {
		return o.entries[i].raw, true
	}
	return "", false
}

// Set gives key a value, which has to be valid JSON and is not checked, and
// reports whether the key is new.
func (o *Object) Set(key, raw string) (added bool) {
	if i := o.find(key); i >= 0 {
		o.entries[i].raw = raw
		return false
	}
	o.entries = append(o.entries, entry{key, raw})
	if o.index != nil {
		o.index[key] = len(o.entries) - 1
	}
	return true
}

// Delete deletes key, and reports whether it was there.
func (o *Object) Delete(key string) bool {
	i := o.find(key)
	if i < 0 {
		return false
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

// Len returns the number of keys.
func (o *Object) Len() int { return len(o.entries) - o.dead }

// All returns the keys with their encoded values, in their order. The object
// must not be changed meanwhile.
func (o *Object) All() iter.Seq2[string, string] {
	return func(yield func(key, raw string) bool) {
		for i := range o.entries {
			if e := &o.entries[i]; e.raw != "" && !yield(e.key, e.raw) {
				return
			}
		}
	}
}

// Encode returns the object as compact JSON, in memory that is the caller's.
func (o *Object) Encode() []byte {
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

// keepQuoted notes how key was written, if Encode would write it otherwise.
func (o *Object) keepQuoted(key, quoted string) {
	if utf8.ValidString(key) && string(appendString(nil, key)) == quoted {
		delete(o.quoted, key)
		return
	}
	if o.quoted == nil {
		o.quoted = make(map[string]string)
	}
	o.quoted[key] = quoted
}
