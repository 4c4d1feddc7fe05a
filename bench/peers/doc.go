// Peers measures this project's engines beside the session libraries that Go
// programs use today: github.com/gorilla/sessions, which keeps sessions in
// cookies, and github.com/alexedwards/scs, which keeps them in a store. It is a
// module of its own, so that nobody who uses the engines depends on their
// rivals.
//
//	cd bench/peers && go run . -behaviour
//	cd bench/peers && go run . -html peers.html
//	cd bench/peers && go run . -postgres postgres://user@host/database -redis redis://host
//
// # What they do
//
// With -behaviour, each library is tried in situations that no figure shows:
// parallel writers, replay after a logout, a store that fails, and so on. The
// matrix tells for each whether the library did what a visitor's session should
// do, and what happened; "-" is where there is nothing to try, or where the
// application decides. Nothing in it is written down beforehand. Libraries have
// the settings that they have by themselves, and are used as their READMEs show.
// "+revocation" is signedcookie with this project's package revocation.
//
// # What they cost
//
// Without it, all libraries serve the same requests to the same visitors (see
// package bench), in the same rounds, and stand in one report, in the formats of
// "go run ." in the module's root; -baseline and -fail-if compare it with an earlier
// one. Ratios are to signedcookie. Each library is set up as its documentation
// advises and as its best user would:
//
//   - gorilla-gob: sessions.CookieStore with a 32-byte key. Cookies have the
//     attributes that this project's have. Maps and lists are registered with
//     encoding/gob.
//   - gorilla-json: the same with sessions serialized as JSON, through the
//     serializer hook of securecookie.
//   - scs-sqlite: scs with its own sqlite3store, table and index as its README
//     tells, on the driver and the settings that package dbstore/sqlite uses.
//     The cleanup does not run.
//   - scs-mem: scs with its own memstore.
//   - scs-postgres: scs with its own pgxstore on a pool of pgx, table and index
//     as its README tells.
//   - redisstore: this project's engine for Redis, and behind its near cache.
//   - scs-redis: scs with its own redisstore on a pool of redigo. What it sends
//     together, as a transaction's commands, is one round trip, and counts as one
//     query.
//   - plain-map: no library, but a map of Go values behind a mutex and a random
//     key in a cookie, in one process: what a library can be measured against
//     that does more.
//
// Values are what encoding/json makes of the session's JSON. The libraries
// decode a whole session at once, and the map not at all; this project's engines
// decode the value that is asked for. gorilla/sessions cannot renew a token, so
// its login is a write. The libraries that are ahead somewhere are shown ahead.
package main
