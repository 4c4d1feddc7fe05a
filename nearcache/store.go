package nearcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sessionengine/session"
)

// Options configures a [Store]. The zero value has the default of every field.
type Options struct {
	// MaxStale is the longest time for which another process's change of a
	// session may stay unseen, should nobody tell of it, and how long a session is
	// remembered; 0 is five seconds. It has to be at least 10 ms. A connection that
	// is dead without a word is noticed within that time, but not always in less
	// than a second, and in five seconds at the latest.
	MaxStale time.Duration

	// Bytes is about the most memory that sessions take, in bytes; 0 is 32 MiB. A
	// session of more than a thirty-second part of it is not remembered.
	Bytes int

	// Logger is told when changes are no longer told, and when they are again;
	// nil means [slog.Default] at the time of New.
	Logger *slog.Logger
}

// Store is an engine that remembers for a short time what it has loaded from
// another one, which it passes everything else on to. It is safe for concurrent
// use.
//
// Of the optional interfaces of package session it implements all but
// [session.ChangeTeller], and answers as the engine does.
type Store struct {
	*cache
	engine session.SessionStore
	key    func(token string) (string, bool)
}

var (
	_ session.SessionStore     = (*Store)(nil)
	_ session.Toucher          = (*Store)(nil)
	_ session.UnchangedDeleter = (*Store)(nil)
	_ session.InPlaceSaver     = (*Store)(nil)
	_ session.ExpiredDeleter   = (*Store)(nil)
	_ session.CookieNamer      = (*Store)(nil)
	_ session.OwnerEnder       = (*Store)(nil)
	_ session.OwnerLister      = (*Store)(nil)
)

// New returns a Store around an engine, and begins to watch the engine for
// changes, until [Store.Close]. It does not own the engine: whoever opened it
// closes it, after the Store.
//
// An engine that does not tell of changes gives an error that matches
// [errors.ErrUnsupported]. That its server cannot be reached, or is not set up to
// tell, is no error but logged: reads ask the engine until it is.
func New(engine session.SessionStore, opts Options) (*Store, error) {
	if engine == nil {
		return nil, errors.New("nearcache: the engine is nil")
	}
	if opts.MaxStale == 0 {
		opts.MaxStale = 5 * time.Second
	}
	if opts.MaxStale < 10*time.Millisecond {
		return nil, fmt.Errorf("nearcache: MaxStale is %v, and has to be at least 10 ms", opts.MaxStale)
	}
	if opts.Bytes == 0 {
		opts.Bytes = 32 << 20
	}
	if opts.Bytes < 0 {
		return nil, fmt.Errorf("nearcache: Bytes is negative: %d", opts.Bytes)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	feed, err := session.Changes(engine)
	if err != nil {
		return nil, fmt.Errorf("nearcache: %w", err)
	}
	c := newCache(opts)
	c.start(feed)
	return &Store{c, engine, feed.Key}, nil
}

// Close stops watching, and waits until it has stopped. Operations that come later
// give [session.ErrClosed]; the engine stays open. Closing one Store closes those
// that ForCookie has made of it. Closing again does nothing.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.stop()
	s.wg.Wait()
	return nil
}

// Stats are figures of a Store, and of all that ForCookie has made of the same,
// since New.
type Stats struct {
	Hits, Misses uint64 // reads that were answered from memory, and those that asked the engine
	Changes      uint64 // changes that the engine has told
	Flushes      uint64 // how often everything was forgotten, also when watching began or ended
	Entries      int    // sessions in memory, some of which may be too old to be used
	Watching     bool   // whether changes are told, so that reads are remembered
}

// Stats returns the figures up to now.
func (s *Store) Stats() (st Stats) {
	s.each(func(p *part) {
		st.Hits += p.hits
		st.Misses += p.misses
		st.Changes += p.changes
		st.Flushes = p.flushes
		st.Entries += p.entries.Len()
		st.Watching = p.watching
	})
	return st
}

