// Package signedcookie keeps sessions in cookies: a session is serialized,
// compressed and signed, and nothing is kept on the server.
//
//	store, err := signedcookie.New(secret, signedcookie.Options{})
//	m, err := session.NewManager(store, session.Options{})
//
// Most sites want the zero [Options] or, for smaller cookies that nobody can
// read, [Sealed]. The format of the cookies is described in FORMAT.md, in enough
// detail to read and write them in another language.
//
// # Security
//
// A client cannot change its session or make one: that takes the secret. What
// signing does not do:
//
//   - [Signed] cookies can be read by whoever holds them. [Encrypted] and [Sealed]
//     ones cannot.
//   - A cookie is good until the expiry inside it, which is signed and enforced.
//     Logging out deletes the cookie from the browser, but whoever copied it
//     before can go on using it, also after a password was changed. An older
//     cookie of a session brings the older state back, so a session must not
//     hold what must not be repeated, such as a credit that was spent. Keep
//     lifetimes short, or use package dbstore.
//   - The length of a cookie can be seen by whoever sees the encrypted traffic,
//     and with compression it depends on the content: on whether one part of a
//     session repeats another. Someone who can put text of his own into a
//     visitor's session, many times, and sees the lengths, can guess secrets in
//     it bit by bit, as the CRIME attack did with headers. [CompressionOff] ends
//     that; [Options.PadTo] makes it harder. Tokens and hashes are not guessed in
//     this way while they are packed (see FORMAT.md), with one exception: a run
//     that is repeated as a whole is written once.
//
// # Limits
//
// Browsers drop cookies whose name and value have more than 4096 bytes together
// ([session.MaxCookieBytes]). A session that does not fit is an error before any
// header is sent. Proxies may allow less: nginx, by default, answers 502 if the header
// of a response has more than 4 or 8 KiB, the size of a page of memory, so that a
// cookie of about 3.8 kB does not get through. Set its proxy_buffer_size to 8k
// (and large_client_header_buffers, for requests with several such cookies), or
// [Options.MaxCookieBytes] to 3500, with which such a session is an error that
// says so. Cookies are sent with every request, so smaller is better: a login
// takes about 150 bytes, or 120 sealed, and a shopping cart of a kilobyte about
// 490, or 460.
//
// Of two requests that change one session at the same time, the changes of one
// are lost, since each carries the whole session to the browser.
//
// # Secrets
//
// Keys are derived from a secret with HKDF (RFC 5869), one for each purpose and
// [Options.Context]: two sites that share a secret give themselves different ones,
// and neither takes the other's cookies. A secret may come from a file or from the
// environment, with a line break at its end or without: it is the same one.
// [ReadSecrets] and [ParseSecrets] read several, one a line.
//
// To replace a secret, give the new one to [New] and the old one in
// [Options.FallbackSecrets], on all machines, until the cookies made with the old
// one have expired. While the machines are being restarted, some know the new
// secret and some do not; so first give them the new secret as a fallback, and
// make it the first one in a second step. The same goes for dictionaries: see
// [Options.FallbackDictionaries]. ROTATION.md has the steps one by one.
//
// # Compatibility
//
// Cookies that were issued by a release of this package are accepted by later
// ones, until they expire. The bytes that a session is compressed to may change.
package signedcookie
