package metrics

import (
	"context"
	"errors"
	"strconv"
	"time"

	"sessionengine/session"
)

// A Recorder is told of each operation of an engine, after it has ended and in
// the goroutine that has called it: the operation takes as much longer as
// Record takes. It is safe for concurrent use.
type Recorder interface {
	// Record takes note of e. The context is the one that the operation was
	// called with, and may be over.
	Record(ctx context.Context, e Event)
}

// An Event is one operation of an engine.
type Event struct {
	Op       Op
	Result   Result
	Err      error         // nil, or what the engine returned
	Duration time.Duration // of the operation

	// DataBytes is the length of the serialized session that was loaded, or
	// given to be stored, whether it was stored or not; otherwise 0.
	DataBytes int

	// TokenBytes is the length of the token that was accepted by Load or
	// Touch, or issued by Create, Save, Renew or EndOtherSessions; otherwise 0. That of a token
	// which was refused is the choice of whoever sent it.
	TokenBytes int

	// Deleted is the number of sessions that DeleteExpired has deleted, or
	// EndSessions or EndAllSessions has ended, which may be some even if it failed.
	// For the latter two it is 0 if the engine does not know it.
	Deleted int64
}

// Op is an operation of an engine.
type Op int

const (
	Load             Op = iota
	Create              // Save or Renew without a token, which begins a session
	Save                // of a session that was there before
	Renew               // of a session that was there before
	Touch               // see [session.Toucher]
	Delete              // of one session, whether it was there or not
	DeleteUnchanged     // see [session.UnchangedDeleter]
	DeleteExpired       // see [session.ExpiredDeleter]
	EndSessions         // see [session.OwnerEnder]
	EndOtherSessions    // likewise
	Sessions            // see [session.OwnerLister]
	EndSession          // likewise
	EndAllSessions      // see [session.AllEnder]
)

var opNames = [...]string{"load", "create", "save", "renew", "touch", "delete", "delete_unchanged", "delete_expired",
	"end_sessions", "end_other_sessions", "sessions", "end_session", "end_all_sessions"}

// String returns the operation's name in lower case, with underscores between
// words.
func (op Op) String() string { return name(opNames[:], int(op)) }

// Ops returns all operations.
func Ops() []Op { return all[Op](len(opNames)) }

// Result is how an operation has ended.
type Result int

const (
	OK           Result = iota
	NotFound            // [session.ErrNotFound], for no reason that is known
	Expired             // [session.ErrExpired]
	InvalidToken        // [session.ErrInvalidToken]
	Gone                // [session.ErrGone]
	Conflict            // [session.ErrConflict], after which the middleware usually tries again
	TooLarge            // [session.TooLargeError]
	Canceled            // [context.Canceled]: whoever had asked for it went away
	Failure             // anything else, such as a database that is down or takes too long
)

var resultNames = [...]string{"ok", "not_found", "expired", "invalid_token", "gone", "conflict", "too_large",
	"canceled", "failure"}

// String returns the result's name in lower case, with underscores between
// words.
func (r Result) String() string { return name(resultNames[:], int(r)) }

// Results returns all results.
func Results() []Result { return all[Result](len(resultNames)) }

// Rejection reports whether r, as the result of Load, says that the client's token
// stands for no session: for an [Expired] one, for none that is there, or for
// none that could ever be.
func (r Result) Rejection() bool { return r == NotFound || r == Expired || r == InvalidToken }

// ResultOf returns the result that an engine's error stands for; nil is OK.
func ResultOf(err error) Result {
	if err == nil {
		return OK
	}
	switch {
	case errors.Is(err, session.ErrExpired):
		return Expired
	case errors.Is(err, session.ErrInvalidToken):
		return InvalidToken
	case errors.Is(err, session.ErrNotFound):
		return NotFound
	case errors.Is(err, session.ErrConflict):
		return Conflict
	case errors.Is(err, session.ErrGone):
		return Gone
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	if _, ok := errors.AsType[*session.TooLargeError](err); ok {
		return TooLarge
	}
	return Failure
}

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return strconv.Itoa(i)
	}
	return names[i]
}

func all[T ~int](n int) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = T(i)
	}
	return values
}
