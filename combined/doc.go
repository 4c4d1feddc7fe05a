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
// of grace, so that requests that are on the way with the old token still find
// it. While it is in a database, changes of parallel requests are merged. While
// it is in a cookie they are not: of two responses that set the cookie, the
// browser keeps the one that comes last, and the changes of the other are lost.
// A move does not change that: a change is lost only if it and the change whose
// cookie the browser kept were made in parallel, and at least one of the two
// responses carried the session in the cookie, or both moved it to the
// database. For [Options].Grace after a move to the cookie the old token loads
// the session as it was when it moved, even if the session in the cookie is
// flushed.
package combined