// Load implements [session.SessionStore]. It may return what was loaded before,
// at most Options.MaxStale ago. Errors are those of the engine, which is asked
// again each time.
func (s *Store) Load(ctx context.Context, token string) (*session.Record, error) {
	if s.closed.Load() {
		return nil, session.ErrClosed
	}
	key, ok := s.key(token)
	if !ok || ctx.Err() != nil { // then the engine has its error
		return s.engine.Load(ctx, token)
	}
	rec, ticket := s.load(key)
	if rec != nil {
		return rec, nil
	}
	rec, err := s.engine.Load(ctx, token)
	if err == nil {
		s.store(key, ticket, rec)
	}
	return rec, err
}

// forgetToken forgets a session when the engine has done something to it, or may
// have: whatever comes of it, the next read asks the engine.
func (s *Store) forgetToken(token string) {
	if key, ok := s.key(token); ok {
		s.forget(key)
	}
}

// Save implements [session.SessionStore].
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if s.closed.Load() {
		return "", session.ErrClosed
	}
	defer s.forgetToken(token)
	return s.engine.Save(ctx, token, rec)
}

// Renew implements [session.SessionStore].
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if s.closed.Load() {
		return "", session.ErrClosed
	}
	defer s.forgetToken(token)
	return s.engine.Renew(ctx, token, rec)
}

// Delete implements [session.SessionStore].
func (s *Store) Delete(ctx context.Context, token string) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	defer s.forgetToken(token)
	return s.engine.Delete(ctx, token)
}

// Touch implements [session.Toucher].
func (s *Store) Touch(ctx context.Context, token string, rec *session.Record) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	defer s.forgetToken(token)
	return session.Touch(ctx, s.engine, token, rec)
}

// SaveInPlace implements [session.InPlaceSaver].
func (s *Store) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	defer s.forgetToken(token)
	return session.SaveInPlace(ctx, s.engine, token, rec)
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (s *Store) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	defer s.forgetToken(token)
	return session.DeleteUnchanged(ctx, s.engine, token, rec)
}

// DeleteExpired implements [session.ExpiredDeleter].
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	if s.closed.Load() {
		return 0, session.ErrClosed
	}
	return session.DeleteExpired(ctx, s.engine)
}

// EndSessions implements [session.OwnerEnder]. The Store forgets all sessions,
// since it does not know whose they are.
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	if s.closed.Load() {
		return 0, session.ErrClosed
	}
	defer s.flush()
	return session.EndSessions(ctx, s.engine, owner)
}

// EndOtherSessions implements [session.OwnerEnder] as EndSessions does.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	if s.closed.Load() {
		return "", session.ErrClosed
	}
	defer s.flush()
	return session.EndOtherSessions(ctx, s.engine, owner, token)
}

// Sessions implements [session.OwnerLister]. It asks the engine each time.
func (s *Store) Sessions(ctx context.Context, owner, token, after string, limit int) (
	[]session.SessionInfo, string, error) {
	if s.closed.Load() {
		return nil, "", session.ErrClosed
	}
	return session.Sessions(ctx, s.engine, owner, token, after, limit)
}

// EndSession implements [session.OwnerLister] as EndSessions does.
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	defer s.flush()
	return session.EndSession(ctx, s.engine, owner, id)
}

// EndAllSessions implements [session.AllEnder] as EndSessions does.
func (s *Store) EndAllSessions(ctx context.Context) (int64, error) {
	if s.closed.Load() {
		return 0, session.ErrClosed
	}
	defer s.flush()
	return session.EndAllSessions(ctx, s.engine)
}

// Traits implements [session.TraitsTeller]: they are the engine's.
func (s *Store) Traits() session.Traits {
	t, _ := session.TraitsOf(s.engine)
	return t
}

// ForCookie implements [session.CookieNamer]. The Store that it returns has the
// same memory and watches with s.
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	engine, err := session.ForCookie(s.engine, name)
	if err != nil {
		return nil, err
	}
	feed, err := session.Changes(engine)
	if err != nil {
		return nil, fmt.Errorf("nearcache: %w", err)
	}
	return &Store{s.cache, engine, feed.Key}, nil
}

// String keeps the engine and what is remembered out of what fmt prints.
func (s *Store) String() string { return fmt.Sprintf("nearcache.Store(%T)", s.engine) }
