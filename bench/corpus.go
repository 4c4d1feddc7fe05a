package bench

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:generate go run ./testdata/corpus/gen testdata/corpus

//go:embed testdata/corpus/*.jsonl
var corpusFiles embed.FS

// corpusShapes are the files of the corpus, in the order of the tables.
var corpusShapes = []string{
	"visitor", "login", "flashes", "checkout", "cart", "oidc", "large-cart", "token-cache",
	"cart-vi", "checkout-ja", "rails", "laravel", "express", "flask", "spring", "aspnet", "auth0", "checkout-de",
}

// A Session is one session to measure.
type Session struct {
	Name    string  // what its results are listed under
	Entries []Entry // what it holds, in order
	Size    int     // bytes of the whole session as compact JSON
}

// An Entry is one key of a session and its value.
type Entry struct {
	Key   string
	Value json.RawMessage // compact JSON
}

// Text returns the value as a handler answers with it: a string as it is,
// anything else as JSON.
func (e Entry) Text() string {
	if s, ok := e.str(); ok {
		return s
	}
	return string(e.Value)
}

func (e Entry) str() (string, bool) {
	var s string
	if len(e.Value) == 0 || e.Value[0] != '"' || json.Unmarshal(e.Value, &s) != nil {
		return "", false
	}
	return s, true
}

// ReadEntry is the entry that a page asks for: the first one with a short value
// such as a user id, or else the first.
func (s Session) ReadEntry() Entry {
	for _, e := range s.Entries {
		if c := e.Value[0]; c != '{' && c != '[' && len(e.Value) <= 128 {
			return e
		}
	}
	return s.Entries[0]
}

// CorpusShapes returns the names of the kinds of session in the built-in corpus.
func CorpusShapes() []string { return slices.Clone(corpusShapes) }

// DefaultShapes returns the kinds of session that are compared unless others are
// asked for: shapes whose sizes go from a few bytes to more than a cookie holds.
func DefaultShapes() []string {
	return []string{"visitor", "login", "flashes", "checkout", "cart", "oidc", "large-cart", "token-cache"}
}

// QuickShapes returns those that are compared in a hurry.
func QuickShapes() []string { return []string{"login", "cart", "large-cart"} }

// Corpus returns the session of each of the named kinds that is measured, or of
// all kinds without a name.
func Corpus(kinds ...string) ([]Session, error) {
	if len(kinds) == 0 {
		kinds = corpusShapes
	}
	var sessions []Session
	for _, kind := range kinds {
		all, err := CorpusSessions(kind)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, all[0])
	}
	return sessions, nil
}

// CorpusSessions returns all the sessions of one kind of the built-in corpus,
// each under the kind's name. The first is the one that Corpus returns.
func CorpusSessions(kind string) ([]Session, error) {
	if !slices.Contains(corpusShapes, kind) {
		return nil, fmt.Errorf("bench: no session kind %q; there are %s", kind, strings.Join(corpusShapes, ", "))
	}
	text, err := corpusFiles.ReadFile("testdata/corpus/" + kind + ".jsonl")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	var sessions []Session
	for line := range bytes.Lines(text) {
		s, err := ParseSession(line, kind)
		if err != nil {
			return nil, fmt.Errorf("bench: %s: %w", kind, err)
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// ParseSession reads a session from a JSON object. Keys that begin with
// "_session_" are left out, since frameworks keep their own notes there. Its
// errors quote nothing of it: a syntax error of encoding/json would.
func ParseSession(text []byte, name string) (Session, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '{' || !json.Valid(text) {
		return Session{}, errors.New("not a JSON object")
	}
	if !utf8.Valid(text) {
		return Session{}, errors.New("not valid UTF-8")
	}
	s := Session{Name: name}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.Token() // the brace
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return Session{}, errors.New("not a JSON object")
		}
		key := token.(string)
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return Session{}, errors.New("not a JSON object")
		}
		if strings.HasPrefix(key, "_session_") {
			continue
		}
		var value bytes.Buffer
		json.Compact(&value, raw) // valid, so it cannot fail
		s.set(Entry{Key: key, Value: value.Bytes()})
	}
	if len(s.Entries) == 0 {
		return Session{}, errors.New("an object without a key")
	}
	s.Size = len(s.JSON())
	return s, nil
}

// set adds an entry; the last of two with one key counts, as in a dictionary.
func (s *Session) set(e Entry) {
	for i := range s.Entries {
		if s.Entries[i].Key == e.Key {
			s.Entries[i].Value = e.Value
			return
		}
	}
	s.Entries = append(s.Entries, e)
}

// Representatives picks, from a user's own sessions, those to measure: the one
// of median size, the one that nine in ten do not exceed, and the largest. They
// are named name-median, name-p90 and name-max; fewer come back when some of
// them are the same.
func Representatives(sessions []Session, name string) []Session {
	bySize := slices.Clone(sessions)
	slices.SortStableFunc(bySize, func(a, b Session) int { return a.Size - b.Size })
	last := len(bySize) - 1
	var picked []Session
	taken := make(map[int]bool)
	for _, p := range []struct {
		suffix string
		at     int
	}{{"-median", last / 2}, {"-p90", last * 9 / 10}, {"-max", last}} {
		if taken[p.at] {
			continue
		}
		taken[p.at] = true
		s := bySize[p.at]
		s.Name = name + p.suffix
		picked = append(picked, s)
	}
	return picked
}

// JSON returns the whole session as an engine gets it to store: compact, its keys
// in their order.
func (s Session) JSON() []byte {
	b := []byte{'{'}
	for i, e := range s.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(e.Key)...)
		b = append(b, ':')
		b = append(b, e.Value...)
	}
	return append(b, '}')
}

// quote returns a key as JSON, without the escapes that are there for HTML.
func quote(key string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(key) // a string, so it cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
