package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sessionengine/dbstore"
	"sessionengine/internal/sqlkit"
	"sessionengine/session"
)

// Options configure a [Store]. The zero value has the default of every field.
type Options struct {
	// MaxAge is the longest time that a session may live from the moment at which
	// it is saved; 0 means 400 days, which is as long as browsers keep a cookie
	// (RFC 6265bis, section 5.5). Saving one that would live longer is an error
	// that matches [session.ErrMisuse]. It has to cover the cookies that were
	// issued before revocation was turned on, and must not be lowered while
	// cookies are about that live longer.
	//
	// It is how long the list knows of an owner whose sessions were ended, and of
	// a session that was ended without an id. A session with an id stays on the
	// list for as long as sessions like it live, or up to a quarter longer. Ten
	// minutes are put on top of either, so that the clocks of a site's nodes may
	// differ by up to five.
	MaxAge time.Duration

	// MaxStale, if it is greater than 0, is how long the list need not be asked
	// again about a session that it was asked about. It saves most lookups of a
	// busy visitor, and lets the cookies of a session that another node has
	// ended be read for that much longer. What this process itself ends is refused
	// at once, and saving and renewing always ask, so that no session outlives
	// its end by more. It takes up to 8 MB of memory.
	MaxStale time.Duration

	// RefuseUnmarked refuses sessions that began before revocation was turned
	// on, or that Django has begun. Without it they go on, and can be ended but
	// for their older cookies: see the package documentation.
	RefuseUnmarked bool

	// ServeUnchecked, unless nil, is called when the list cannot be asked
	// whether a session has ended, with the list's error. If it returns true, the
	// session is taken for one that goes on; so a holder of a cookie of an ended
	// session can use it while the list is out of order. Renewing and ending
	// sessions need the list in any case, and fail without it. A session that
	// begins meanwhile ends when the list works again if its owner is on it.
	// ServeUnchecked is called by several goroutines at once, and is the place to
	// log.
	ServeUnchecked func(ctx context.Context, err error) bool

	// Logger is told what goes wrong in the cleanup that StartCleanup runs; nil
	// means slog.Default.
	Logger *slog.Logger
}

const (
	defaultMaxAge = 400 * 24 * time.Hour
	maxMaxAge     = 100 * 365 * 24 * time.Hour

	// clockSlack is how much longer things stay on the list than tokens live. A
	// token's expiry, its being looked at and its deletion from the list may be
	// by the clocks of three nodes.
	clockSlack = 10 * time.Minute

	// lifeSlack is by how much a life may be longer than it should be without
	// anything coming of it: lives are rounded, and clocks are read twice. It is
	// part of clockSlack.
	lifeSlack = time.Minute
)

// ErrEnded says that a session was ended. [Store.Load] returns it. It matches
// [session.ErrNotFound].
var ErrEnded = fmt.Errorf("revocation: the session was ended: %w", session.ErrNotFound)

// errUnmarked says that a session is refused for Options.RefuseUnmarked.
var errUnmarked = fmt.Errorf("revocation: the session began without an id: %w", session.ErrNotFound)

// errNoSession says that what the engine loaded is nothing that a session engine
// saves, and so nobody's.
var errNoSession = fmt.Errorf("revocation: the session cannot be read: %w", session.ErrInvalidToken)

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
	list     List
	opts     Options
	answers  *answers
	least    int         // span that a session has at least
	cleaning atomic.Bool // StartCleanup has been called
}

var (
	_ session.SessionStore     = (*Store)(nil)
	_ session.Toucher          = (*Store)(nil)
	_ session.UnchangedDeleter = (*Store)(nil)
	_ session.InPlaceSaver     = (*Store)(nil)
	_ session.ExpiredDeleter   = (*Store)(nil)
	_ session.CookieNamer      = (*Store)(nil)
	_ session.OwnerEnder       = (*Store)(nil)
	_ session.TraitsTeller     = (*Store)(nil)
)

