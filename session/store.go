package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// SessionStore is implemented by each engine. A token is what the client's
// cookie holds: for a cookie engine the session itself, for a database engine a
// random key. Engines never see HTTP.
//
// Implementations are safe for concurrent use. An engine that reports nothing
// through the error (a nil error) has done all of what it was asked, durably as
// far as its documentation promises; one that reports an error has done none of
// it, unless the connection to its server broke so that it cannot know.
//
// Errors that do not match one of this package's sentinels are system failures
// (the database is down, the context has ended): the visitor is not logged out
// for them. What trying again cannot mend, because the application or its
// set-up has to be changed, matches [ErrMisuse]. Errors never contain a token or
// any part of Record.Data.
//
// Package sessiontest has the conformance suite that an implementation should
// pass. Optional interfaces: [Toucher],
// [UnchangedDeleter], [InPlaceSaver], [ExpiredDeleter], [CookieNamer],
// [OwnerEnder], [OwnerLister], [AllEnder], [ChangeTeller], [TraitsTeller]. For each of
// their methods there is a function of the same name (for Traits it is [TraitsOf]),
// such as [Touch], that takes any engine and says what holds for one without the
// method. Engines that wrap others pass calls on with them.
type SessionStore interface {
	// Load returns the record that token stands for.
	//
	// A token that is absent, expired, malformed or forged gives an error that
	// matches [ErrNotFound]; [ErrInvalidToken] and [ErrExpired], which match it
	// too, tell why, for logs only. Load never returns a record together with
	// an error, nor a record at or after its Expires. The record belongs to the
	// caller, except for the bytes of its Data, which nobody may change.
	Load(ctx context.Context, token string) (*Record, error)

	// Save stores the record and returns the token to give to the client, which
	// may be the one passed in. It sets rec.Version to the state it stored, so
	// that the same record can be changed and saved again. It keeps no
	// reference to rec or its Data.
	//
	// With an empty token it creates a session under a fresh token: never an
	// upsert, never a token that the client chose.
	//
	// With a token it updates what was loaded or saved before, as told by
	// rec.Version: an error that matches [ErrGone] when the session was deleted
	// or has expired meanwhile (it is never resurrected), and [ErrConflict] when
	// it changed. For a token that was never issued it may be [ErrNotFound]. An
	// engine that cannot know does neither, and says so in its documentation.
	//
	// A record too large for the engine gives a [*TooLargeError].
	Save(ctx context.Context, token string, rec *Record) (newToken string, err error)

	// Renew is Save under a fresh token, in one atomic step: the session that
	// token stands for goes on as newToken, and the old token is dead where the
	// engine can kill it. An empty token creates, as in Save. Errors are those
	// of Save.
	Renew(ctx context.Context, token string, rec *Record) (newToken string, err error)

	// Delete ends the session that token stands for, where the engine can. A
	// token that is missing, malformed or already dead is no error.
	Delete(ctx context.Context, token string) error
}

// Record is a session as an engine stores it. What fmt and log/slog print of it
// shows nothing of the session, and marshaling it as JSON is an error: an engine
// writes the fields that it needs.
type Record struct {
	// Data is the serialized session. The engine treats it as opaque; it may
	// rely on its being valid UTF-8 without NUL bytes, as JSON is.
	//
	// What Load gave stays as it is: neither the engine nor the caller writes to
	// it, so that an engine may give it to several callers, and a caller may
	// keep parts of it. To append to it is safe: an engine that shares it clips
	// its capacity. Who wants other data in a record gives it another slice.
	Data []byte

	// Expires is the moment from which the session is no longer valid, in UTC.
	// The middleware uses whole seconds. An engine may drop the fraction of a
	// second, never round up.
	Expires time.Time

	// Owner is the application's name for whoever the session belongs to, and
	// Label what it calls the session itself, a device for example; both may be
	// empty. They are part of Data too, from where the middleware fills them in
	// whenever it saves, so that an engine can list and end the sessions of an
	// owner. Engines that do not offer that ignore them, and Load need not
	// return them.
	Owner, Label string

	// Version is the stored state that Load saw or Save left, in the engine's
	// own terms, and opaque to everyone else. A cookie engine leaves it empty.
	Version string
}

// Format keeps the record's content out of what fmt prints, whatever the verb.
func (r Record) Format(f fmt.State, verb rune) { io.WriteString(f, "session.Record{…}") }

// LogValue keeps the record's content out of logs.
func (r Record) LogValue() slog.Value { return slog.StringValue("session.Record{…}") }

// MarshalText keeps the record's content out of logs where log/slog does not ask
// for LogValue: in a slice, a map or a struct.
func (r Record) MarshalText() ([]byte, error) { return []byte("session.Record{…}"), nil }

// MarshalJSON returns an error, since a Record that is written as JSON is one that
// was logged by mistake. An engine that stores JSON writes the fields it needs;
// anything but an error would lose sessions there without a word.
func (r Record) MarshalJSON() ([]byte, error) { return nil, errRecordJSON }

var errRecordJSON = errors.New("session: a Record is not written as JSON, which logs do; an engine writes its fields")

// InPlaceSaver is implemented by engines whose Save may move a session, and so
// give it a new token, though they need not. The middleware uses it for changes
// that are made after the response's headers have gone out.
type InPlaceSaver interface {
	// SaveInPlace is Save under the token that the client has. An engine that
	// has to give a new one does nothing and gives an error that matches
	// [errors.ErrUnsupported].
	SaveInPlace(ctx context.Context, token string, rec *Record) error
}

