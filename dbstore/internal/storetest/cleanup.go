package storetest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// fill puts rows into a table, n in all, every other one of them expired: the
// odd ones.
func fill(t testing.TB, b Backend, place, table string, n int) {
	t.Helper()
	db := b.db(t, place)
	live, dead := time.Now().UTC().Add(time.Hour), time.Now().UTC().Add(-24*time.Hour)
	const batch = 1000
	for first := 0; first < n; first += batch {
		var rows []string
		for i := first; i < min(first+batch, n); i++ {
			expires := live
			if i%2 == 1 {
				expires = dead.Add(time.Duration(i) * time.Millisecond)
			}
			rows = append(rows, fmt.Sprintf("('%032d', '{}', %s)", i, b.DjangoTime(expires.Truncate(time.Microsecond))))
		}
		mustExec(t, db, "INSERT INTO "+table+" (session_key, session_data, expire_date) VALUES "+
			strings.Join(rows, ", "))
	}
}

func count(t testing.TB, b Backend, place, table string) (n int64) {
	t.Helper()
	if err := b.db(t, place).QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func testDeleteExpired(t *testing.T, b Backend) {
	place := b.Place(t)
	for _, batch := range []int{1, 7, 100, 1000} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			var calls Calls
			var deletes, largest int
			calls.Before = func(query string, _ []driver.NamedValue) {
				if strings.HasPrefix(query, "DELETE") {
					deletes++
					largest = max(largest, strings.Count(query, ",")+1)
				}
			}
			opts := dbstore.Options{Table: newTable(), CleanupBatch: batch}
			store := b.wrapped(t, place, opts, calls.Wrap)
			if err := store.Migrate(context.Background()); err != nil {
				t.Fatal(err)
			}
			fill(t, b, place, opts.Table, 200)
			n, err := store.DeleteExpired(context.Background())
			if n != 100 || err != nil {
				t.Errorf("DeleteExpired: %d, %v; want 100", n, err)
			}
			if left := count(t, b, place, opts.Table); left != 100 {
				t.Errorf("%d rows are left, want 100", left)
			}
			if largest > batch || deletes < 100/batch {
				t.Errorf("%d statements deleted up to %d rows, want at most %d each", deletes, largest, batch)
			}
		})
	}
}

// testProlonged prolongs a session, as Django may do with one that has expired,
// after the cleaner has found it.
func testProlonged(t *testing.T, b Backend) {
	place, opts := b.Place(t), dbstore.Options{Table: newTable()}
	db := b.db(t, place)
	var calls Calls
	store := b.wrapped(t, place, opts, calls.Wrap)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, b, place, opts.Table, 10)
	calls.Before = func(query string, _ []driver.NamedValue) {
		if strings.HasPrefix(query, "DELETE") {
			mustExec(t, db, fmt.Sprintf("UPDATE %s SET expire_date = %s WHERE session_key = '%032d'", opts.Table,
				b.DjangoTime(inAnHour()), 3))
		}
	}
	if n, err := store.DeleteExpired(t.Context()); n != 4 || err != nil {
		t.Errorf("DeleteExpired: %d, %v; want 4", n, err)
	}
	if left := count(t, b, place, opts.Table); left != 6 {
		t.Errorf("%d rows are left, want 6", left)
	}
}

// testCleaners runs two cleaners while requests create, prolong and end
// sessions.
func testCleaners(t *testing.T, b Backend) {
	rows := 20000
	if testing.Short() {
		rows = 2000
	}
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), RawKeys: true, CleanupBatch: 200}
	stores := []*dbstore.Store{b.storeAt(t, place, opts), b.storeAt(t, place, opts)}
	fill(t, b, place, opts.Table, rows)
	ctx := context.Background()

	var deleted, created, ended atomic.Int64
	var cleaners, requests sync.WaitGroup
	done := make(chan struct{})
	for _, store := range stores {
		cleaners.Go(func() {
			n, err := store.DeleteExpired(ctx)
			if err != nil {
				t.Errorf("DeleteExpired: %v", err)
			}
			deleted.Add(n)
		})
	}
	for i := range 4 {
		requests.Go(func() {
			store := stores[i%2]
			for n := i * 2; ; n = (n + 8) % rows {
				select {
				case <-done:
					return
				default:
				}
				token := fmt.Sprintf("%032d", n)
				rec, err := store.Load(ctx, token)
				if err != nil {
					t.Errorf("Load of a live session: %v", err)
					return
				}
				rec.Expires = inAnHour()
				if err := store.Touch(ctx, token, rec); err != nil {
					t.Errorf("Touch of a live session: %v", err)
					return
				}
				fresh, err := store.Save(ctx, "", record(`{}`))
				if err != nil {
					t.Errorf("Save: %v", err)
					return
				}
				created.Add(1)
				if n%16 == 0 {
					if err := store.Delete(ctx, fresh); err != nil {
						t.Errorf("Delete: %v", err)
						return
					}
					ended.Add(1)
				}
			}
		})
	}
	cleaners.Wait()
	close(done)
	requests.Wait()
	if n := deleted.Load(); n != int64(rows/2) {
		t.Errorf("%d rows were deleted, want %d", n, rows/2)
	}
	if got, want := count(t, b, place, opts.Table), int64(rows/2)+created.Load()-ended.Load(); got != want {
		t.Errorf("%d rows are left, want %d", got, want)
	}
	if created.Load() == 0 {
		t.Error("no request came through while the cleaners ran")
	}
}