// New returns an engine that keeps sessions in engine, and ends them by means of
// list. It owns neither, and leaves both open.
func New(engine session.SessionStore, list List, opts Options) (*Store, error) {
	if engine == nil || list == nil {
		return nil, errors.New("revocation: New needs an engine and a list")
	}
	if opts.MaxAge == 0 {
		opts.MaxAge = defaultMaxAge
	}
	if opts.MaxAge < time.Second || opts.MaxAge > maxMaxAge {
		return nil, fmt.Errorf("revocation: Options.MaxAge is %v, and has to be between a second and a hundred years",
			opts.MaxAge)
	}
	if opts.MaxStale < 0 {
		return nil, fmt.Errorf("revocation: Options.MaxStale is negative: %v", opts.MaxStale)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Store{engine: engine, shared: &shared{
		list:    list,
		opts:    opts,
		answers: newAnswers(opts.MaxStale),
	}}, nil
}

// ForCookie implements [session.CookieNamer]. Both stores have the same list.
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	engine, err := session.ForCookie(s.engine, name)
	if err != nil {
		return nil, err
	}
	return &Store{engine: engine, shared: s.shared}, nil
}

// Traits implements [session.TraitsTeller]: sessions end, and those of an owner,
// whatever the engine. They are as readable as the engine's.
func (s *Store) Traits() session.Traits {
	t, _ := session.TraitsOf(s.engine)
	return session.Traits{Readable: t.Readable, Ends: true, EndsOwners: true}
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
// the owner's present generation, which the list is asked for. One that is given
// a longer life than before, by a quarter or more, goes on under a new id, as if
// it were renewed.
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (newToken string, err error) {
	if token == "" {
		return s.create(ctx, rec)
	}
	return s.save(ctx, s.engine.Save, token, rec)
}

func (s *Store) save(ctx context.Context, save saveFunc, token string, rec *session.Record) (
	newToken string, err error) {
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
	if old := m; lifeOf(rec) > m.life()+lifeSlack {
		// Who ends the session with another token of it would not know how long
		// it has to be on the list.
		m.id, m.span = newID(), s.spanOf(rec)
		return s.replace(ctx, save, token, rec, old, m)
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
	if entry.ends(old) {
		return "", session.ErrGone
	}
	m := mark{id: newID(), span: s.spanOf(rec), owner: validOwner(rec.Owner), generation: entry.Generation}
	if m.owner != old.owner {
		if m.generation, err = s.generation(ctx, m.owner); err != nil {
			return "", err
		}
	}
	return s.replace(ctx, s.engine.Renew, token, rec, old, m)
}

// replace saves a session under a new mark, and ends the old one.
func (s *Store) replace(ctx context.Context, save saveFunc, token string, rec *session.Record,
	old, m mark) (newToken string, err error) {
	renewed := *rec
	if newToken, err = s.write(ctx, save, token, &renewed, m); err != nil {
		return "", err
	}
	// Only now, since nothing is lost if the session did not fit.
	first, err := s.list.End(ctx, old.id, s.until(old))
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
		m, _, _ := s.markIn(token, rec)
		if _, err = s.list.End(ctx, m.id, s.until(m)); err == nil {
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
	m, err := s.openLiving(ctx, token)
	if err != nil {
		return err
	}
	if err := s.checkLife(rec); err != nil {
		return err
	}
	if lifeOf(rec) > m.life()+lifeSlack {
		return s.prolong(ctx, token, rec)
	}
	return toucher.Touch(ctx, token, rec)
}

// prolong is Touch for a session that needs a new id, and so has to be saved.
func (s *Store) prolong(ctx context.Context, token string, rec *session.Record) error {
	stored, old, err := s.open(ctx, token)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return session.ErrGone
	case err != nil:
		return err
	case stored.Version != rec.Version:
		return session.ErrConflict
	}
	stored.Expires, stored.Owner, stored.Label = rec.Expires, rec.Owner, rec.Label
	m := old
	m.id, m.span = newID(), s.spanOf(rec)
	if _, err := s.replace(ctx, s.saveInPlace, token, stored, old, m); err != nil {
		return err
	}
	rec.Version = stored.Version
	return nil
}

// SaveInPlace implements [session.InPlaceSaver] for an engine that can keep the
// token, such as a combined one.
func (s *Store) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	_, err := s.save(ctx, s.saveInPlace, token, rec)
	return err
}

func (s *Store) saveInPlace(ctx context.Context, token string, rec *session.Record) (string, error) {
	return token, session.SaveInPlace(ctx, s.engine, token, rec)
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
	if _, err := s.list.End(ctx, m.id, s.until(m)); err != nil {
		return err
	}
	s.answers.forget(m.id)
	return nil
}

// EndSessions implements [session.OwnerEnder]: it raises the owner's generation
// on the list, and has an engine that can end an owner's sessions do so, too. How
// many sessions that ends nobody knows.
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	if owner == "" {
		return 0, session.ErrNoOwner
	}
	owner = validOwner(owner)
	if _, err := s.endOwner(ctx, owner, time.Now().UnixMilli()); err != nil {
		return 0, err
	}
	if err := s.endInEngine(ctx, owner); err != nil {
		return 0, err
	}
	return -1, nil
}