// SaveInPlace saves a session under the token that the client has, as
// [InPlaceSaver] describes, with any engine: one that does not implement that
// interface either keeps the token at Save, or keeps the session in it, so that
// saving it has no effect, and the error is [errors.ErrUnsupported].
func SaveInPlace(ctx context.Context, store SessionStore, token string, rec *Record) error {
	if s, ok := store.(InPlaceSaver); ok {
		return s.SaveInPlace(ctx, token, rec)
	}
	newToken, err := store.Save(ctx, token, rec)
	if err == nil && newToken != token {
		err = errors.ErrUnsupported
	}
	return err
}

// ExpiredDeleter is implemented by engines that keep sessions which have to be
// cleaned up once they are expired.
type ExpiredDeleter interface {
	// DeleteExpired deletes the sessions that are expired and returns their
	// number. It works in small batches, does not hold up requests, and may
	// run on several machines at once. When ctx ends it stops after the batch
	// it is in, and returns what it has deleted with the context's error.
	DeleteExpired(ctx context.Context) (int64, error)
}

// DeleteExpired calls the method of an engine that is an [ExpiredDeleter]. Any
// other keeps nothing that would have to be deleted: that is 0, and no error.
func DeleteExpired(ctx context.Context, store SessionStore) (int64, error) {
	if d, ok := store.(ExpiredDeleter); ok {
		return d.DeleteExpired(ctx)
	}
	return 0, nil
}

// Toucher is implemented by engines that can extend a session's life without
// writing its data again.
type Toucher interface {
	// Touch sets the expiry of the session that token stands for to
	// rec.Expires, provided that its data is still what rec.Version tells:
	// [ErrConflict] if it changed, [ErrGone] if it was deleted. The token stays
	// the same; rec.Version is updated. An engine that can touch some sessions
	// only gives an error that matches [errors.ErrUnsupported] for the others,
	// which are then saved.
	Touch(ctx context.Context, token string, rec *Record) error
}

// Touch calls the method of an engine that is a [Toucher]. For any other the
// error is [errors.ErrUnsupported].
func Touch(ctx context.Context, store SessionStore, token string, rec *Record) error {
	if t, ok := store.(Toucher); ok {
		return t.Touch(ctx, token, rec)
	}
	return errors.ErrUnsupported
}

// UnchangedDeleter is implemented by engines that can delete a session on the
// condition that nobody has changed it. The middleware uses it for a session
// that has become empty, so as not to delete what another request has just put
// in; logging out is always [SessionStore].Delete.
type UnchangedDeleter interface {
	// DeleteUnchanged deletes the session that token stands for, provided that
	// its data is still what rec.Version tells: [ErrConflict] if it changed,
	// [ErrGone] if it was deleted. An error that matches [errors.ErrUnsupported]
	// asks for Delete.
	DeleteUnchanged(ctx context.Context, token string, rec *Record) error
}

// DeleteUnchanged calls the method of an engine that is an [UnchangedDeleter].
// For any other the error is [errors.ErrUnsupported].
func DeleteUnchanged(ctx context.Context, store SessionStore, token string, rec *Record) error {
	if d, ok := store.(UnchangedDeleter); ok {
		return d.DeleteUnchanged(ctx, token, rec)
	}
	return errors.ErrUnsupported
}

// CookieNamer is implemented by engines whose tokens are bound to the name of
// the cookie that carries them, or whose limits depend on it. [NewManager]
// calls it once and uses the store that it returns.
type CookieNamer interface {
	// ForCookie returns the engine bound to the cookie's name. The receiver is
	// left as it is.
	ForCookie(name string) (SessionStore, error)
}

// ForCookie calls the method of an engine that is a [CookieNamer], and returns
// any other as it is: its tokens are the same in every cookie.
func ForCookie(store SessionStore, name string) (SessionStore, error) {
	if n, ok := store.(CookieNamer); ok {
		return n.ForCookie(name)
	}
	return store, nil
}

// ChangeTeller is implemented by engines that can tell at once which sessions
// somebody has changed, on whatever machine. Package nearcache is what needs it.
type ChangeTeller interface {
	// Changes returns how to learn of changes, and uses nothing yet. An engine
	// that cannot, as it is set up, gives an error that matches
	// [errors.ErrUnsupported] and says what to do.
	Changes() (ChangeFeed, error)
}

// A ChangeFeed tells of changes of an engine's sessions. Its functions are safe
// for concurrent use.
type ChangeFeed struct {
	// Key returns the key under which changes of the session that token stands
	// for are told, and false for a token that no session can have. It is no
	// token, but a hash of one, and no two sessions have the same.
	Key func(token string) (key string, ok bool)

	// Watch calls ready once it is certain to learn of each change that is made
	// from then on, and after that calls changed with the key of each session
	// that was saved, renewed (the key of the old token), given a shorter life or
	// deleted, mostly within milliseconds. Changed with an empty key says that
	// any session may have changed. Sessions that begin, that are given a longer
	// life or whose life is over need not be told.
	//
	// Watch returns an error as soon as it is no longer certain, and about within
	// the given duration if a connection is dead without a word. Some notice what
	// somebody on the way swallows. It returns when ctx ends. Its calls of
	// ready and changed come one after another, and none after it has returned;
	// they have to return soon.
	Watch func(ctx context.Context, within time.Duration, ready func(), changed func(key string)) error
}

// Changes calls the method of an engine that is a [ChangeTeller]. For any other
// the error matches [errors.ErrUnsupported].
func Changes(store SessionStore) (ChangeFeed, error) {
	if t, ok := store.(ChangeTeller); ok {
		return t.Changes()
	}
	return ChangeFeed{}, unsupported("tell of changes, so put the near cache around an engine itself that can:" +
		" dbstore on PostgreSQL, or redisstore")
}
