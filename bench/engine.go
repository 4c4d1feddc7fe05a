package bench

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// An Engine is something that keeps sessions, as the harness runs it.
type Engine struct {
	// Name is what its results are listed under, without spaces.
	Name string

	// Open sets up a site whose sessions the engine keeps. Files go into dir,
	// which is the site's own. When count is not nil, the site counts in it
	// what it sends to a database; sites that are timed are opened without.
	Open func(ctx context.Context, dir string, count *Counter) (Site, error)

	// Floor, unless nil, sets up the bare operations that the engine cannot do
	// without, for session s: what is above their time is the engine's own.
	Floor func(ctx context.Context, dir string, s Session) (*Floor, error)

	// Remote says that the engine asks a server, in another process or on another
	// machine. Its requests are timed one by one, and their processor time and the
	// time they wait are told apart. The harness notices by itself what waits for
	// a disk.
	Remote bool

	// Cache is how many bytes of sessions the engine remembers, so that it need
	// not decode a token that it decoded a moment ago; 0 means none. Requests
	// are measured with more visitors than that, except for the kind Again.
	Cache int

	// MaxStale, unless 0, says that the engine has a near cache, a copy of what a
	// server keeps, and for how long what is read from it may be out of date. The
	// model knows how often a session is there ([Model].CacheHits).
	MaxStale time.Duration
}

// A Floor is the least that reading and writing a session takes.
type Floor struct {
	Read, Write func() error
	Close       func() error
}

// A Site is a web application that keeps its sessions in an engine. It is safe
// for concurrent use.
type Site interface {
	// Handler returns the whole site, session middleware included, as it serves
	// requests whose handler does what a says.
	//
	// The handler answers with status 200, and with the text of the value that
	// it read: a string as it is, anything else as JSON, nothing for a key that
	// is not there. The harness takes any other status for a failure, and 413,
	// with the reason as the text, for a session that is too large for the
	// engine.
	Handler(a Action) http.Handler

	// Close ends the site.
	Close() error
}

// An Action is what a request's handler does with the session, in the order of
// the fields. With the zero Action it does not ask for the session at all.
type Action struct {
	Load  bool          // ask for the session
	Renew bool          // give it a fresh token, as a login does
	Set   []Entry       // set these
	Count *atomic.Int64 // add one, and set the result under CountKey
	Read  Entry         // answer with the value under this entry's key, which is of the type of its value
	Flush bool          // end the session, as a logout does

	// Meanwhile, unless nil, is called when all that is done, and before the
	// response begins: it is what other requests do at the same time.
	Meanwhile func()
}

// TouchesNothing reports whether the handler never asks for the session.
func (a Action) TouchesNothing() bool {
	return !a.Load && !a.Renew && len(a.Set) == 0 && a.Count == nil && a.Read.Key == "" && !a.Flush
}

// CountKey is the key under which a writing request sets a number of ten
// digits, such as a site's time of the last visit.
const CountKey = "last_seen"

// firstCount is where the numbers under CountKey begin: a moment in Unix time,
// so that they all have ten digits.
const firstCount = 1767225600

// A Kind is a kind of request.
type Kind string

// The kinds of request that are measured.
const (
	Untouched Kind = "untouched" // carries the cookie, and the handler does not ask for the session
	Anonymous Kind = "anonymous" // carries no cookie, and the handler asks for a value that is not there
	Read      Kind = "read"      // the handler reads one value
	Again     Kind = "again"     // the same, for a visitor who was served a moment ago
	Write     Kind = "write"     // the handler sets one value
	Login     Kind = "login"     // the handler sets one value and renews the token
	Logout    Kind = "logout"    // the handler ends the session
)

// Kinds returns the kinds of request, in the order of the tables.
func Kinds() []Kind { return []Kind{Untouched, Anonymous, Read, Again, Write, Login, Logout} }

// action returns what the handler of a request of this kind does with session
// s. The number that it sets comes from count.
func (k Kind) action(s Session, count *atomic.Int64) Action {
	switch k {
	case Anonymous, Read, Again:
		return Action{Read: s.ReadEntry()}
	case Write:
		return Action{Count: count}
	case Login:
		return Action{Renew: true, Count: count}
	case Logout:
		return Action{Flush: true}
	}
	return Action{}
}
