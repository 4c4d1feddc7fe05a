package session

import "context"

// Traits are what an engine says of itself, for what depends on it when a
// [Manager] is built: see Options.Strict and Options.SessionsPerOwner.
type Traits struct {
	// Readable says that whoever has a token can read the session in it.
	Readable bool

	// Ends says that Delete and Renew end a session for all who have its token.
	Ends bool

	// EndsOwners, ListsOwners and EndsAll say that the engine, as it is set up, is
	// an [OwnerEnder], an [OwnerLister] and an [AllEnder].
	EndsOwners, ListsOwners, EndsAll bool
}

// TraitsTeller is implemented by engines that say what they can do. Engines that
// wrap others say what is true of both together.
type TraitsTeller interface {
	Traits() Traits
}

// TraitsOf calls the method of an engine that is a [TraitsTeller]. Of any other
// nothing is known but that it has the methods that it has, and ok is false; it is
// taken to be Readable, so that what wraps it does not say otherwise.
func TraitsOf(store SessionStore) (t Traits, ok bool) {
	if teller, ok := store.(TraitsTeller); ok {
		return teller.Traits(), true
	}
	t.Readable = true
	_, t.EndsOwners = store.(OwnerEnder)
	_, t.ListsOwners = store.(OwnerLister)
	_, t.EndsAll = store.(AllEnder)
	return t, false
}

// Both returns the traits of an engine that keeps some sessions in an engine of the
// traits t and some in one of the traits u.
func (t Traits) Both(u Traits) Traits {
	return Traits{
		Readable:    t.Readable || u.Readable,
		Ends:        t.Ends && u.Ends,
		EndsOwners:  t.EndsOwners && u.EndsOwners,
		ListsOwners: t.ListsOwners && u.ListsOwners,
		EndsAll:     t.EndsAll && u.EndsAll,
	}
}

// AllEnder is implemented by engines that can end all sessions of everybody.
type AllEnder interface {
	// EndAllSessions ends the sessions that have begun before, of all cookies and
	// with or without an owner, and returns their number, or -1 if the engine does
	// not know it. They are dead when it returns nil, whatever their holders do
	// meanwhile. A session that begins while it runs may end or stay. After an error
	// some may live; the same call may be made again.
	EndAllSessions(ctx context.Context) (ended int64, err error)
}

// EndAllSessions calls the method of an engine that is an [AllEnder]. For any other
// the error matches errors.ErrUnsupported; of an engine in cookies a new secret,
// without the old one among its fallbacks, ends all sessions.
func EndAllSessions(ctx context.Context, store SessionStore) (ended int64, err error) {
	if e, ok := store.(AllEnder); ok {
		return e.EndAllSessions(ctx)
	}
	return 0, unsupported("end the sessions of everybody; dbstore can, and sessions in cookies end with a new secret")
}

// EndAllSessions ends the sessions of everybody, as [AllEnder] describes: after a
// break-in, for example.
func (m *Manager) EndAllSessions(ctx context.Context) (ended int64, err error) {
	return EndAllSessions(outsideOf(ctx), m.store)
}