// endInEngine ends an owner's sessions in the engine, too, if it can, so that it
// does not list what has ended.
func (s *Store) endInEngine(ctx context.Context, owner string) error {
	_, err := session.EndSessions(ctx, s.engine, owner)
	if listsNone(err) {
		return nil
	}
	return err
}

// listsNone reports whether an engine has refused to end an owner's sessions since
// it does not list them, or may not know all of them: the revocation list does.
func listsNone(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, dbstore.ErrOwnersIncomplete)
}

// endOwner ends all sessions of an owner that are of an older generation than the
// given one, and those of that one, too, if it has begun already. It returns the
// generation that the owner was of before.
func (s *Store) endOwner(ctx context.Context, owner string, generation int64) (before int64, err error) {
	before, err = s.list.EndOwner(ctx, owner, generation, time.Now().Add(s.opts.MaxAge+clockSlack))
	if err == nil {
		s.answers.forgetAll()
	}
	return before, err
}

// EndOtherSessions implements [session.OwnerEnder]. The session goes on in the
// generation to which it raises the owner; should somebody else raise it too at
// that moment, this session ends with the others. Errors are those of
// [Store.Renew] besides, with what it says of the list's.
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (newToken string, err error) {
	if owner == "" {
		return "", session.ErrNoOwner
	}
	owner = validOwner(owner)
	entry, err := s.list.Lookup(ctx, "", owner)
	if err != nil {
		return "", err
	}
	generation := max(entry.Generation+1, time.Now().UnixMilli())
	// First, since nothing is ended if the session does not fit. Nobody has the
	// new token before all is done.
	old, newToken, err := s.inGeneration(ctx, owner, generation, token)
	gone := errors.Is(err, session.ErrGone)
	if err != nil && !gone {
		return "", err
	}
	before, err := s.endOwner(ctx, owner, generation)
	if err != nil {
		return "", err
	}
	if !gone {
		first, err := s.list.End(ctx, old.id, s.until(old))
		if err != nil {
			return "", err
		}
		s.answers.forget(old.id)
		if gone = !first || old.owner == owner && before != entry.Generation; gone {
			if err := s.engine.Delete(ctx, newToken); err != nil {
				return "", err
			}
		}
	}
	if gone {
		if err := s.endInEngine(ctx, owner); err != nil {
			return "", err
		}
		return "", session.ErrGone
	}
	kept, err := session.EndOtherSessions(ctx, s.engine, owner, newToken)
	if listsNone(err) {
		return newToken, nil
	}
	return kept, err
}

// inGeneration makes a session one of a generation of its owner, as it is stored,
// under a new id and token. The old id is not ended yet.
func (s *Store) inGeneration(ctx context.Context, owner string, generation int64, token string) (
	old mark, newToken string, err error) {
	for {
		rec, old, err := s.open(ctx, token)
		if errors.Is(err, session.ErrNotFound) {
			return old, "", session.ErrGone
		} else if err != nil {
			return old, "", err
		}
		entry, err := s.list.Lookup(ctx, old.id, old.owner)
		if err != nil {
			return old, "", err
		}
		if entry.ends(old) {
			return old, "", session.ErrGone
		}
		m := old
		m.id, m.span = newID(), min(old.span, spanOf(s.opts.MaxAge))
		if m.owner == owner {
			m.generation = generation
		}
		rec.Owner, rec.Label = old.owner, session.LabelOf(rec.Data) // as stored, for an engine that notes them
		newToken, err = s.write(ctx, s.engine.Renew, token, rec, m)
		if errors.Is(err, session.ErrConflict) && ctx.Err() == nil {
			continue // changed since it was loaded: it goes on as it is now
		}
		return old, newToken, err
	}
}

