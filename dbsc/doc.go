// Package dbsc binds sessions to the device that they began on, so that a cookie
// that is stolen is worthless after minutes: Device Bound Session Credentials
// (https://w3c.github.io/webappsec-dbsc/, an editor's draft), which Chrome has from
// version 146 on. It works with every engine, needs no state on the server, and
// changes nothing for browsers that lack it.
//
//	binder, err := dbsc.New(secret, dbsc.Options{})
//	sessions, err := session.NewManager(store, session.Options{Guard: binder})
//	http.ListenAndServeTLS(addr, cert, key, binder.Handler(sessions, mux))
//
// A session is bound when somebody is logged in, which is when it has an owner
// ([session.Session.SetOwner]) or as Options.User says. Logging in, logging out and
// renewing stay as they are.
//
// # What happens
//
// The response in which a session logs in asks the browser to register. The
// browser makes a key that cannot be copied, in a security chip where there is one,
// and sends the public key, which goes into the session. From then on the session
// has a second cookie, the bound cookie, that lives for five minutes
// (Options.Life). When it is about to expire, the browser signs a challenge with
// its key, and gets another; the page's request waits meanwhile.
//
// A request whose session is bound gets it only with a fresh bound cookie of that
// session. Without one its visitor is logged out in the handler's eyes: the session
// is empty, what is stored stays as it is, and no cookie is deleted. So whoever has
// copied the cookies can use them until the bound one expires, five minutes at
// most, and whoever has copied only the session's cookie not at all.
//
// # What it needs
//
// HTTPS, since browsers ignore all of this otherwise; one host, since the bound
// cookie is sent to no other: a session whose cookie has a Domain is bound on the
// host that its user logged in at, and is not given out on others; and requests that
// come from the site itself or from a link to it. In a frame on another site a
// bound session is not there once its cookie is stale.
//
// Browsers refresh only for requests that come from the site itself. A link from
// another site that comes when the bound cookie is stale is answered with an empty
// page that asks for itself again, now from the site, and the browser refreshes. A
// login that comes back from another site is registered with the next page.
//
// A browser that cannot refresh, since the server failed or it did so too often,
// says so (Secure-Session-Skipped). Its request is answered with 503 and
// Retry-After, in the place of the handler, and not taken for a logout.
//
// # Pages that insist
//
// [Binder.RequireBound] lets only bound sessions through, and [Binder.Bound] tells
// whether a session is one. Everywhere else a session that is not bound works as
// ever: nobody can tell a browser that lacks the feature from a thief who pretends
// that theirs does.
//
// # Security
//
// The thief that this is about has a copy of the cookies: from malware that has
// read the browser's files, from a log, from a proxy. What is not defended against:
//
//   - Malware that stays on the device has the browser sign for it.
//   - Engines in cookies cannot take back what was not bound yet: a copy that was
//     made between the login and the registration, usually less than a second
//     later, stays good until it expires. In a database it is dead after a minute,
//     since the binding is in the row. Of parallel requests the last response wins in
//     a cookie, so one may undo the binding; the browser is told so when it refreshes,
//     and registers again with the next page.
//   - What a browser asks for while it registers may be served after the session was
//     bound. So for a minute from the login a request gets the session with the
//     cookies of before, too, and so does a copy of both.
//   - A proof is accepted for a minute. Who sends it again gets the same cookie that
//     the browser got, which expires at the same time.
//   - Logging out needs no proof, so that a visitor always can; a thief can, too.
//   - A session that goes by a Manager without the Guard is given out to anybody who
//     has its cookie. Set it in all of them.
//
// A refresh uses the session, as any request does, and so restarts its IdleTimeout.
// A browser that loses its key, or the response of the registration, is logged out,
// and its visitor logs in again.
//
// FORMAT.md has the cookies, the challenges and what a session keeps.
package dbsc
