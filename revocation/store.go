package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessionengine/session"
)

// Options configure a [Store]. The zero value has the default of every field.
type Options struct {
	// MaxAge is the longest time from the moment at which a session is saved to
	// its expiry; 0 means two weeks, as with [session.Options].Lifetime. Saving
	// one that would live longer is an error. It has to cover the cookies that
	// were issued before revocation was turned on, and must not be lowered
	// while cookies are about that live longer.
	//
	// What was ended stays on the list for this time and an hour more: no
	// cookie outlives that, as long as the clocks of a site's nodes differ by
	// less than an hour.
	MaxAge time.Duration

	// MaxStale, if it is greater than 0, is how long the list need not be asked
	// again about a session that it was asked about. It saves most lookups of a
	// busy visitor, and lets the cookies of a session that another node has
	// ended be read for that much longer. What this process itself ends is over
	// at once, and saving and renewing always ask, so that no session outlives
	// its end by more. It takes up to 8 MB of memory.
	MaxStale time.Duration

	// RefuseUnmarked refuses sessions that began before revocation was turned
	// on, or that Django has begun. Without it they go on, and can be ended but
	// for their older cookies: see the package documentation.
	RefuseUnmarked bool

	// ServeUnchecked, unless nil, is called when the list cannot be asked
	// whether a session is over, with the list's error. If it returns true, the
	// session is taken for one that is not; so whoever has a cookie of an ended
	// session can use it while the list is out of order. Renewing and ending
	// sessions need the list in any case, and fail without it. A session that
	// begins meanwhile ends when the list works again if those of its owner were
	// ended in the minute before. ServeUnchecked is called by several goroutines
	// at once, and is the place to log.
	ServeUnchecked func(ctx context.Context, err error) bool
}

const (
	defaultMaxAge = 14 * 24 * time.Hour
	maxMaxAge     = 100 * 365 * 24 * time.Hour

	// clockSlack is how much longer than MaxAge things stay on the list.
	clockSlack = time.Hour

	// skew is how much the clocks of nodes may differ where nothing worse comes
	// of it than a session that ends too early, or a life that is refused.
	skew = time.Minute
)

// ErrEnded says that a session was ended. [Store.Load] returns it. It matches
// [session.ErrNotFound].
var ErrEnded = fmt.Errorf("revocation: the session was ended: %w", session.ErrNotFound)

// errUnmarked says that a session is refused for Options.RefuseUnmarked.
var errUnmarked = fmt.Errorf("revocation: the session began without an id: %w", session.ErrNotFound)

// Store is an engine whose sessions can be ended. It is safe for concurrent use.
//
// It puts a mark into the JSON object that a session is saved as, and takes it
// out when the session is loaded: the session's id, and the owner's name and
// generation (see [List]) if there is an owner. The engine that it wraps keeps
// and protects the mark like any part of the session.
//
// All that it knows of a session it has from the token, so versions of records,
// conflicts and the other errors are those of the engine it wraps.
type Store struct {
	engine session.SessionStore
	*shared
}

// shared is what the stores for all cookies have in common.
type shared struct {
	list    List
	opts    Options
	keep    time.Duration
	answers *answers
}

var (
	_ session.SessionStore     = (*Store)(nil)
	_ session.Toucher          = (*Store)(nil)
	_ session.UnchangedDeleter = (*Store)(nil)
	_ session.InPlaceSaver     = (*Store)(nil)
	_ session.ExpiredDeleter   = (*Store)(nil)
	_ session.CookieNamer      = (*Store)(nil)
)

