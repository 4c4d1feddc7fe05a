package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// RunFaults runs the tests that break a server, or the connections to it.
func RunFaults(t *testing.T, b Backend, server *testserver.Server) {
	f := faults{b, server}
	t.Run("one round trip for each operation", f.testRoundTrips)
	t.Run("a server that is killed loses no acknowledged save", f.testKill)
	t.Run("connections that the server has closed are not used", f.testIdle)
	t.Run("a cut connection loses no acknowledged save", f.testCut)
	t.Run("a server that does not answer is given up", f.testSilence)
	t.Run("a connection that was slow is used again", f.testSlow)
}

// RunFailover lets 16 writers save some thousand times. fail, which is called
// while they do, takes the server away that they use. No acknowledged save may be
// lost, and saving has to go on with another server.
func RunFailover(t *testing.T, b Backend, fail func()) {
	saves := 10000
	if testing.Short() {
		saves = 1000
	}
	b.failWhileSaving(t, saves, 1, fail)
}

type faults struct {
	Backend
	server *testserver.Server
}

// proxied opens a store on a table of its own through a proxy.
func (f faults) proxied(t *testing.T, opts dbstore.Options) (*dbstore.Store, *testserver.Proxy) {
	t.Helper()
	place := f.Place(t)
	proxy := testserver.NewProxy(t, f.server.Addr)
	opts.Table = newTable()
	return f.storeAt(t, strings.Replace(place, f.server.Addr, proxy.Addr, 1), opts), proxy
}

// testRoundTrips counts on the network what testStatements counts in front of
// the driver.
func (f faults) testRoundTrips(t *testing.T) {
	store, proxy := f.proxied(t, dbstore.Options{})
	ctx := context.Background()
	var rec *session.Record
	var token string
	steps := []struct {
		name string
		want int64
		do   func() error
	}{
		{"load with a malformed token", 0, func() error { store.Load(ctx, "malformed"); return nil }},
		{"create", 1, func() (err error) { rec = record(`{}`); token, err = store.Save(ctx, "", rec); return err }},
		{"load", 1, func() (err error) { rec, err = store.Load(ctx, token); return err }},
		{"save", 1, func() error { rec.Data = []byte(`{"n":1}`); _, err := store.Save(ctx, token, rec); return err }},
		{"touch", 1, func() error { return store.Touch(ctx, token, rec) }},
		{"renew", 1, func() (err error) { token, err = store.Renew(ctx, token, rec); return err }},
		{"delete", 1, func() error { return store.Delete(ctx, token) }},
	}
	for _, warm := range []bool{false, true} {
		for _, step := range steps {
			before := proxy.RoundTrips()
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if got := proxy.RoundTrips() - before; warm && got != step.want {
				t.Errorf("%s: %d round trips, want %d", step.name, got, step.want)
			}
		}
	}
}

// A writer saves one session again and again, and knows what has to be there.
type writer struct {
	store *dbstore.Store
	token string
	rec   *session.Record
	saves int // acknowledged
}

// save saves the number n. If that fails, the session has to hold n, or what it
// held before, and may not seem to be gone.
func (w *writer) save(ctx context.Context, n int) error {
	before := string(w.rec.Data)
	w.rec.Data = strconv.AppendInt(nil, int64(n), 10)
	_, err := w.store.Save(ctx, w.token, w.rec)
	if err == nil {
		w.saves++
		return nil
	}
	if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrGone) || errors.Is(err, session.ErrConflict) {
		return fmt.Errorf("a failure of the server is reported as one of the session: %w", err)
	}
	for ctx.Err() == nil {
		rec, err := w.store.Load(ctx, w.token)
		if err == nil {
			if got := string(rec.Data); got != before && got != strconv.Itoa(n) {
				return fmt.Errorf("after %s was acknowledged, and %d was not, there is %s", before, n, got)
			}
			w.rec = rec
			return nil
		}
		if errors.Is(err, session.ErrNotFound) {
			return fmt.Errorf("a failure of the server logs the visitor out: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ctx.Err()
}

// write lets writers save until each has seen want acknowledgements, and checks
// what there is in the end. progress counts acknowledgements; it stays 0 until
// the sessions of all are there.
func write(t *testing.T, ctx context.Context, stores []*dbstore.Store, writers, want int, progress *atomic.Int64) {
	t.Helper()
	var all []*writer
	for i := range writers {
		w := &writer{store: stores[i%len(stores)], rec: record("0")}
		w.token = create(t, w.store, w.rec)
		all = append(all, w)
	}
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() {
			for n := 1; w.saves < want; n++ {
				saves := w.saves
				if err := w.save(ctx, n); err != nil {
					t.Error(err)
					return
				}
				progress.Add(int64(w.saves - saves))
			}
			for ctx.Err() == nil {
				rec, err := w.store.Load(ctx, w.token)
				if err == nil && string(rec.Data) != string(w.rec.Data) || errors.Is(err, session.ErrNotFound) {
					t.Errorf("the last acknowledged save is not there: %v", err)
				}
				if err == nil {
					return
				}
			}
			t.Error(ctx.Err())
		})
	}
	wg.Wait()
}

