// Package session keeps what a web application remembers of a visitor between
// requests: a dictionary that is loaded when a handler asks for it, and saved
// before the response begins if the handler changed it.
//
// Where sessions are kept is decided by the [SessionStore] that a [Manager] is
// made with. Package signedcookie keeps them in the visitor's cookie, package
// dbstore in a SQL database, package redisstore in Redis or Valkey; nothing but the
// line that makes the store knows which:
//
//	store, err := sqlite.Open(ctx, "sessions.db", sqlite.Options{})
//	// or: store, err := signedcookie.New(secret, signedcookie.Options{})
//	// or: store, err := redisstore.Open(ctx, "redis://localhost:6379/0", redisstore.Options{})
//
//	m, err := session.NewManager(store, session.Options{})
//	http.ListenAndServe(addr, m.Handler(mux))
//
// A handler then says
//
//	s, err := session.Load(r)
//	if err != nil {
//		return // the store failed; the middleware answers
//	}
//	s.Set("user_id", 20)
//	team, ok := session.Get[string](s, "team")
//
// and never has to say "save". Users of Django's sessions will find all they
// know; README.md has the table of names.
//
// The folder examples has whole programs, each with its test: hello counts the
// visits of a visitor; views saves, shows and deletes values, and tries whether the
// browser accepts cookies, on the engine that a flag names; login has "remember
// me", a list of the user's devices, and "log out everywhere".
//
// # What the middleware does
//
// A request whose handler does not load the session costs nothing and gets no
// header. One that loads it gets "Vary: Cookie". The session is saved, and its
// cookie set, only if it was changed, before the first byte of the response
// goes out; should that fail, the client gets an error response, and nothing of
// the handler's. Nothing is saved when the handler answers with a 5xx status or
// panics, except that a logout ([Session.Flush]) holds. A visitor whose session
// is empty has no cookie, and nothing is stored.
//
// Requests of one visitor may run at the same time. What becomes of their
// changes depends on the engine. One that keeps sessions on the server, as dbstore
// and redisstore do, notices: the changes of all of them are kept, key by key (of two
// changes of one key the later save counts); a session that one of them ends
// stays ended, and the others, if they have changed it, are answered with 400.
// One that keeps the session in the cookie cannot notice: the response that the
// browser gets last wins, with all that its request loaded, and it may undo a
// change or a logout. Package revocation lets a logout hold there.
//
// # Security
//
// The zero [Options] are the secure ones: the cookie is Secure, HttpOnly and
// SameSite=Lax, and each option that weakens it begins with Insecure.
// Options.Strict adds what a security review asks for. When a visitor logs in, call
// [Session.SetOwner] and [Session.SetAuthenticated], which renew the session, or
// [Session.Renew], and [Session.Flush] when they log out. [RequireRecent] has visitors
// sign in again before what matters. Tokens, and the keys and values of sessions, are
// never part of an error text or a log line.
//
// What an engine cannot do is said in its own documentation: above all, a
// session in a cookie cannot be ended by the server before it expires.
//
// # Frameworks
//
// The Manager goes around the framework's router: m.Handler(router). Middleware
// between the two must not answer by itself where a handler returns without an
// answer because [Load] failed: a compressor that always writes a trailer makes
// an empty page of it. Where there is such a thing, answer with
// [ErrorStatus](err). [http.MaxBytesHandler] goes around the Manager: it can close
// the connection only where it has the server's own ResponseWriter.
package session