// New returns an engine that keeps sessions in engine, and ends them by means of
// list. It owns neither: whoever opened them closes them.
func New(engine session.SessionStore, list List, opts Options) (*Store, error) {
	if engine == nil || list == nil {
		return nil, errors.New("revocation: New needs an engine and a list")
	}
	if opts.MaxAge == 0 {
		opts.MaxAge = defaultMaxAge
	}
	if opts.MaxAge < time.Second || opts.MaxAge > maxMaxAge {
		return nil, fmt.Errorf("revocation: Options.MaxAge is %v, and has to be between a second and a hundred years", opts.MaxAge)
	}
	if opts.MaxStale < 0 {
		return nil, fmt.Errorf("revocation: Options.MaxStale is negative: %v", opts.MaxStale)
	}
	return &Store{engine: engine, shared: &shared{
		list:    list,
		opts:    opts,
		keep:    opts.MaxAge + clockSlack,
		answers: newAnswers(opts.MaxStale),
	}}, nil
}

// ForCookie implements [session.CookieNamer]. Both stores have the same list.
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	bound := *s
	if named, ok := s.engine.(session.CookieNamer); ok {
		var err error
		if bound.engine, err = named.ForCookie(name); err != nil {
			return nil, err
		}
	}
	return &bound, nil
}

// Load implements [session.SessionStore]. A session that was ended gives
// [ErrEnded]. That the list cannot be asked is a failure, and no reason to take
// the session for ended or not: see [Options].ServeUnchecked.
func (s *Store) Load(ctx context.Context, token string) (*session.Record, error) {
	rec, m, err := s.open(ctx, token)
	if err != nil {
		return nil, err
	}
	fresh, asked := s.answers.fresh(m)
	if fresh {
		return rec, nil
	}
	entry, err := s.list.Lookup(ctx, m.id, m.owner)
	switch {
	case err != nil && s.serveUnchecked(ctx, err):
		return rec, nil
	case err != nil:
		return nil, err
	case entry.ends(m):
		return nil, ErrEnded
	}
	s.answers.add(m, asked)
	return rec, nil
}

// Save implements [session.SessionStore]. An existing session that was ended, or
// that is expired, gives [session.ErrGone]. A new one with an owner begins in
// the owner's present generation, which the list is asked for.
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	if token == "" {
		return s.create(ctx, rec)
	}
	return s.save(ctx, s.engine.Save, token, rec)
}

func (s *Store) save(ctx context.Context, save saveFunc, token string, rec *session.Record) (newToken string, err error) {
	m, err := s.openLiving(ctx, token)
	if err != nil {
		return "", err
	}
	if owner := validOwner(rec.Owner); owner != m.owner {
		m.owner = owner
		if m.generation, err = s.generation(ctx, owner); err != nil {
			return "", err
		}
	}
	return s.write(ctx, save, token, rec, m)
}

// Renew implements [session.SessionStore]. It ends the session's old id on the
// list; of several calls for one session, at the same time too, one succeeds,
// and the others get [session.ErrGone].
//
// If the list fails at that last step, no session has been renewed in an engine
// that keeps nothing on the server. In one that does, the visitor may have to
// log in again.
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	if token == "" {
		return s.create(ctx, rec)
	}
	old, err := s.openStored(ctx, token)
	if err != nil {
		return "", err
	}
	entry, err := s.list.Lookup(ctx, old.id, old.owner)
	if err != nil {
		return "", err
	}
	if entry.endsRenewed(old, token) {
		return "", session.ErrGone
	}
	m := mark{id: newID(), owner: validOwner(rec.Owner), generation: entry.Generation}
	if m.owner != old.owner {
		if m.generation, err = s.generation(ctx, m.owner); err != nil {
			return "", err
		}
	}
	renewed := *rec
	if newToken, err = s.write(ctx, s.engine.Renew, token, &renewed, m); err != nil {
		return "", err
	}
	// Only now, since nothing is lost if the session did not fit.
	first, err := s.list.End(ctx, old.id, s.until(time.Time{}))
	if err != nil {
		return "", err
	}
	s.answers.forget(old.id)
	if !first { // it was ended, or renewed, since the lookup
		return "", session.ErrGone
	}
	rec.Version = renewed.Version
	return newToken, nil
}