func (f faults) testKill(t *testing.T) {
	saves, kills := 10000, 4
	if testing.Short() {
		saves, kills = 1000, 1
	}
	f.failWhileSaving(t, saves, kills, func() {
		f.server.Kill(t)
		f.server.Restart(t)
	})
}

// failWhileSaving calls fail that often while that many saves are made.
func (b Backend) failWhileSaving(t *testing.T, saves, times int, fail func()) {
	const writers = 16
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	store := b.store(t, dbstore.Options{})
	var progress atomic.Int64
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		write(t, ctx, []*dbstore.Store{store}, writers, saves/writers, &progress)
	}()
	for i := range times {
		for progress.Load() < int64(saves*(i+1)/(times+1)) && ctx.Err() == nil {
			select {
			case <-done:
				t.Fatal("the writers were done before the server failed")
			case <-time.After(time.Millisecond):
			}
		}
		fail()
	}
	<-done
}

// testIdle lets the server go away while the pool holds connections to it.
func (f faults) testIdle(t *testing.T) {
	store := f.store(t, dbstore.Options{})
	token := create(t, store, record(`{}`))
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { store.Load(ctx, token) })
	}
	wg.Wait()
	f.server.Kill(t)
	f.server.Restart(t)
	for range 8 {
		if _, err := store.Load(ctx, token); err != nil {
			t.Fatalf("Load after a restart: %v", err)
		}
	}
}

func (f faults) testCut(t *testing.T) {
	const writers = 8
	saves := 2000
	if testing.Short() {
		saves = 400
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	store, proxy := f.proxied(t, dbstore.Options{})
	var progress, cuts atomic.Int64
	// The connection holds until the sessions are there.
	go func() {
		for progress.Load() == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		proxy.SetFilter(func(bool, []byte) bool {
			if rand.IntN(saves/20) > 0 {
				return false
			}
			cuts.Add(1)
			return true
		})
	}()
	write(t, ctx, []*dbstore.Store{store}, writers, saves/writers, &progress)
	if cuts.Load() < 5 {
		t.Errorf("only %d connections were cut", cuts.Load())
	}
}

func (f faults) testSilence(t *testing.T) {
	store, proxy := f.proxied(t, dbstore.Options{Timeout: 500 * time.Millisecond})
	ctx := t.Context()
	rec := record(`{}`)
	token := create(t, store, rec)
	silence := make(chan struct{})
	proxy.SetFilter(func(bool, []byte) bool { <-silence; return true })
	if _, err := store.Load(ctx, token); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load: %v, want %v", err, context.DeadlineExceeded)
	}
	rec.Data = []byte(`{"n":1}`)
	if _, err := store.Save(ctx, token, rec); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Save: %v, want %v", err, context.DeadlineExceeded)
	}
	close(silence)
	proxy.SetFilter(nil)
	for range 100 {
		if _, err := store.Load(ctx, token); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the store does not recover")
}

// testSlow saves a large session over a connection so slow that a driver may
// write in the background.
func (f faults) testSlow(t *testing.T) {
	store, proxy := f.proxied(t, dbstore.Options{MaxBytes: 16 << 20})
	proxy.SetFilter(func(toServer bool, data []byte) bool {
		if toServer && len(data) > 10000 {
			time.Sleep(5 * time.Millisecond)
		}
		return false
	})
	large := `"` + strings.Repeat("x", 8<<20) + `"`
	token := create(t, store, record(large))
	for range 3 {
		rec := load(t, store, token)
		if string(rec.Data) != large {
			t.Fatalf("loaded %d bytes, want %d", len(rec.Data), len(large))
		}
	}
}
