package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessionengine/session"
)

// Store is an engine that passes everything on to another one, and tells what
// came of it. It is safe for concurrent use.
//
// It implements the optional interfaces of package session whether the engine
// does or not. Where the engine lacks one, Store answers in the way that the
// interface has for that, so that the middleware does what it would do with the
// engine itself.
type Store struct {
	engine    session.SessionStore
	recorders []Recorder
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
	_ session.ChangeTeller     = (*Store)(nil)
	_ session.AllEnder         = (*Store)(nil)
	_ session.TraitsTeller     = (*Store)(nil)
)

// Instrument returns a Store that records the operations of engine. It does not
// own the engine: whoever opened it closes it. Instrument panics if the engine
// or a recorder is nil.
func Instrument(engine session.SessionStore, recorders ...Recorder) *Store {
	if engine == nil {
		panic("metrics: Instrument of a nil engine")
	}
	for _, r := range recorders {
		if r == nil {
			panic("metrics: Instrument with a nil Recorder")
		}
	}
	return &Store{engine: engine, recorders: append([]Recorder(nil), recorders...)}
}

// record tells the recorders of an operation that began at start, unless the
// engine does not support it.
func (s *Store) record(ctx context.Context, start time.Time, err error, e Event) {
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	e.Duration = time.Since(start)
	e.Err = err
	e.Result = ResultOf(err)
	for _, r := range s.recorders {
		r.Record(ctx, e)
	}
}

// Load implements [session.SessionStore].
func (s *Store) Load(ctx context.Context, token string) (*session.Record, error) {
	start := time.Now()
	rec, err := s.engine.Load(ctx, token)
	e := Event{Op: Load}
	if err == nil {
		e.DataBytes, e.TokenBytes = len(rec.Data), len(token)
	}
	s.record(ctx, start, err, e)
	return rec, err
}

// Save implements [session.SessionStore].
func (s *Store) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	start := time.Now()
	newToken, err := s.engine.Save(ctx, token, rec)
	s.recordWrite(ctx, start, err, Save, token, newToken, rec)
	return newToken, err
}

// Renew implements [session.SessionStore].
func (s *Store) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	start := time.Now()
	newToken, err := s.engine.Renew(ctx, token, rec)
	s.recordWrite(ctx, start, err, Renew, token, newToken, rec)
	return newToken, err
}

func (s *Store) recordWrite(ctx context.Context, start time.Time, err error, op Op, token, newToken string,
	rec *session.Record) {
	if token == "" {
		op = Create
	}
	s.record(ctx, start, err, Event{Op: op, DataBytes: len(rec.Data), TokenBytes: len(newToken)})
}

// Delete implements [session.SessionStore].
func (s *Store) Delete(ctx context.Context, token string) error {
	start := time.Now()
	err := s.engine.Delete(ctx, token)
	s.record(ctx, start, err, Event{Op: Delete})
	return err
}

// Touch implements [session.Toucher].
func (s *Store) Touch(ctx context.Context, token string, rec *session.Record) error {
	start := time.Now()
	err := session.Touch(ctx, s.engine, token, rec)
	e := Event{Op: Touch}
	if err == nil {
		e.TokenBytes = len(token)
	}
	s.record(ctx, start, err, e)
	return err
}

// SaveInPlace implements [session.InPlaceSaver]. It is recorded as a Save.
func (s *Store) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	start := time.Now()
	err := session.SaveInPlace(ctx, s.engine, token, rec)
	newToken := token
	if err != nil {
		newToken = ""
	}
	s.recordWrite(ctx, start, err, Save, token, newToken, rec)
	return err
}

// DeleteUnchanged implements [session.UnchangedDeleter].
func (s *Store) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	start := time.Now()
	err := session.DeleteUnchanged(ctx, s.engine, token, rec)
	s.record(ctx, start, err, Event{Op: DeleteUnchanged})
	return err
}

// DeleteExpired implements [session.ExpiredDeleter].
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	start := time.Now()
	n, err := session.DeleteExpired(ctx, s.engine)
	s.record(ctx, start, err, Event{Op: DeleteExpired, Deleted: n})
	return n, err
}

// EndSessions implements [session.OwnerEnder].
func (s *Store) EndSessions(ctx context.Context, owner string) (int64, error) {
	start := time.Now()
	n, err := session.EndSessions(ctx, s.engine, owner)
	s.record(ctx, start, err, Event{Op: EndSessions, Deleted: max(0, n)})
	return n, err
}

// EndOtherSessions implements [session.OwnerEnder].
func (s *Store) EndOtherSessions(ctx context.Context, owner, token string) (string, error) {
	start := time.Now()
	newToken, err := session.EndOtherSessions(ctx, s.engine, owner, token)
	s.record(ctx, start, err, Event{Op: EndOtherSessions, TokenBytes: len(newToken)})
	return newToken, err
}

// Sessions implements [session.OwnerLister].
func (s *Store) Sessions(ctx context.Context, owner, token, after string, limit int) (
	[]session.SessionInfo, string, error) {
	start := time.Now()
	page, next, err := session.Sessions(ctx, s.engine, owner, token, after, limit)
	s.record(ctx, start, err, Event{Op: Sessions})
	return page, next, err
}

// EndSession implements [session.OwnerLister].
func (s *Store) EndSession(ctx context.Context, owner, id string) error {
	start := time.Now()
	err := session.EndSession(ctx, s.engine, owner, id)
	s.record(ctx, start, err, Event{Op: EndSession})
	return err
}

// ForCookie implements [session.CookieNamer]. The Store that it returns has the
// same recorders.
func (s *Store) ForCookie(name string) (session.SessionStore, error) {
	engine, err := session.ForCookie(s.engine, name)
	if err != nil {
		return nil, err
	}
	return &Store{engine: engine, recorders: s.recorders}, nil
}

// Changes implements [session.ChangeTeller]. It is not recorded.
func (s *Store) Changes() (session.ChangeFeed, error) { return session.Changes(s.engine) }

// EndAllSessions implements [session.AllEnder].
func (s *Store) EndAllSessions(ctx context.Context) (int64, error) {
	start := time.Now()
	n, err := session.EndAllSessions(ctx, s.engine)
	s.record(ctx, start, err, Event{Op: EndAllSessions, Deleted: max(0, n)})
	return n, err
}

// Traits implements [session.TraitsTeller]. It is what the engine says, if it says
// anything; of one that does not, nothing but its methods is known here either.
func (s *Store) Traits() session.Traits {
	t, _ := session.TraitsOf(s.engine)
	return t
}

// String keeps the engine out of what fmt prints.
func (s *Store) String() string { return fmt.Sprintf("metrics.Store(%T)", s.engine) }
