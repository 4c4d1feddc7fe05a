package session

import (
	"errors"
	"fmt"
	"io"

	"sessionengine/session/internal/jsonobject"
)

// Errors that engines return, wrapped or as they are. Compare with [errors.Is].
var (
	// ErrNotFound says that a token stands for no session. ErrInvalidToken and
	// ErrExpired match it too.
	ErrNotFound = errors.New("session: not found")

	// ErrInvalidToken says that a token is malformed, forged, or made with a
	// key that is not known: one error, so that it tells an attacker nothing.
	// It matches [ErrNotFound].
	ErrInvalidToken error = &notFoundError{"session: invalid token"}

	// ErrExpired says that a session was there, and has expired. It matches
	// [ErrNotFound].
	ErrExpired error = &notFoundError{"session: expired"}

	// ErrGone says that a session which was loaded has been deleted meanwhile,
	// by a logout in another request for example. It was not saved, so that it
	// stays deleted.
	ErrGone = errors.New("session: deleted by another request")

	// ErrConflict says that a session which was loaded has been changed
	// meanwhile by another request. It was not saved.
	ErrConflict = errors.New("session: changed by another request")

	// ErrClosed says that an engine was used after its Close.
	ErrClosed = errors.New("session: store is closed")
)

// Errors that a [Session] and the middleware report.
var (
	// ErrNoMiddleware says that a request has not come through
	// [Manager.Handler].
	ErrNoMiddleware = errors.New("session: the request did not come through Manager.Handler")

	// ErrHeadersSent says that a session was changed after the response's
	// headers had gone out, so that the client cannot learn of it.
	ErrHeadersSent = errors.New("session: changed after the response headers were sent; change it before the first byte")

	// ErrReservedKey says that a key begins with "_session_", which is kept for
	// the package's own use.
	ErrReservedKey = errors.New(`session: keys beginning with "_session_" are reserved`)

	// ErrNoKey says that a session holds nothing under a key.
	ErrNoKey = errors.New("session: no such key")

	// ErrMisuse says that the application or its set-up asks for something that
	// cannot be had, and never will until it is changed: a session that is to
	// live longer than the engine allows, for example. [ErrorStatus] makes it
	// 500 instead of the 503 that asks the visitor to try again. Engines wrap it
	// in an error that says what to change.
	ErrMisuse = errors.New("session: used wrongly")

	errOwner = fmt.Errorf("%w: SetOwner takes at most %d bytes", ErrMisuse, MaxOwnerBytes)

	// errStuck is no ErrConflict: trying again would not help.
	errStuck = errors.New("session: the store reports a conflict with the very state that it loads, again and again")

	errExpiry = fmt.Errorf("%w: SetExpiry needs a positive duration; use ExpireAtBrowserClose or Flush", ErrMisuse)
)

// notFoundError is a reason for ErrNotFound.
type notFoundError struct{ msg string }

func (e *notFoundError) Error() string { return e.msg }
func (e *notFoundError) Unwrap() error { return ErrNotFound }

// TooLargeError says that a session does not fit into what carries it. Nothing
// was stored or sent.
type TooLargeError struct {
	Size  int // what it would take, in bytes; for a cookie its name and value together
	Limit int // what there is, in bytes

	// Largest are the session's largest entries, largest first, for the
	// application's own diagnosis: Error does not print them, since keys may be
	// confidential. The middleware fills it in; engines leave it nil.
	Largest []KeySize
}

// KeySize is the size of one entry of a session.
type KeySize struct {
	Key   string
	Bytes int // of the encoded value, before compression
}

// Format keeps the keys out of what fmt prints, whatever the verb. Like
// MarshalText it is also a method of TooLargeError itself, since a copy has the
// same fields.
func (e TooLargeError) Format(f fmt.State, verb rune) { io.WriteString(f, (&e).Error()) }

// MarshalText is Format for encoders, such as those of log/slog, at any depth.
func (e TooLargeError) MarshalText() ([]byte, error) { return []byte((&e).Error()), nil }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("session: too large: %d bytes, and the limit is %d; "+
		"store less in the session, or use an engine that keeps it on the server", e.Size, e.Limit)
}

// ValueError says that a value could not be stored or read as JSON. Error does
// not print the key, the value, or the cause, which may contain it.
type ValueError struct {
	Key  string
	Type string // the Go type
	Err  error  // the cause

	reading bool
}

func (e *ValueError) Error() string {
	if e.reading {
		return "session: the stored value cannot be read as " + e.Type
	}
	text := "session: a value of type " + e.Type + " cannot be stored as JSON"
	if errors.Is(e.Err, jsonobject.ErrNotUTF8) { // which says nothing of the value
		text += ": " + jsonobject.ErrNotUTF8.Error()
	}
	return text
}

func (e *ValueError) Unwrap() error { return e.Err }

// Format keeps the key and the cause out of what fmt prints, whatever the verb.
// Like MarshalText it is also a method of ValueError itself, since a copy has the
// same fields.
func (e ValueError) Format(f fmt.State, verb rune) { io.WriteString(f, (&e).Error()) }

// MarshalText is Format for encoders, such as those of log/slog, at any depth.
func (e ValueError) MarshalText() ([]byte, error) { return []byte((&e).Error()), nil }
