// Package nearcache keeps the sessions of a server-side engine in this process
// for a few seconds, so that most reads need no round trip: a read then takes
// about as long as one of a session in a cookie.
//
// [New] puts a [Store] around an engine that can tell of changes, which are
// dbstore on PostgreSQL with Options.Changes, and redisstore:
//
//	engine, err := postgres.Open(ctx, "postgres://…", postgres.Options{Options: dbstore.Options{Changes: true}})
//	…
//	store, err := nearcache.New(engine, nearcache.Options{})
//	…
//	defer store.Close()
//	manager, err := session.NewManager(store, session.Options{})
//
// # What it promises
//
//   - What this process does to a session, all of its requests see at once, as
//     with the engine itself.
//   - What another process does is seen as soon as the server has told of it,
//     mostly after a millisecond. Whatever happens on the way, what a read
//     returns was so at most [Options.MaxStale] before it: a session that was
//     logged out on another node lives no longer than that here.
//   - Nothing is saved on the strength of what is remembered. A save is the
//     engine's compare-and-set: it sees each change, fails with
//     [session.ErrConflict] or [session.ErrGone], and what was remembered is
//     forgotten before the middleware loads the session again.
//   - While nobody is sure that changes are told (before the first connection,
//     after it was lost, when the primary has changed), nothing is remembered,
//     and every read asks the engine. The Store connects again by itself.
//   - Sessions that are not there, and failures, are not remembered. A session is
//     expired at the same moment as without the cache.
//
// What it gives up: a visitor whose requests go to different nodes may read, for
// those milliseconds, a session as it was before the request that has just been
// answered on another node. Where the page after a redirect has to show what was
// saved before it, as a flash, let the load balancer keep a visitor on one node,
// or do without the cache. A login, which renews the session, is never late: the
// new token is nobody's but the new session's.
//
// # How it works
//
// An entry's place is the key under which the engine tells of changes: a hash of
// the token, and so tokens are not kept in memory. Before a read is sent, the
// cache notes how often something in the neighbourhood of its key has been
// forgotten; the answer is kept only if nothing has been since. So a change that
// is told while the answer is on its way is not lost, which is the race that
// Redis's documentation of client-side caching describes
// (https://redis.io/docs/latest/develop/reference/client-side-caching/,
// "Avoiding race conditions").
//
// An entry's age counts from before the read was sent, by the monotonic clock
// and by the wall clock, one of which stands still while a machine is suspended.
//
// # Around and inside of other engines
//
// metrics.Instrument goes on either side: outside it counts all reads, inside
// those that reach the engine. A revocation.Store, an Overflow or a Switch has to
// be outside: they look at more than one engine, and do not tell of changes.
package nearcache