// DeleteExpired implements [session.ExpiredDeleter] for the list, and for the
// engine if it keeps anything on the server.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	n, err := s.list.DeleteExpired(ctx)
	if err != nil {
		return n, err
	}
	more, err := session.DeleteExpired(ctx, s.engine)
	return n + more, err
}

// StartCleanup calls DeleteExpired in the background, now and then every
// interval, until ctx ends; 0 is ten minutes. Any number of nodes may do so with
// the same list: intervals vary by a tenth at random, so that they do not stay in
// step. Failures are logged. It is an error to start it twice.
func (s *Store) StartCleanup(ctx context.Context, interval time.Duration) error {
	if interval == 0 {
		interval = 10 * time.Minute
	}
	if interval < 0 {
		return fmt.Errorf("revocation: the cleanup's interval is negative: %v", interval)
	}
	if !s.cleaning.CompareAndSwap(false, true) {
		return errors.New("revocation: the cleanup is already running")
	}
	go func() {
		defer s.cleaning.Store(false)
		sqlkit.Repeat(ctx, interval, func() bool {
			n, err := s.DeleteExpired(ctx)
			if ctx.Err() != nil || errors.Is(err, session.ErrClosed) {
				return false
			}
			if err != nil {
				s.opts.Logger.ErrorContext(ctx, "revocation: cleaning up the list failed", "err", err, "deleted", n)
			}
			return true
		})
	}()
	return nil
}

// String keeps the engine and the list out of what fmt prints.
func (s *Store) String() string {
	return fmt.Sprintf("revocation.Store(%T, %T)", s.engine, s.list)
}

// create begins a session.
func (s *Store) create(ctx context.Context, rec *session.Record) (token string, err error) {
	m := mark{id: newID(), span: s.spanOf(rec), owner: validOwner(rec.Owner)}
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
		return 0, nil // before all, since clocks cannot tell what it is after
	}
	return entry.Generation, err
}

// write saves a record with a mark by one of the engine's methods.
func (s *Store) write(ctx context.Context, save saveFunc, token string, rec *session.Record, m mark) (
	newToken string, err error) {
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

// lifeOf is how long a session that is saved now is to live.
func lifeOf(rec *session.Record) time.Duration { return time.Until(rec.Expires) }

// spanOf returns the span of a session that is saved now under a new id.
func (s *Store) spanOf(rec *session.Record) int { return max(s.least, spanOf(lifeOf(rec))) }

// checkLife refuses a session that would outlive what is on the list.
func (s *Store) checkLife(rec *session.Record) error {
	if life := lifeOf(rec); life > s.opts.MaxAge+lifeSlack {
		return fmt.Errorf("revocation: %w: the session is to live for %v, longer than revocation.Options.MaxAge,"+
			" which is %v",
			session.ErrMisuse, life.Round(time.Second), s.opts.MaxAge)
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
	m, marked, known := s.markIn(token, rec)
	switch {
	case !marked && s.opts.RefuseUnmarked:
		return nil, mark{}, errUnmarked
	case !known:
		return nil, mark{}, errNoSession
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

// markIn takes the mark out of a record. If there was none, marked is false, and
// the mark is one that stands for the token; known is false if it cannot be told
// whose session it is.
func (s *Store) markIn(token string, rec *session.Record) (m mark, marked, known bool) {
	if m, rec.Data, marked = cut(rec.Data); marked {
		return m, true, true
	}
	m, known = markOf(token, rec.Data)
	return m, false, known
}

// until returns how long a session that is ended now stays on the list: until the
// last of its tokens has expired, whichever it was ended with.
func (s *Store) until(m mark) time.Time {
	return time.Now().Add(min(m.life(), s.opts.MaxAge) + clockSlack)
}

// serveUnchecked decides what an error of the list means for a session.
func (s *Store) serveUnchecked(ctx context.Context, err error) bool {
	return s.opts.ServeUnchecked != nil && ctx.Err() == nil && s.opts.ServeUnchecked(ctx, err)
}
