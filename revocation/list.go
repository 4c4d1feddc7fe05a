package revocation

import (
	"context"
	"time"
)

// List is what a [Store] keeps on the server: the sessions that were ended, and
// the owners whose sessions were. All nodes of a site need the same one.
// Implementations are safe for concurrent use, and what one call has done the
// next one sees, on whatever node.
//
// Sessions are known by an id of 24 hexadecimal digits. Neither ids nor what
// else the list holds lets anybody make a token.
//
// Each owner has a generation, a number that grows. A session belongs to the
// generation that its owner had when it began, and has ended when that has grown.
// So it is no matter of clocks which sessions are ended. An owner that is not on
// the list has the generation 0.
type List interface {
	// Lookup tells what the list holds about a session and about an owner. An
	// empty id or owner stands for none.
	Lookup(ctx context.Context, id, owner string) (Entry, error)

	// End puts a session on the list, where it stays until the given moment at
	// least. It reports whether the session was not there before: of any number
	// of calls for one id, on any number of nodes, exactly one is the first, and
	// the others change nothing.
	End(ctx context.Context, id string, until time.Time) (first bool, err error)

	// EndOwner raises an owner's generation, in one atomic step: to the given
	// one, or by 1 if it is that far already. It returns the one that it was
	// before. The owner stays on the list until the given moment at least, or
	// until a later one that was given before.
	EndOwner(ctx context.Context, owner string, generation int64, until time.Time) (before int64, err error)

	// DeleteExpired deletes what need not stay on the list any longer, and
	// returns how much it was. It may run on several nodes at once.
	DeleteExpired(ctx context.Context) (int64, error)
}

// Entry is the answer of [List].Lookup.
type Entry struct {
	Ended      bool  // the session is on the list
	Generation int64 // of the owner
}

// ends reports whether a session has ended.
func (e Entry) ends(m mark) bool {
	return e.Ended || m.generation < e.Generation
}
