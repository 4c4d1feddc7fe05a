package jsonobject

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marshal returns v as compact JSON. It leaves <, > and & as they are, since
// the text never stands in a page's source and escapes would only cost bytes.
func Marshal(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if plain(v) {
			return `"` + v + `"`, nil
		}
		if !utf8.ValidString(v) {
			return "", ErrNotUTF8
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
		return "", ErrNotUTF8
	}
	if p := (parser{s: raw}); !p.value(2) {
		return "", errors.New("nested too deeply")
	}
	return raw, nil
}

// ErrNotUTF8 says that there is a string in a value that JSON cannot hold.
var ErrNotUTF8 = errors.New("not valid UTF-8; store it as []byte")

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

// Unmarshal decodes one valid JSON value into v, a non-nil pointer. The common
// types take a short way that gives what encoding/json gives.
func Unmarshal(raw string, v any) error {
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
	raw, err := Marshal(s)
	if err != nil {
		panic("jsonobject: cannot happen: a string is always JSON")
	}
	return append(b, raw...)
}
