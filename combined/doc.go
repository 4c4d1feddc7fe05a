// Package combined makes one engine of two.
//
// [Overflow] keeps small sessions in one engine, a cookie, and moves those that
// outgrow it to another one, a database, and back.
//
// [Switch] moves a site from one engine to another: it reads the tokens of
// both and writes those of the new one, so that nobody is logged out.
//
// Both go by what the two engines say of a token that they are shown: engines
// refuse each other's tokens without asking anybody (a database key is no
// signed cookie, and a signed cookie has not the form of a key), so that the
// tokens need no mark, and either engine can be used alone later.
//
// # What a move can lose
//
// A session that moves leaves its old place as it was saved last, for a minute
// of grace ([Options].Grace), so that requests that are on the way with the old
// token still find it. What a row is left with is marked, by a space and a tab
// after the JSON text: the old token is dead when the time of grace has passed,
// whatever was done with it, and a request that changes or extends the session
// with it gets the session as it was when it moved, in its right place under a
// token of its own. From that follows:
//
//   - While a session is in a database, changes of parallel requests are merged.
//     While it is in a cookie they are not: of two responses that set the cookie,
//     the browser keeps the one that comes last, and the changes of the other are
//     lost. For the time of grace the same holds for a response to the old token,
//     with an IdleTimeout or SaveEveryRequest one that changes nothing, too.
//   - A client that the response with the new token has not reached gets another
//     one with the first change, or when the session's life is extended. If
//     neither comes within the time of grace, the visitor is logged out: without
//     IdleTimeout and SaveEveryRequest, reading alone does not save the session.
//   - Logging out with the old token of a session that has moved to a row ends what
//     it has become, and what was made of what it left behind, up to 32 sessions:
//     the row that is left has their tokens, encrypted with the old one.
//   - Logging out with the new token does not end what the old one loads, nor what
//     was made of it: until the time of grace has passed, whoever has the old token
//     has the session, and can go on with it under another token. A revocation
//     list ends them all, see below. [session.Session.Renew] leaves nothing
//     behind; a login should call it anyway.
//   - A change that is made when the response's headers have gone out does not
//     move a session, since nobody could tell the client. It is saved where the
//     session is if that is a database, and otherwise fails with
//     [session.ErrHeadersSent].
//
// An old cookie is not bounded by the time of grace: a cookie that nothing
// revokes loads its session as long as it lives, whether the session has moved
// or not.
//
// # Owners
//
// The sessions of an owner are ended in both engines, if both can
// ([session.OwnerEnder]); a session that is moving ends too. For a list of them
// ask the engine that has them.
//
// # Revocation
//
// To end sessions in cookies, wrap the combined engine, not the cookie engine:
//
//	both, err := combined.NewSwitch(cookies, rows, combined.Options{})
//	store, err := revocation.New(both, list, revocation.Options{})
//
// Then logging out ends every token that the session has had since it bears the
// list's mark, in both engines, and what was made of what a move left behind.
// With a list around the cookie engine alone, a session that has moved to a row
// is not on the list when it is logged out, and its old cookies live on.
package combined