// Delete implements [session.SessionStore]. It puts the session on the list. A
// token that is expired ends nothing, even if the session was given a longer
// life before and so has an older token that is not.
func (s *Store) Delete(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("revocation: delete: %w", err)
	}
	rec, err := s.engine.Load(ctx, token)
	if err == nil {
		m, _ := s.markIn(token, rec)
		if _, err = s.list.End(ctx, m.id, s.until(rec.Expires)); err == nil {
			s.answers.forget(m.id)
		}
	}
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		return err
	}
	return s.engine.Delete(ctx, token)
}

// Touch implements [session.Toucher] for an engine that does; with others it
// gives [errors.ErrUnsupported]. A session that was ended gives
// [session.ErrGone].
func (s *Store) Touch(ctx context.Context, token string, rec *session.Record) error {
	toucher, ok := s.engine.(session.Toucher)
	if !ok {
		return errors.ErrUnsupported
	}
	if _, err := s.openLiving(ctx, token); err != nil {
		return err
	}
	if err := s.checkLife(rec); err != nil {
		return err
	}
	return toucher.Touch(ctx, token, rec)
}

// SaveInPlace implements [session.InPlaceSaver] for an engine that can keep the
// token, such as a combined one.
func (s *Store) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	_, err := s.save(ctx, func(ctx context.Context, token string, rec *session.Record) (string, error) {
		return token, session.SaveInPlace(ctx, s.engine, token, rec)
	}, token, rec)
	return err
}

// DeleteUnchanged implements [session.UnchangedDeleter] for an engine that does;
// with others it gives [errors.ErrUnsupported]. It puts the session on the list
// once the engine has deleted it; if the list fails then, other cookies of the
// session, that a mixed engine may have given out, are not dead. A session that
// was ended gives [session.ErrGone].
func (s *Store) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	deleter, ok := s.engine.(session.UnchangedDeleter)
	if !ok {
		return errors.ErrUnsupported
	}
	m, err := s.openLiving(ctx, token)
	if err != nil {
		return err
	}
	if err := deleter.DeleteUnchanged(ctx, token, rec); err != nil {
		return err
	}
	if _, err := s.list.End(ctx, m.id, s.until(rec.Expires)); err != nil {
		return err
	}
	s.answers.forget(m.id)
	return nil
}

// EndSessions ends all sessions of an owner that have begun before, on all
// nodes, the caller's own among them. Sessions that begin afterwards are not
// touched. It is for "log out everywhere", and for when an account is closed.
func (s *Store) EndSessions(ctx context.Context, owner string) error {
	return s.EndOtherSessions(ctx, owner, "")
}

// EndOtherSessions is EndSessions, but for the session whose token is given
// (see [session.Session.Token]): it goes on if it is renewed, as it should be in
// the same request, so that copies of its cookie are dead as well. It is for
// "log out my other devices", and for when a password is changed:
//
//	err := store.EndOtherSessions(r.Context(), s.Owner(), s.Token())
//	…
//	s.Renew()
//
// If two sessions of an owner call it at the same time, one of them ends.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) error {
	if owner == "" {
		return errors.New("revocation: sessions without an owner cannot be ended together")
	}
	err := s.list.EndOwner(ctx, validOwner(owner), time.Now().UnixMilli(), fingerprint(token), s.until(time.Time{}))
	if err == nil {
		s.answers.forgetAll()
	}
	return err
}

// DeleteExpired implements [session.ExpiredDeleter] for the list, and for the
// engine if it keeps anything on the server.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	n, err := s.list.DeleteExpired(ctx)
	if d, ok := s.engine.(session.ExpiredDeleter); ok && err == nil {
		var more int64
		more, err = d.DeleteExpired(ctx)
		n += more
	}
	return n, err
}

// String keeps the engine and the list out of what fmt prints.
func (s *Store) String() string {
	return fmt.Sprintf("revocation.Store(%T, %T)", s.engine, s.list)
}

// create begins a session.
func (s *Store) create(ctx context.Context, rec *session.Record) (token string, err error) {
	m := mark{id: newID(), owner: validOwner(rec.Owner)}
	if m.generation, err = s.generation(ctx, m.owner); err != nil {
		return "", err
	}
	return s.write(ctx, s.engine.Save, "", rec, m)
}

