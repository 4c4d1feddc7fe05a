package session

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"sessionengine/session/internal/jsonobject"
)

// Session is what the application remembers of a visitor. It belongs to one
// request: [Load] gives it, the middleware saves it when the response begins.
// It may be used by all goroutines of that request at once.
//
// A session is a dictionary from strings to JSON values, which keep the order
// in which they were first set. Keys that begin with "_session_" are reserved.
type Session struct {
	m   *Manager
	req *request

	// What follows is guarded by req.mu.
	obj     object
	changes changes
	err     error // the first mistake; see Err

	// The stored session that this one was loaded from or saved as. stored is
	// false, token empty and loaded nil when there is none.
	stored  bool
	token   string
	loaded  Record
	flushed []string // tokens to delete at the next commit
	others  []string // tokens of the request's other sessions, see newer

	endOwners []string // whose sessions are to be ended then
	endOthers bool     // and those of the owner, other than this one

	accessed  bool
	wasOwned  bool // with Options.Strict: it was loaded as that of somebody who is logged in
	loggedOut bool // Flush was called
	renew     bool
	touch     bool

	presented bool         // the browser has a cookie of our name: it sent one, or this response sets one
	discarded bool         // nothing is saved any more: an error response, or a panic
	cookie    cookieAction // what to tell the browser
	maxAge    int          // of the cookie, in seconds; 0 for a browser session
}

// adopt fills s with what the store knows under token.
func (s *Session) adopt(token string, rec *Record) error {
	obj, err := parseObject(rec.Data)
	if err != nil {
		return err
	}
	if !obj.understood() {
		return errNotUnderstood
	}
	if err := s.m.admit(s.req.r, &obj); err != nil {
		return err
	}
	s.obj = obj
	if end, ok := s.absoluteEnd(); ok && !time.Now().Before(end) {
		s.obj.clear()
		return ErrExpired
	}
	s.stored, s.token, s.loaded = true, token, *rec
	s.wasOwned = s.m.opts.Strict && s.owned()
	return nil
}

// Set stores v under key, encoded as JSON at once, so that later changes of v
// neither get lost nor leak in. A value that cannot be encoded, one with a
// string in it that is not valid UTF-8, at whatever depth, and a reserved key
// are errors that [Session.Err] tells and that end the request in the error
// handler. (What a MarshalJSON method of the application's has replaced itself,
// nobody can see.) Setting the value that is there already changes nothing, and
// causes no save; if the request is saved for something else, it is set again
// in what a parallel request may have made of it.
func (s *Session) Set(key string, v any) {
	raw, err := encodeEntry(key, v)
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.set(key, raw, err)
}

// encodeEntry encodes the value of an entry. It is called without a lock, since
// v may have a method of the application's for it.
func encodeEntry(key string, v any) (raw string, err error) {
	switch {
	case reserved(key):
		return "", ErrReservedKey
	case !utf8.ValidString(key):
		return "", &ValueError{Key: key, Type: "string (as a key)", Err: jsonobject.ErrNotUTF8}
	}
	return encodeValue(key, v)
}

func encodeValue(key string, v any) (raw string, err error) {
	if raw, err = jsonobject.Marshal(v); err != nil {
		return "", &ValueError{Key: key, Type: fmt.Sprintf("%T", v), Err: err}
	}
	return raw, nil
}

func (s *Session) set(key, raw string, err error) {
	s.accessed = true
	if err != nil {
		s.fail(err)
		return
	}
	s.setRaw(key, raw)
}

func (s *Session) setRaw(key, raw string) {
	s.changes.set(key, raw)
	if old, ok := s.obj.get(key); ok && old == raw {
		return
	}
	s.obj.set(key, raw)
	s.modify()
}

// modify is called after each change of what the session holds.
func (s *Session) modify() {
	s.changes.effective = true
	s.changed()
}

// changed is called after each change. It reports those that nobody can save.
func (s *Session) changed() {
	switch {
	case s.req.phase() == returned:
		if s.err == nil { // one line for all of them
			s.m.log.LogAttrs(s.req.Context, slog.LevelError,
				"session: a change made after the handler returned is lost")
		}
		s.fail(ErrHeadersSent)
	case s.headerSent() && !s.stored && !s.isEmpty():
		s.fail(ErrHeadersSent) // logged when the handler returns
	}
}

// headerSent reports whether the browser can no longer be told anything.
func (s *Session) headerSent() bool { return s.req.phase() != handling }

// fail keeps the first error.
func (s *Session) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Get returns the value under key, or false if there is none or it is not a T;
// use [Session.Decode] to tell the two apart. Any T that encoding/json can
// decode will do; take int64 rather than any or float64 for integers beyond
// 2^53.
func Get[T any](s *Session, key string) (T, bool) {
	v, _, ok := get[T](s, key)
	return v, ok
}