func testStartCleanup(t *testing.T, b Backend) {
	place := b.Place(t)
	results := make(chan dbstore.CleanupResult, 100)
	var log strings.Builder
	opts := dbstore.Options{
		Table:     newTable(),
		OnCleanup: func(r dbstore.CleanupResult) { results <- r },
		Logger:    slog.New(slog.NewTextHandler(&log, nil)),
	}
	store := b.storeAt(t, place, opts)
	fill(t, b, place, opts.Table, 10)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := store.StartCleanup(ctx, -time.Second); err == nil {
		t.Error("StartCleanup with a negative interval: no error")
	}
	if err := store.StartCleanup(ctx, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := store.StartCleanup(ctx, time.Millisecond); err == nil {
		t.Error("StartCleanup twice: no error")
	}
	if r := <-results; r.Deleted != 5 || r.Err != nil {
		t.Errorf("the first pass deleted %d, %v; want 5", r.Deleted, r.Err)
	}
	mustExec(t, b.db(t, place), "DELETE FROM "+opts.Table)
	fill(t, b, place, opts.Table, 4)
	var later int64
	for later < 2 {
		r := <-results
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		later += r.Deleted
	}

	// A pass that fails is reported, and the next one comes.
	mustExec(t, b.db(t, place), "ALTER TABLE "+opts.Table+" RENAME TO "+opts.Table+"_away")
	for r := range results {
		if r.Err != nil {
			break
		}
	}
	mustExec(t, b.db(t, place), "ALTER TABLE "+opts.Table+"_away RENAME TO "+opts.Table)
	for r := range results {
		if r.Err == nil {
			break
		}
	}

	// It ends with its context, and can then be started again.
	cancel()
	for {
		err := store.StartCleanup(context.Background(), time.Millisecond)
		if err == nil {
			break
		}
		if errors.Is(err, session.ErrClosed) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for len(results) > 0 {
		<-results
	}
	time.Sleep(5 * time.Millisecond)
	if len(results) > 0 {
		t.Error("the cleanup goes on after Close")
	}
	if text := log.String(); !strings.Contains(text, "deleted=5") || !strings.Contains(text, "level=ERROR") {
		t.Errorf("the log does not tell of what was done: %s", text)
	}
}

// testIndex looks at the plans of the statements on a table that is large enough
// for an index to matter.
func testIndex(t *testing.T, b Backend) {
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), CleanupBatch: 10}
	b.storeAt(t, place, opts)
	fill(t, b, place, opts.Table, 5000)
	db := b.db(t, place)
	if b.Dialect == dbstore.MySQL {
		mustExec(t, db, "ANALYZE TABLE "+opts.Table)
	} else {
		mustExec(t, db, "ANALYZE "+opts.Table)
	}

	// Each statement that the store sends is looked at with its arguments.
	type sent struct {
		query string
		args  []any
	}
	var statements []sent
	calls := Calls{Before: func(query string, args []driver.NamedValue) {
		one := sent{query: query}
		for _, arg := range args {
			one.args = append(one.args, arg.Value)
		}
		statements = append(statements, one)
	}}
	store := b.wrapped(t, place, opts, calls.Wrap)
	ctx := context.Background()
	rec := record(`{}`)
	token := create(t, store, rec)
	load(t, store, token)
	for range 2 { // the second one fails, and asks why
		store.Renew(ctx, token, rec)
	}
	store.Touch(ctx, token, rec)
	store.Save(ctx, token, rec)
	store.DeleteUnchanged(ctx, token, rec)
	store.Delete(ctx, token)
	if _, err := store.DeleteExpired(ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if strings.HasPrefix(s.query, "INSERT") {
			continue
		}
		plan := b.explain(t, db, s.query, s.args...)
		if strings.Contains(plan, "reading const tables") || strings.Contains(plan, "in const table") {
			continue // MySQL has looked the key up to make the plan
		}
		want := b.KeyIndex
		if strings.Contains(s.query, "ORDER BY") {
			want = "_expire_date_"
		}
		if !strings.Contains(plan, want) || strings.Contains(plan, b.FullScan) {
			t.Errorf("%s\nis not done through the index %s:\n%s", s.query, want, plan)
		}
	}
}
