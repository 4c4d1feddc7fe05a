package sessiontest

import (
	"sync"
	"testing"
	"testing/synctest"

	"sessionengine/session"
)

// Features tell what an engine can do and what it cannot. The zero value is an
// engine that keeps nothing on the server: the whole session is in the token,
// and nothing can be taken back.
type Features struct {
	// Revocable says that the engine can end a session: after Delete, or after
	// Renew, the old token is dead at once, and Save, Renew and Touch give
	// [session.ErrGone] for a session that was deleted or is expired, cleaned
	// up or not. Without it an old token loads until it expires, and saving
	// succeeds.
	Revocable bool

	// DetectsConflicts says that Save, Renew and Touch give
	// [session.ErrConflict] when the session was changed since the record's
	// Version. Without it the last save wins.
	DetectsConflicts bool

	// StableToken says that Save gives back the token it was called with.
	// Without it the token is a new one, and the old one stands for the state
	// it was issued for, or for nothing if the engine is Revocable. One that is
	// expired stands for nothing, so that Delete with it does nothing, although
	// another token of the session may live longer.
	StableToken bool

	// Toucher says that the store is a [session.Toucher]. Only one that has
	// StableToken must be able to touch every session; others may give
	// [errors.ErrUnsupported].
	Toucher bool

	// UnchangedDeleter says that the store is a [session.UnchangedDeleter].
	// Only one that is Revocable and DetectsConflicts must be able to delete
	// every session so; others may give [errors.ErrUnsupported].
	UnchangedDeleter bool

	// ExpiredDeleter says that the store is a [session.ExpiredDeleter].
	ExpiredDeleter bool

	// OwnerEnder says that the store is a [session.OwnerEnder] for sessions that
	// are saved with Record.Owner. A store that is one without declaring it has
	// to give errors that match [errors.ErrUnsupported]. It needs Revocable.
	OwnerEnder bool

	// OwnerLister says the same of [session.OwnerLister].
	OwnerLister bool

	// AllEnder says the same of [session.AllEnder].
	AllEnder bool

	// CookieBound says that a token is worth nothing under another cookie name
	// than that of the [session.CookieNamer] which issued it.
	CookieBound bool

	// IgnoresContext says that the engine does no I/O, and does its work
	// without asking whether the context is done.
	IgnoresContext bool

	// MaxBytes is the Limit of the [session.TooLargeError] that the engine
	// gives, counted in the engine's own terms. (For sessions that are very large
	// it may give a greater one, of the session as it comes.) 0 says that it takes a record
	// of 1 MiB.
	MaxBytes int

	// SynctestBubble says that a store can be made, used and closed within a
	// bubble of [testing/synctest], as it can if it opens no network connection
	// and takes the time from Go. Cases that wait run there then, and take no
	// time. Otherwise they wait for real seconds.
	SynctestBubble bool

	// Parallel says that stores can be made and used at the same time, since what
	// one keeps no other sees: each has a database, a table or a prefix of its
	// own. Cases that wait for real seconds wait together then.
	Parallel bool

	// Peer opens another store on what store keeps, as another process would:
	// on the same database or with the same keys. It closes what it opened in
	// t.Cleanup. With nil the cases of several processes are skipped.
	Peer func(t *testing.T, store session.SessionStore) session.SessionStore
}

// Run runs the conformance suite, each case as a subtest with a store of its
// own.
//
// newStore makes a store that holds no sessions, and closes in t.Cleanup what
// has to be closed. It is called once in a case. Unless [Features.Parallel] is
// set the cases run one after another, so that they may share a database which
// newStore empties. If [Features.SynctestBubble] is set it is called within the
// bubble for the cases that wait, and must not call t.Run or t.Parallel.
//
// A case that fails prints the rule that the engine breaks.
func Run(t *testing.T, newStore func(t *testing.T) session.SessionStore, f Features) {
	t.Helper()
	together := f.Parallel && !f.SynctestBubble
	// With t.Parallel only as many would wait at once as there are processors.
	var waiting sync.WaitGroup
	for _, tc := range cases() {
		if together && tc.waits {
			waiting.Go(func() { runCase(t, tc, newStore, f) })
		}
	}
	waiting.Wait()
	for _, tc := range cases() {
		if !together || !tc.waits {
			runCase(t, tc, newStore, f)
		}
	}
}

func runCase(t *testing.T, tc testCase, newStore func(t *testing.T) session.SessionStore, f Features) {
	t.Helper()
	t.Run(tc.name, func(t *testing.T) {
		tc.inTime(t, f, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("the rule: %s", tc.rule)
				}
			}()
			tc.run(newCheck(t, t, newStore(t), f))
		})
	})
}

// A testCase is a rule and how to find out whether a store keeps it.
type testCase struct {
	name  string         // a sentence
	rule  string         // what a store must do and why, for whoever broke it
	waits bool           // for sessions to expire
	run   func(c *check) // fails the test through c
}

// inTime calls run in a synctest bubble if the case has to wait and the store can
// be there.
func (tc testCase) inTime(t *testing.T, f Features, run func(t *testing.T)) {
	if tc.waits && f.SynctestBubble {
		synctest.Test(t, run)
		return
	}
	run(t)
}

func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		featureCases, tokenCases, saveCases, renewCases, deleteCases, deleteUnchangedCases, timeCases,
		touchCases, cleanupCases, contextCases, sizeCases, ownerCases, concurrencyCases, managerCases, peerCases,
	} {
		all = append(all, group...)
	}
	return all
}