// generation returns the generation of an owner.
func (s *Store) generation(ctx context.Context, owner string) (int64, error) {
	if owner == "" {
		return 0, nil
	}
	entry, err := s.list.Lookup(ctx, "", owner)
	if err != nil && s.serveUnchecked(ctx, err) {
		// Surely before the next generation, and after most that have been.
		return time.Now().Add(-skew).UnixMilli(), nil
	}
	return entry.Generation, err
}

// write saves a record with a mark by one of the engine's methods.
func (s *Store) write(ctx context.Context, save saveFunc, token string, rec *session.Record, m mark) (newToken string, err error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("revocation: save: %w", err)
	}
	if err := s.checkLife(rec); err != nil {
		return "", err
	}
	if m.generation < 0 || m.generation > maxGeneration {
		return "", fmt.Errorf("revocation: the list gave the generation %d, which is out of range", m.generation)
	}
	marked := *rec
	var ok bool
	if marked.Data, ok = m.add(rec.Data); !ok {
		return "", errors.New("revocation: the session is not a JSON object")
	}
	if newToken, err = save(ctx, token, &marked); err != nil {
		return "", err
	}
	rec.Version = marked.Version
	return newToken, nil
}

// checkLife refuses a session that would outlive what is on the list.
func (s *Store) checkLife(rec *session.Record) error {
	if life := time.Until(rec.Expires); life > s.opts.MaxAge+skew {
		return fmt.Errorf("revocation: the session is to live for %v, longer than Options.MaxAge, which is %v", life.Round(time.Second), s.opts.MaxAge)
	}
	return nil
}

type saveFunc func(ctx context.Context, token string, rec *session.Record) (newToken string, err error)

// open loads a session and its mark.
func (s *Store) open(ctx context.Context, token string) (*session.Record, mark, error) {
	if err := ctx.Err(); err != nil {
		return nil, mark{}, fmt.Errorf("revocation: load: %w", err)
	}
	rec, err := s.engine.Load(ctx, token)
	if err != nil {
		return nil, mark{}, err
	}
	m, ok := s.markIn(token, rec)
	if !ok && s.opts.RefuseUnmarked {
		return nil, mark{}, errUnmarked
	}
	return rec, m, nil
}

// openStored returns the mark of a session that is about to be written.
func (s *Store) openStored(ctx context.Context, token string) (mark, error) {
	_, m, err := s.open(ctx, token)
	if errors.Is(err, session.ErrNotFound) {
		err = session.ErrGone
	}
	return m, err
}

// openLiving is openStored for a session that goes on only if it was not ended.
func (s *Store) openLiving(ctx context.Context, token string) (mark, error) {
	m, err := s.openStored(ctx, token)
	if err != nil {
		return mark{}, err
	}
	entry, err := s.list.Lookup(ctx, m.id, m.owner)
	if err != nil && !s.serveUnchecked(ctx, err) {
		return mark{}, err
	}
	if entry.ends(m) {
		return mark{}, session.ErrGone
	}
	return m, nil
}

// markIn takes the mark out of a record. It is false if there was none; then the
// mark is one that stands for the token.
func (s *Store) markIn(token string, rec *session.Record) (m mark, ok bool) {
	if m, rec.Data, ok = cut(rec.Data); !ok {
		m = markOf(token, rec.Data)
	}
	return m, ok
}

// until returns how long what is ended now, a session that expires at expires
// among it, stays on the list.
func (s *Store) until(expires time.Time) time.Time {
	until := time.Now().Add(s.keep)
	if expires.After(until) {
		until = expires
	}
	return until
}

// serveUnchecked decides what an error of the list means for a session.
func (s *Store) serveUnchecked(ctx context.Context, err error) bool {
	return s.opts.ServeUnchecked != nil && ctx.Err() == nil && s.opts.ServeUnchecked(ctx, err)
}
