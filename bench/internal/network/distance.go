package network

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"sessionengine/bench"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// distantEngine is the name of the engine of package bench whose database can be
// put at a distance: dbstore on an SQLite file.
const distantEngine = "dbstore"

// openAway sets up a site with that engine at a distance that is only waited for:
// the store waits a round trip in each of its operations, which are one statement
// each. So it takes no database server.
func openAway(ctx context.Context, dir string, roundTrip time.Duration) (bench.Site, error) {
	store, err := sqlite.Open(ctx, filepath.Join(dir, "sessions.db"), sqlite.Options{})
	if err != nil {
		return nil, err
	}
	w := &waitingStore{Store: store, roundTrip: roundTrip}
	return bench.NewSite(w, w.Close)
}

// probes is how many round trips measureAway takes the median of.
const probes = 25

// measureAway returns how long a round trip of openAway really is.
func measureAway(ctx context.Context, roundTrip time.Duration) (time.Duration, error) {
	w := &waitingStore{roundTrip: roundTrip}
	defer w.closeIdle()
	times := make([]time.Duration, probes)
	for i := range times {
		start := time.Now()
		if err := errors.Join(ctx.Err(), w.wait()); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	return median(times), nil
}

// A waitingStore is a store whose database seems to be far away.
type waitingStore struct {
	*dbstore.Store
	roundTrip time.Duration

	mu   sync.Mutex
	idle []*sleeper
}

// ForCookie binds the store to the cookie's name. It does so in place: the site
// that it is made for has one.
func (s *waitingStore) ForCookie(name string) (session.SessionStore, error) {
	bound, err := s.Store.ForCookie(name)
	if err != nil {
		return nil, err
	}
	s.Store = bound.(*dbstore.Store)
	return s, nil
}

func (s *waitingStore) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := s.wait(); err != nil {
		return nil, err
	}
	return s.Store.Load(ctx, token)
}

func (s *waitingStore) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := s.wait(); err != nil {
		return "", err
	}
	return s.Store.Save(ctx, token, rec)
}

func (s *waitingStore) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := s.wait(); err != nil {
		return "", err
	}
	return s.Store.Renew(ctx, token, rec)
}

func (s *waitingStore) Touch(ctx context.Context, token string, rec *session.Record) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.Store.Touch(ctx, token, rec)
}

func (s *waitingStore) Delete(ctx context.Context, token string) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, token)
}

func (s *waitingStore) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if err := s.wait(); err != nil {
		return err
	}
	return s.Store.DeleteUnchanged(ctx, token, rec)
}

// wait waits for a round trip.
func (s *waitingStore) wait() error {
	end := time.Now().Add(s.roundTrip)
	clock, err := s.sleeper()
	if err != nil {
		return err
	}
	if err := clock.until(end); err != nil {
		clock.Close()
		return err
	}
	s.mu.Lock()
	s.idle = append(s.idle, clock)
	s.mu.Unlock()
	return nil
}

func (s *waitingStore) sleeper() (*sleeper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.idle) - 1; last >= 0 {
		clock := s.idle[last]
		s.idle = s.idle[:last]
		return clock, nil
	}
	return newSleeper()
}

// Close closes the store, which nothing uses any more.
func (s *waitingStore) Close() error {
	s.closeIdle()
	return s.Store.Close()
}

func (s *waitingStore) closeIdle() {
	for _, clock := range s.idle {
		clock.Close()
	}
}