// get returns a value and what it was decoded from. It decodes without a lock,
// since T may have a method of the application's for it.
func get[T any](s *Session, key string) (v T, raw string, ok bool) {
	if raw, ok = s.raw(key); !ok {
		return v, "", false
	}
	if jsonobject.Unmarshal(raw, &v) != nil {
		var zero T
		return zero, "", false
	}
	return v, raw, true
}

// raw returns the encoded value under a key of the application's.
func (s *Session) raw(key string) (string, bool) {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if reserved(key) {
		return "", false
	}
	return s.obj.get(key)
}

// Pop is [Get] and, if that finds a T, [Session.Delete], for what is to be had
// once: of two requests that pop one value only one is saved, with an engine
// that notices conflicts. The other one ends in the error handler with
// [ErrConflict], or [ErrGone]; do what cannot be undone after [Session.Save].
// Engines in cookies notice nothing, and an old cookie brings the value back;
// neither does [Session.Flush] in the same request.
func Pop[T any](s *Session, key string) (T, bool) {
	for {
		v, raw, ok := get[T](s, key)
		if !ok || s.deleteIf(key, raw) {
			return v, ok
		}
	}
}

// deleteIf deletes the value under key if it is still raw.
func (s *Session) deleteIf(key, raw string) bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if now, ok := s.obj.get(key); !ok || now != raw {
		return false
	}
	s.changes.act(key, raw)
	s.deleteRaw(key)
	return true
}

// Decode decodes the value under key into v, as [json.Unmarshal] does. The
// error is [ErrNoKey] if there is none, or a [*ValueError].
func (s *Session) Decode(key string, v any) error {
	raw, ok := s.raw(key)
	if !ok {
		return ErrNoKey
	}
	if err := jsonobject.Unmarshal(raw, v); err != nil {
		return &ValueError{Key: key, Type: fmt.Sprintf("%T", v), Err: err, reading: true}
	}
	return nil
}

// Has reports whether there is a value under key.
func (s *Session) Has(key string) bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	_, ok := s.obj.get(key)
	return ok && !reserved(key)
}

// Delete deletes the value under key, if there is one. When the last value
// goes, so do the stored session and the cookie.
func (s *Session) Delete(key string) {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if !reserved(key) {
		s.deleteRaw(key)
	}
}

func (s *Session) deleteRaw(key string) {
	s.changes.set(key, markDeleted)
	if s.obj.delete(key) {
		s.modify()
	}
}

// Change replaces the value under key by what f makes of it, such as a counter or
// a cart: f gets the zero value of T if there is none or it is not a T. If
// another request changes the session meanwhile, f is called again with the
// value of that request when this one is saved, so that both count, with an
// engine that notices conflicts and Options.Conflict as MergeChanges. Engines in
// cookies do not notice, and the response that the browser gets last wins.
//
// f may be called several times. It must not use the session and should do
// nothing but return a value. Errors are those of [Session.Set].
func Change[T any](s *Session, key string, f func(T) T) {
	step := func(raw string, ok bool) (string, error) {
		var old T
		if ok && jsonobject.Unmarshal(raw, &old) != nil {
			var zero T
			old = zero
		}
		return encodeEntry(key, f(old))
	}
	for {
		now, ok := s.raw(key)
		raw, err := step(now, ok)
		if s.changeIf(key, now, raw, err, step) {
			return
		}
	}
}

// changeIf makes a change that [Change] has computed, if the value that it was
// computed from is still there.
func (s *Session) changeIf(key, now, raw string, err error, step func(string, bool) (string, error)) bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if err != nil {
		s.fail(err)
		return true
	}
	if current, _ := s.obj.get(key); current != now {
		return false
	}
	s.changes.change(key, now, raw, step)
	if raw != now {
		s.obj.set(key, raw)
		s.modify()
	}
	return true
}

// SetDefault stores v under key if there is no value yet, and reports whether
// it did. Of two requests in which it reports true for one key only one is
// saved, as for [Pop].
func (s *Session) SetDefault(key string, v any) bool {
	if s.Has(key) {
		return false
	}
	raw, err := encodeEntry(key, v)
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	if _, ok := s.obj.get(key); ok && err == nil {
		return false
	}
	if err == nil {
		s.changes.act(key, "")
	}
	s.set(key, raw, err)
	return err == nil
}

// Update is [Session.Set] for every entry of values, in the order of the keys.
func (s *Session) Update(values map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		s.Set(key, values[key])
	}
}

// Clear deletes all values, flashes and the session's own expiry. The session
// ends, unless something is set again in this request; see [Session.Flush] for
// logging out.
func (s *Session) Clear() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	before := s.obj.json.Len()
	clearEntries(&s.obj)
	s.changes.clear()
	if s.obj.json.Len() < before {
		s.modify()
	}
}

