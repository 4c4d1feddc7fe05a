package load

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sessionengine/bench"
	"sessionengine/dbstore"
	"sessionengine/dbstore/postgres"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// An Engine is one whose database, if it has one, can be put at a distance.
type Engine struct {
	bench.Engine

	// Away sets up a site whose database is so far away, as a round trip. It is
	// nil for an engine without a database.
	Away func(ctx context.Context, dir string, roundTrip time.Duration) (bench.Site, error)

	// Added returns how long a round trip to a database that far away really
	// is, over what it takes on the same machine. Nil takes Away at its word.
	Added func(ctx context.Context, roundTrip time.Duration) (time.Duration, error)

	// Distance says how Away makes the distance, for the results.
	Distance string
}

// probes is how many round trips Added is the median of.
const probes = 25

// Local returns an engine without a database: a cookie engine.
func Local(e bench.Engine) Engine { return Engine{Engine: e} }

// Waiting returns dbstore on an SQLite file, as the engine of that name in
// package bench, at a distance that is only waited for: the store waits a round
// trip in each of its operations, which are one statement each. It is for
// machines without a database server.
func Waiting() (Engine, error) {
	engines, err := bench.EnginesNamed("dbstore")
	if err != nil {
		return Engine{}, err
	}
	away := func(ctx context.Context, dir string, roundTrip time.Duration) (bench.Site, error) {
		store, err := sqlite.Open(ctx, filepath.Join(dir, "sessions.db"), sqlite.Options{})
		if err != nil {
			return nil, err
		}
		w := &waitingStore{Store: store, roundTrip: roundTrip}
		return bench.NewSite(w, w.Close)
	}
	added := func(ctx context.Context, roundTrip time.Duration) (time.Duration, error) {
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
	return Engine{Engine: engines[0], Away: away, Added: added, Distance: "wait"}, nil
}

// A waitingStore is a store whose database seems to be far away.
type waitingStore struct {
	*dbstore.Store
	roundTrip time.Duration

	mu   sync.Mutex
	idle []*sleeper
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

// Postgres returns dbstore on a PostgreSQL database, reached through a link when
// it is put at a distance. The database is given by a URL with a host; its
// sslmode may not be verify-full, since a link has another address. Each site
// has a table of its own there, and drops it when it is closed.
func Postgres(name, databaseURL string, e Emulation) (Engine, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Hostname() == "" {
		// The URL may have a password in it.
		return Engine{}, errors.New("load: the database is not a URL with a host")
	}
	u.Host = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "5432"))
	engine := Engine{Distance: string(e)}
	engine.Name = name
	engine.Open = func(ctx context.Context, _ string, count *bench.Counter) (bench.Site, error) {
		return openPostgres(ctx, u, count, nil)
	}
	engine.Away = func(ctx context.Context, _ string, roundTrip time.Duration) (bench.Site, error) {
		path, err := Link{RoundTrip: roundTrip}.Open(ctx, e, u.Host)
		if err != nil {
			return nil, err
		}
		far := *u
		far.Host = path.Addr
		site, err := openPostgres(ctx, &far, nil, path.Close)
		if err != nil {
			return nil, errors.Join(err, path.Close())
		}
		return site, nil
	}
	engine.Added = func(ctx context.Context, roundTrip time.Duration) (time.Duration, error) {
		return Link{RoundTrip: roundTrip}.Added(ctx, e, probes)
	}
	return engine, nil
}

// openPostgres opens a site, which calls after, unless that is nil, when it has
// been closed.
func openPostgres(ctx context.Context, u *url.URL, count *bench.Counter, after func() error) (bench.Site, error) {
	table := "sessionengine_" + strings.ToLower(rand.Text())
	opts := dbstore.Options{Table: table}
	store, err := postgres.Open(ctx, u.String(), postgres.Options{Options: opts})
	if err != nil {
		return nil, err
	}
	closeAll := func() error {
		err := errors.Join(store.Close(), dropTable(u, table))
		if after != nil {
			err = errors.Join(err, after())
		}
		return err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, store.Close(), dropTable(u, table))
	}
	if count == nil {
		return bench.NewSite(store, closeAll)
	}
	db, err := count.OpenDB("pgx", u.String())
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	opts.OwnDB, opts.NoPrepare = true, true // as package postgres has them
	counted, err := dbstore.New(db, dbstore.Postgres, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close(), closeAll())
	}
	return bench.NewSite(counted, func() error { return errors.Join(counted.Close(), closeAll()) })
}

// dropTable drops a table, whatever has become of the context that the site was
// opened with.
func dropTable(u *url.URL, table string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
		return fmt.Errorf("load: drop table %s: %w", table, err)
	}
	return nil
}
