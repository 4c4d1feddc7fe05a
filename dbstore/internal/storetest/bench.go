package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// payload is a session as a login leaves it, of 222 bytes.
const payload = `{"_auth_user_id":"20","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
	`"_auth_user_hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",` +
	`"csrf":"Zq7vJ2kX4wP9sLd0TnEb8RyMcHf3UaGi"}`

// workers is the largest number of clients at a time.
const workers = 64

// Pools are connections with the settings of the store's own, for the floor: the
// bare statements without which an engine cannot do.
type Pools struct{ Reader, Writer *sql.DB }

// RunBenchmarks measures a request that reads a session and one that reads and
// saves it, each beside its floor in the same run, with 1, 16 and 64 clients at
// a time that have a session each.
func RunBenchmarks(b *testing.B, backend Backend, pools func(b *testing.B, place string) Pools) {
	b.Run("op=read", func(b *testing.B) {
		backend.compare(b, pools, (*client).read, (*floor).read)
	})
	b.Run("op=write", func(b *testing.B) {
		backend.compare(b, pools, (*client).write, (*floor).write)
	})
}

// rowsVariable is the environment variable with the number of rows of
// RunCleanupBenchmark, instead of 20000.
const rowsVariable = "STORETEST_ROWS"

// RunCleanupBenchmark measures requests that load and touch a session, from four
// clients, without cleaners and beside two that delete half of the table.
func RunCleanupBenchmark(b *testing.B, backend Backend) {
	rows := 20000
	if n, err := strconv.Atoi(os.Getenv(rowsVariable)); err == nil {
		rows = n
	}
	for _, cleaners := range []int{0, 2} {
		b.Run(fmt.Sprintf("op=touch/cleaners=%d/rows=%d", cleaners, rows), func(b *testing.B) {
			for range b.N { // in which all of the requests are one operation
				b.StopTimer()
				place, opts := backend.Place(b), dbstore.Options{Table: newTable(), RawKeys: true}
				store := backend.storeAt(b, place, opts)
				fill(b, backend, place, opts.Table, rows)
				b.StartTimer()
				backend.touchBesideCleaners(b, place, opts, store, cleaners, rows)
				b.StopTimer()
				if left, want := count(b, backend, place, opts.Table), int64(rows); cleaners > 0 && left != want/2 ||
					cleaners == 0 && left != want {
					b.Errorf("%d of %d rows are left", left, rows)
				}
				mustExec(b, backend.db(b, place), "DROP TABLE "+opts.Table)
				b.StartTimer()
			}
		})
	}
}

func (backend Backend) touchBesideCleaners(b *testing.B, place string, opts dbstore.Options, store *dbstore.Store,
	cleaners, rows int) {
	const clients = 4
	ctx := context.Background()
	start := time.Now()
	var cleaning, requests sync.WaitGroup
	for range cleaners {
		cleaner := backend.storeAt(b, place, opts)
		cleaning.Go(func() {
			if _, err := cleaner.DeleteExpired(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	cleaned := make(chan struct{})
	var took [clients][]time.Duration
	for i := range clients {
		requests.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-cleaned:
					return
				default:
				}
				began := time.Now()
				token := fmt.Sprintf("%032d", 2*rand.IntN(rows/2))
				rec, err := store.Load(ctx, token)
				if err == nil {
					rec.Expires = rec.Expires.Add(time.Second)
					err = store.Touch(ctx, token, rec)
				}
				// Two clients may have met at one session.
				if err != nil && !errors.Is(err, session.ErrConflict) {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	if cleaners == 0 {
		time.Sleep(2 * time.Second)
	}
	cleaning.Wait()
	if cleaners > 0 {
		b.ReportMetric(float64(rows/2)/time.Since(start).Seconds(), "deleted/s")
	}
	close(cleaned)
	requests.Wait()
	all := slices.Concat(took[:]...)
	slices.Sort(all)
	if len(all) == 0 {
		b.Fatal("no request came through")
	}
	b.ReportMetric(float64(all[len(all)/2]), "p50-ns/op")
	b.ReportMetric(float64(all[len(all)*99/100]), "p99-ns/op")
	b.ReportMetric(float64(all[len(all)-1]), "max-ns/op")
}

func (backend Backend) compare(b *testing.B, pools func(*testing.B, string) Pools,
	own func(*client, context.Context, int) error, bare func(*floor, context.Context, int) error) {
	for _, par := range []int{1, 16, workers} {
		b.Run(fmt.Sprintf("engine=dbstore/par=%d", par), func(b *testing.B) {
			c := newClient(b, backend)
			parallel(b, par, func(ctx context.Context, worker int) error { return own(c, ctx, worker) })
		})
		b.Run(fmt.Sprintf("engine=floor/par=%d", par), func(b *testing.B) {
			f := newFloor(b, backend, pools)
			parallel(b, par, func(ctx context.Context, worker int) error { return bare(f, ctx, worker) })
		})
	}
}

// parallel runs f in par goroutines, each as a worker of its own.
func parallel(b *testing.B, par int, f func(ctx context.Context, worker int) error) {
	b.ReportAllocs()
	ctx := context.Background()
	for worker := range par { // connections and statements
		if err := f(ctx, worker); err != nil {
			b.Fatal(err)
		}
	}
	if par == 1 {
		for b.Loop() {
			if err := f(ctx, 0); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	turns := make(chan struct{}, par)
	var wg sync.WaitGroup
	for worker := range par {
		wg.Go(func() {
			for range turns {
				if err := f(ctx, worker); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	wg.Wait()
}

// change changes a session without changing its length.
func change(data []byte) { data[len(data)-3] ^= 1 }

// client is the store under measurement.
type client struct {
	store  *dbstore.Store
	tokens []string
}

func newClient(b *testing.B, backend Backend) *client {
	c := &client{store: backend.store(b, dbstore.Options{})}
	for range workers {
		c.tokens = append(c.tokens, create(b, c.store, record(payload)))
	}
	return c
}

func (c *client) read(ctx context.Context, worker int) error {
	_, err := c.store.Load(ctx, c.tokens[worker])
	return err
}

func (c *client) write(ctx context.Context, worker int) error {
	rec, err := c.store.Load(ctx, c.tokens[worker])
	if err != nil {
		return err
	}
	return c.save(ctx, worker, rec)
}

func (c *client) save(ctx context.Context, worker int, rec *session.Record) error {
	change(rec.Data)
	rec.Expires = rec.Expires.Add(time.Second)
	_, err := c.store.Save(ctx, c.tokens[worker], rec)
	return err
}

// floor is a table like the store's, and the bare statements on it.
type floor struct {
	dialect          dbstore.Dialect
	selects, updates *sql.Stmt
	keys             []string
}

func newFloor(b *testing.B, backend Backend, pools func(*testing.B, string) Pools) *floor {
	place, opts := backend.Place(b), dbstore.Options{Table: newTable()}
	backend.storeAt(b, place, opts)
	p := pools(b, place)
	f := &floor{dialect: backend.Dialect}
	for i := range workers {
		f.keys = append(f.keys, fmt.Sprintf("%s%02d", strings.Repeat("k", 38), i))
		mustExec(b, p.Writer, fmt.Sprintf("INSERT INTO %s VALUES ('%s', '%s', %s)", opts.Table, f.keys[i], payload,
			backend.DjangoTime(inAnHour())))
	}
	expires, args := "expire_date", []any{"?", "?", "?"}
	switch f.dialect {
	case dbstore.SQLite:
		expires = "expire_date || ''" // keeps the driver from parsing it in every format that it knows
	case dbstore.Postgres:
		args = []any{"$1", "$2", "$3"}
	}
	var err error
	if f.selects, err = p.Reader.Prepare(fmt.Sprintf("SELECT session_data, %s FROM %s WHERE session_key = %s", expires,
		opts.Table, args[0])); err != nil {
		b.Fatal(err)
	}
	if f.updates, err = p.Writer.Prepare(fmt.Sprintf("UPDATE "+opts.Table+" SET session_data = %s, expire_date = %s"+
		" WHERE session_key = %s", args...)); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *floor) read(ctx context.Context, worker int) error {
	_, _, err := f.get(ctx, worker)
	return err
}

func (f *floor) get(ctx context.Context, worker int) (data string, expires any, err error) {
	if f.dialect == dbstore.Postgres {
		var t time.Time
		err = f.selects.QueryRowContext(ctx, f.keys[worker]).Scan(&data, &t)
		return data, t.Add(time.Second), err
	}
	var text string
	if err := f.selects.QueryRowContext(ctx, f.keys[worker]).Scan(&data, &text); err != nil {
		return "", nil, err
	}
	t, err := time.Parse(time.DateTime, text) // with or without a fraction
	return data, t.Add(time.Second).Format(time.DateTime), err
}

func (f *floor) write(ctx context.Context, worker int) error {
	text, expires, err := f.get(ctx, worker)
	if err != nil {
		return err
	}
	data := []byte(text)
	change(data)
	_, err = f.updates.ExecContext(ctx, string(data), expires, f.keys[worker])
	return err
}
