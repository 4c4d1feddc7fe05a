// Package revocation makes the sessions of a cookie engine end when they are
// ended: at logout, when a session is renewed, or all sessions of a user at
// once. It wraps an engine that keeps sessions in their tokens, such as
// signedcookie or Django's signed cookies, and a small [List] on the server of
// what was ended:
//
//	cookies, err := signedcookie.New(secret, signedcookie.Options{})
//	db, err := sqlite.OpenDB(ctx, "revocation.db") // of package dbstore/sqlite
//	list, err := revocation.NewSQLList(db, dbstore.SQLite, revocation.SQLOptions{})
//	err = list.Migrate(ctx)
//	store, err := revocation.New(cookies, list, revocation.Options{})
//	manager, err := session.NewManager(store, session.Options{})
//
// [SQLList] is a table that all nodes of a site share; [MemoryList] is for a
// site of one process. The list holds what was ended only, until the last
// cookie of it would have expired anyway. [Store.StartCleanup] has it deleted
// then, in the background.
//
// # What is ended
//
// Each session gets an id, which stays the same until the session is renewed.
// It is inside the signed part of the cookie, with the name of the session's
// owner (see [session.Session.SetOwner]), so that no cookie of it can do
// without. See [Store] for how.
//
//   - Logging out ([session.Session.Flush]), and a session that has become
//     empty, put the id on the list: every cookie that the session ever had is
//     dead, on every node, from the next request on. A slow request that saves
//     it afterwards gets [session.ErrGone].
//   - [session.Session.Renew] goes on under a new id, and ends the old one.
//   - [session.Session.FlushAll] and [session.Manager.EndSessions] end all
//     sessions of an owner that have begun before: "log out everywhere".
//     [session.Session.EndOthers] lets the caller's own session go on, under a new
//     token: after a change of the password, for example.
//   - A session that is given a longer life, by a quarter or more, goes on under
//     a new id, as if it were renewed: other requests that save it at that moment
//     get [session.ErrGone]. A login that is to be remembered should say so in
//     the request that renews the session.
//
// Sessions that began before revocation was turned on go on, and most of this
// holds for them, too: all of them end with those of their owner, and logging
// out ends the cookie that was sent, with all that were made from it since. What
// it does not end is older cookies of the same session. They are known by their
// cookie, and where two visitors have the same one they are known as one session,
// until it is renewed: a logout of one ends that of the other, too. Sealed cookies
// are the same if content and expiry are, signed ones and Django's if they were
// also made in the same second, so that this happens to sessions that hold nothing
// of their visitor's. [Options].RefuseUnmarked refuses sessions that began before.
//
// # What it costs
//
// A lookup in the list for each request that loads its session, and another one
// if the session is saved: with [SQLList] a query by primary key each, with
// [MemoryList] less than a microsecond. [Options].MaxStale saves most lookups of
// the first kind, and tells what that can miss. A login, a renewal and a logout
// write to the list or read it once more. The cookie of signedcookie grows by 20
// to 40 bytes, and by ten more in sessions that begin after their owner's others
// were ended.
//
// The list has a row of about 100 bytes for each session that was ended, for as
// long as such a session lives or a little longer, and one for each owner whose
// sessions were ended, for [Options].MaxAge. Sessions are known by a random
// number there, and owners by a hash of their name. So visitors without an
// account fill it only as fast as their sessions expire.
//
// When the list cannot be asked, nobody can tell whether a session was ended.
// Requests that load their session then get an error, which the middleware
// answers with the status 503, and nobody is logged out. So a site whose cookies
// depend on a database is down when the database is, as it would be with
// sessions in the database. [Options].ServeUnchecked chooses the other way.
//
// # What it cannot do
//
//   - List the sessions of a user: nothing on the server knows of a session that
//     was not ended. Package dbstore can.
//   - Take back an older state of a session that goes on: any of its cookies
//     loads what was in it when it was made. So a session must not hold what
//     must not be repeated, such as a credit that was spent.
//   - Keep the changes of two requests that change a session at the same time.
//     The cookie of the response that comes last counts.
//
// Engines that keep sessions on the server need none of this. With a mixed one,
// of combined.NewOverflow or combined.NewSwitch, wrap the combined engine, and
// not its parts:
//
//	both, err := combined.NewOverflow(cookies, rows, combined.Options{})
//	store, err := revocation.New(both, list, revocation.Options{})
//
// A session then keeps its id while it moves, and the cookie that it had before
// it moved ends with it. If the part that makes cookies were wrapped instead, a
// session would get a new id, and its owner's present generation, whenever it
// moved.
package revocation
