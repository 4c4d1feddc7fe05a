// Package redisstore keeps sessions in Redis or Valkey: the client's cookie holds
// a random key, and the server holds the session. It implements
// [session.SessionStore], and so is interchangeable with the other engines.
//
// It runs on a single server, behind Sentinel, and on a Cluster; Redis 7 and
// Valkey 8 or later. [Open] connects to a URL; [New] takes a client of go-redis
// that the application has already, of whatever kind.
//
//	store, err := redisstore.Open(ctx, "redis://localhost:6379/0", redisstore.Options{})
//	…
//	defer store.Close()
//	manager, err := session.NewManager(store, session.Options{})
//
// # Keys and values
//
// A token is a tag of 72 random bits and a secret of 144, in base64url. A session
// is one string under
//
//	se:{TAG}:HASH
//
// where HASH are 192 bits of the SHA-256 of the token and the cookie's name: whoever
// reads the server or a copy of its memory cannot take over the sessions in it, and
// a token of one cookie is worth nothing in another. What is in braces is all that a
// Cluster looks at to choose a slot
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
// A renewed session keeps its tag and gets another secret, so that both keys are in
// one slot, and moving it is one step in a Cluster too.
//
// A value is a header of 35 bytes of ASCII and the session's JSON behind it:
//
//	1            the format
//	16           the version: 96 random bits in base64url, new at each save
//	15           the expiry, in milliseconds since 1970, in decimal with leading zeros
//	3            how many bytes come before the JSON, in decimal: 0, or with an owner
//	             24 of the owner's hash, 12 of the generation, 15 of when the owner was
//	             noted and 15 of when the session was last seen, and the label
//
// # What each operation sends
//
// One command, and so one round trip, whatever the topology:
//
//	Load             GET
//	Save             SET … NX GET                   with an empty token
//	Save             a script: the version is the one that was loaded? then SET
//	Renew            the same: then SET … NX under the new key, and DEL
//	Touch            the same: then SETRANGE of the expiry, and PEXPIRE
//	DeleteUnchanged  the same: then DEL
//	Delete           DEL, or with Owners a script that also tells whose it was
//
// A script never writes to a key that is not there, so that a session which was
// deleted stays so. Scripts are sent by their hash, and as a text to a server that
// does not know them, after a restart for example.
//
// # Expiry
//
// The expiry that counts is the session's own, in the value, by this process's
// clock. The server gets what is left of the session's life when it is saved, as a
// duration, so that a server whose clock is wrong neither keeps sessions longer nor
// loses them. No key is without an expiry. Nothing relies on events about keys.
//
// # Owners
//
// With [Options.Owners] a sorted set for each owner names the sessions, in a slot of
// its own: se:o:{HASH}, and :g behind it for the generation that the last ending of
// the owner's sessions has begun. A save then takes two round trips, and a renewal
// three. The set and the sessions are never changed in one step, so a member is there
// before its session is written, and goes after it. A process that ends in between
// leaves a member without a session: it goes when the owner's sessions are listed or
// ended, or when it expires. Nothing that others do in between makes a session that no
// index knows, and whoever changes and renews a session all the time does not keep it
// from being ended. For an hour after a session was ended, a mark of a byte is under
// its key.
//
// All nodes need the option. Sessions that were saved without it are in no index until
// they are saved again: switch it on before the first login, or wait for the longest
// life of a session before you rely on it.
//
// # Broken connections
//
// go-redis repeats a command whose answer was lost (its option MaxRetries), and
// nobody knows whether it was executed the first time. That is safe here: the
// version that a save would store tells a script that it has run already, and then
// it does nothing and reports success. Where what another request has done meanwhile
// hides that, the error is no [session.ErrConflict] or [session.ErrGone] but one that
// says so, since the middleware would otherwise repeat the change.
//
// # Clusters
//
// Clients must read from primaries: leave ReadOnly, RouteByLatency and RouteRandomly of
// go-redis off. [Store.Check] warns of them.
//
// While a slot is moved, a server refuses scripts about two of its keys of which one is
// elsewhere: Renew, and changes of sessions with an owner; with WaitReplicas all
// changes of keys that have been moved. They wait for that, up to three seconds, and
// then fail
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-key-operations).
//
// # Durability
//
// A nil error means that the primary has done what it was asked. Redis replicates
// afterwards: a failover may lose the last saves, and bring back sessions that were
// ended just before it, which [Options.WaitReplicas] makes rarer
// (https://redis.io/docs/latest/operate/oss_and_stack/management/replication/). What
// a restart leaves is a setting of the server (appendonly).
//
// How many those are: the tests kill a primary under the load of 16 visitors, with a
// thousand changes a second. In eight such failovers of sentinels and clusters one
// acknowledged change was lost, and no session came back; with
// [Options.WaitReplicas], none in eight others. On a network, where a replica lags
// behind longer, more are.
//
// # Running a server
//
// A server for sessions needs maxmemory-policy noeviction: with any other it drops
// sessions when memory is short, and logs visitors out
// (https://redis.io/docs/latest/develop/reference/eviction/). With noeviction it
// refuses saves then, which gives the visitor a 503; reading, logging out and ending
// all sessions go on. Without appendonly yes a restart loses what was saved since the
// last snapshot, and brings back what was ended since
// (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/).
// Beyond a trusted network it needs TLS (rediss://). [Store.Check] looks for the first
// two at a program's start, and "sessionctl check" for an operator.
//
// A user of its own for the site has no other commands, keys and channels than
// (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/)
//
//	ACL SETUSER site on >PASSWORD resetkeys ~se:* resetchannels &__redis__:invalidate -@all
//	  +get +set +getrange +setrange +del +pexpire +pexpireat +pttl +eval +evalsha +ping +time +zadd
//	  +zrange +zscore +zrem +zremrangebyscore +scan +strlen +info +client +subscribe +watch +unwatch +wait
//
// zadd and what follows up to zremrangebyscore is for Options.Owners, scan and strlen
// for Count, info and time for Check, watch, unwatch and wait for WaitReplicas, and
// client, subscribe and the channel for package nearcache. On a Cluster the user needs
// "cluster", too.
//
// # When the server is away
//
// An operation fails, which gives the visitor a 503, and those that follow succeed as
// soon as the server is back: nothing has to be started again. Where connections are
// refused, go-redis tries for some two seconds before that; with max_retries=-1 in the
// URL for half a second, but then a connection that has broken fails a request as
// well. It writes lines of its own to standard error meanwhile, unless redis.SetLogger
// tells it where to.
package redisstore
