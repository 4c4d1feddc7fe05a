// Package dbstore keeps sessions in a SQL database: the client's cookie holds a
// random key, and a row holds the session. It implements
// [session.SessionStore], and so is interchangeable with a cookie engine.
//
// Most applications want a subpackage that opens a database as it should be
// opened: [sessionengine/dbstore/sqlite], an embedded database in one file, or
// a server through [sessionengine/dbstore/postgres] or
// [sessionengine/dbstore/mysql]. [New] takes a *sql.DB that the application has
// opened itself, with any driver; this package imports none.
//
//	store, err := sqlite.Open(ctx, "sessions.db", sqlite.Options{})
//	…
//	defer store.Close()
//	manager, err := session.NewManager(store, session.Options{})
//
// # The table
//
// The table has the three columns of Django's session framework
// (django/contrib/sessions/base_session.py), and no other:
//
//	session_key   varchar(40)  primary key
//	session_data  text         the session, as JSON unless Options.Encoding says otherwise
//	expire_date   datetime     UTC; indexed
//
// [Store.Migrate] creates it. A table that Django created is used as it is; one
// that Django also writes to needs [Options.RawKeys] and an [Encoding] that
// signs as Django does, and in SQLite and MySQL either Django's setting USE_TZ or
// [Options.TimeZone], since without the former Django stores local times there.
//
// # Security
//
// A token has 165 random bits. The table holds 200 bits of the SHA-256 of it and
// the cookie's name, so that a token of one cookie is worth nothing in another
// (see [Store.ForCookie]), and that a reader of the table, or of a backup of it,
// cannot take over the sessions in it; what the sessions contain is there to read,
// unless an Encoding encrypts it. A token that is not made of 32 characters of a-z and 0-9 is refused
// without a query. Errors and logs contain neither tokens nor keys nor data:
// messages of the database that could quote them are replaced by their number.
//
// # What each operation sends
//
// Each operation is one statement in a transaction of its own, and one round
// trip once the statement is prepared on the connection:
//
//	Load             SELECT session_data, expire_date … WHERE session_key = ?
//	Save             INSERT …                                  with an empty token
//	Save             UPDATE … SET session_data, expire_date
//	                 WHERE session_key = ? AND session_data = ? AND expire_date > ?
//	Renew            the same UPDATE, which sets session_key as well
//	Touch            the same UPDATE, which sets expire_date only
//	DeleteUnchanged  DELETE … with the condition of the UPDATE
//	Delete           DELETE … WHERE session_key = ?
//
// Where many sessions are saved at once and the store owns the database
// ([Options.OwnDB]), saves that have to wait anyway share what costs most: on
// SQLite the commit, on PostgreSQL the statement. Each still has its own result,
// and what fails together is run again on its own.
//
// A record's version is the text of session_data as it was read, and an UPDATE
// compares it with what is stored, byte by byte: of two that started from the
// same state, the second changes no row. A query then tells
// [session.ErrConflict] from [session.ErrGone]. So no column for a version is
// needed, and a change that Django made is seen as well.
//
// Times are those of this process's clock. A row is expired from the moment in
// expire_date on, and then neither loaded nor updated, whether it has been
// deleted yet or not. Expiries between the years 1970 and 9999 are kept to the
// microsecond.
//
// A statement that the database rejected because of a lock, a deadlock or a lack
// of connections has done nothing, and is tried again until its context ends, or
// [Options.Timeout] has passed. One that a server has refused because it is not the
// primary any more, or that only loads or deletes a session and lost its
// connection, is tried three times more, at once, on other connections. Nothing
// else is tried again. COMPATIBILITY.md says what that means at a failover.
//
// # Durability
//
// A nil error means that the database has committed the change; what survives a
// power loss is a setting of the database. An error means that nothing was
// changed, with one exception: if the connection breaks, or the context ends,
// while the answer is under way, nobody knows. Loading the session tells. On an
// SQLite database that the store owns, the context does not interrupt a
// statement, and there is no such doubt.
//
// # Telling of changes
//
// With [Options.Changes], on PostgreSQL, triggers notify a channel of the key of each
// row whose session was changed, given a shorter life, renewed or deleted, which lets
// package nearcache keep sessions in memory. The key is a hash (with RawKeys a hash
// of it), and so no token. Touching a session is not told, nor that rows are deleted
// whose life was over five minutes before.
//
// It has a price: a transaction that notifies holds a lock of the whole server from
// before its commit until after it (PreCommit_Notify in PostgreSQL's
// src/backend/commands/async.c), so that such commits no longer wait for the disk
// together. With 16 writers at once, on a busy machine, a server made 363 saves in a
// second with the triggers and 599 without, and, with fsync off, 483 and 623; a quicker
// server has more to lose. Saves that share a statement ([Options.OwnDB]) share the
// lock. It pays where reads are many and saves
// are few, and on a server whose other databases commit without notifications.
// BenchmarkPostgresTriggers in nearcache measures it.
//
// # Cleanup
//
// Rows that are expired stay in the table until they are deleted by
// [Store.DeleteExpired], or regularly after [Store.StartCleanup]. Neither holds
// up requests: they delete in small batches, and rest in between.
package dbstore