// Keys returns the keys in the order in which they were first set.
func (s *Session) Keys() []string {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	keys := make([]string, 0, s.obj.own)
	for key := range s.obj.json.All() {
		if !reserved(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// All returns the entries, still encoded, as they are when the iteration
// begins. The session may be changed meanwhile.
func (s *Session) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		s.req.mu.Lock()
		s.accessed = true
		entries := make([][2]string, 0, s.obj.own)
		for key, raw := range s.obj.json.All() {
			if !reserved(key) {
				entries = append(entries, [2]string{key, raw})
			}
		}
		s.req.mu.Unlock()
		for _, e := range entries {
			if !yield(e[0], json.RawMessage(e[1])) {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (s *Session) Len() int {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	return s.obj.own
}

// IsEmpty reports whether the session holds neither values nor flashes. Such a
// session is not stored, and the visitor gets no cookie for it.
func (s *Session) IsEmpty() bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	return s.isEmpty()
}

func (s *Session) isEmpty() bool {
	if s.obj.own > 0 {
		return false
	}
	_, flashes := s.obj.get(flashesKey)
	return !flashes
}

// Accessed reports whether the session's content was read or changed in this
// request.
func (s *Session) Accessed() bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	return s.accessed
}

// Modified reports whether there are changes that are not saved yet.
func (s *Session) Modified() bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	return s.modified()
}

func (s *Session) modified() bool {
	return s.changes.effective || len(s.flushed) > 0 || len(s.endOwners) > 0
}

// Token returns the token that the session is stored under, or "" if it is not
// stored yet. Whoever has the token has the session: keep it out of logs and
// pages.
func (s *Session) Token() string {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	return s.token
}

// Renew gives the session a fresh token when it is saved, and so invalidates
// the old one where the engine can. Call it whenever the visitor's rights
// change, at login above all: it defeats session fixation (OWASP Session
// Management Cheat Sheet, "Renew the Session ID After Any Privilege Level
// Change"). Django calls it cycle_key. A session that is given another owner is
// renewed without it, see Options.OwnerChange.
func (s *Session) Renew() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.renewLocked()
}

func (s *Session) renewLocked() {
	s.renew = true
	s.changed()
	if s.headerSent() && s.stored { // the browser would go on with the old token, and be logged out
		s.fail(ErrHeadersSent)
	}
}

// Flush ends the session, as for logging out: the stored session and the
// visitor's cookie are deleted, even if the handler then answers with an error.
// An engine that keeps the session in the cookie can delete no more than that: a
// copy of the cookie works until it expires, unless package revocation ends it.
// Values that are set afterwards begin a new session under a fresh token.
//
// It ends the session under the token that this request came with. Should
// another request of the visitor renew the session at the same moment, its new
// token lives on; end the sessions of the owner to be sure, with an engine that
// can.
func (s *Session) Flush() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	s.flush()
}

func (s *Session) flush() {
	s.flushed = append(s.flushed, s.token)
	for token := range s.m.tokens(s.req.r) {
		if token != s.token && !slices.Contains(s.flushed, token) {
			s.flushed = append(s.flushed, token) // browsers may send several: see tokens
		}
	}
	if owner := s.text(ownerKey); s.endOthers && owner != "" {
		s.endOwners = append(s.endOwners, owner) // as EndOthers was to do
	}
	s.forget()
	s.obj.clear()
	s.changes = changes{}
	s.renew, s.touch, s.endOthers = false, false, false
	s.loggedOut = true
	s.changed()
}

// forget cuts the tie to the stored session.
func (s *Session) forget() {
	s.stored, s.token, s.loaded = false, "", Record{}
}

// Touch extends the session's life as a change would, without changing it.
// With an engine that implements [Toucher] only the expiry is written. Others,
// those in cookies, write all of the session as this request loaded it; see
// Options.IdleTimeout for what that does beside a request that changes it.
func (s *Session) Touch() {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.touch = true
	s.changed()
}

// Err returns the first mistake that was made with the session in this request:
// a [*ValueError], [ErrReservedKey], or a SetExpiry that is not positive. The
// middleware answers such a request from the error handler. It is
// [ErrHeadersSent] when a session was begun after the response's headers had
// gone out; for other changes so late, [Session.Save] reports whether they can be
// saved.
func (s *Session) Err() error {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	return s.err
}

// largest returns the n largest entries.
func (s *Session) largest(n int) []KeySize {
	s.obj.writeFlashes()
	sizes := make([]KeySize, 0, s.obj.json.Len())
	for key, raw := range s.obj.json.All() {
		sizes = append(sizes, KeySize{Key: key, Bytes: len(raw)})
	}
	slices.SortStableFunc(sizes, func(a, b KeySize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return sizes[:min(n, len(sizes))]
}

// Format keeps the session's content and token out of what fmt prints, whatever
// the verb.
func (s *Session) Format(f fmt.State, verb rune) { io.WriteString(f, "session.Session{…}") }
