// Peers measures this project's engines beside the session libraries that Go
// programs use today: github.com/gorilla/sessions, which keeps sessions in
// cookies, and github.com/alexedwards/scs, which keeps them in a store. It is a
// module of its own, so that nobody who uses the engines depends on their
// rivals.
//
//	cd bench/peers && go run .
//
// All libraries serve the same requests to the same visitors (see package
// bench), in the same rounds, and each is set up as its documentation advises
// and as its best user would:
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
//
// Values are what encoding/json makes of the session's JSON. The libraries
// decode a whole session at once; this project's decodes the value that is asked
// for. gorilla/sessions cannot renew a token, so its login is a write.
package main
