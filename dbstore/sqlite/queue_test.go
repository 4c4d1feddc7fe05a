package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/session"
)

// queue is a store whose writes can be held up, in a synctest bubble.
type queue struct {
	*dbstore.Store
	calls storetest.Calls
	hold  chan struct{} // what a write waits for
}

func newQueue(t *testing.T) *queue {
	q := &queue{hold: make(chan struct{})}
	q.calls.Before = func(query string, _ []driver.NamedValue) {
		if !strings.HasPrefix(query, "SELECT") {
			<-q.hold
		}
	}
	db := sql.OpenDB(q.calls.Wrap(backend.Connector(t, filepath.Join(t.TempDir(), "sessions.db"))))
	db.SetMaxOpenConns(1)
	store, err := dbstore.New(db, dbstore.SQLite, dbstore.Options{OwnDB: true})
	if err != nil {
		t.Fatal(err)
	}
	q.Store = store
	close(q.hold)
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return q
}

// fill lets a write begin and be held up, and queues others behind it in their
// order. It returns how they ended, once release is called.
func (q *queue) fill(writes ...func() error) (release func() []error) {
	q.hold = make(chan struct{})
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	for i, write := range writes {
		wg.Go(func() { errs[i] = write() })
		synctest.Wait()
	}
	q.calls.Statements.Store(0)
	q.calls.Others.Store(0)
	return func() []error {
		close(q.hold)
		wg.Wait()
		return errs
	}
}

func TestWritesThatWaitShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		defer q.Close()
		tokens, recs := make([]string, 5), make([]*session.Record, 5)
		for i := range tokens {
			recs[i] = newRecord("0")
			tokens[i] = mustSave(t, q.Store, "", recs[i])
		}
		save := func(ctx context.Context, i int, version string) func() error {
			return func() error {
				rec := *recs[i]
				rec.Data = []byte("1")
				if version != "" {
					rec.Version = version
				}
				_, err := q.Save(ctx, tokens[i], &rec)
				return err
			}
		}
		ctx := context.Background()
		cancelled, cancel := context.WithCancel(ctx)
		// Prepare the statements.
		save(ctx, 4, "")()
		q.Load(ctx, tokens[4])
		q.Delete(ctx, strings.Repeat("0", 32))
		release := q.fill(
			save(ctx, 0, ""),
			save(ctx, 1, ""),
			save(cancelled, 2, ""),
			save(ctx, 3, "stale"),
			func() error { return q.Delete(ctx, tokens[4]) },
		)
		cancel()
		synctest.Wait()
		errs := release()
		for i, want := range []error{nil, nil, context.Canceled, session.ErrConflict, nil} {
			if !errors.Is(errs[i], want) {
				t.Errorf("write %d: %v, want %v", i, errs[i], want)
			}
		}
		// One transaction was begun and committed.
		if n := q.calls.Others.Load(); n != 2 {
			t.Errorf("%d statements besides the writes, want 2", n)
		}
		for i, want := range []string{"1", "1", "0", "0"} {
			if rec, err := q.Load(ctx, tokens[i]); err != nil || string(rec.Data) != want {
				t.Errorf("session %d holds %s, %v; want %s", i, rec.Data, err, want)
			}
		}
		if _, err := q.Load(ctx, tokens[4]); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load of a deleted session: %v, want %v", err, session.ErrNotFound)
		}
	})
}

func TestAWriteThatFailsDoesNotConcernTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		defer q.Close()
		ctx := context.Background()
		rec := newRecord("0")
		token := mustSave(t, q.Store, "", rec)
		broken := errors.New("broken")
		var writes []func() error
		for i := range 4 {
			writes = append(writes, func() error {
				_, err := q.Save(ctx, "", newRecord(fmt.Sprint(i)))
				return err
			})
		}
		writes = append(writes, func() error { return q.Delete(ctx, token) })
		release := q.fill(writes...)
		q.calls.Fail = func(query string) error {
			if strings.HasPrefix(query, "DELETE") {
				return broken
			}
			return nil
		}
		errs := release()
		for i, want := range []error{nil, nil, nil, nil, broken} {
			if !errors.Is(errs[i], want) {
				t.Errorf("write %d: %v, want %v", i, errs[i], want)
			}
		}
		if _, err := q.Load(ctx, token); err != nil {
			t.Errorf("Load of the session that was not deleted: %v", err)
		}
	})
}

// Beside the store's queue, writes of another store on the same file are
// waited for.
func TestTwoStoresOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	stores := []*dbstore.Store{backend.Open(t, path, dbstore.Options{}), backend.Open(t, path, dbstore.Options{})}
	token := mustSave(t, stores[0], "", newRecord("0"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := storetest.Increment(ctx, stores[i%2], token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rec, err := stores[0].Load(ctx, token)
	if want := fmt.Sprint(8 * storetest.Increments); err != nil || string(rec.Data) != want {
		t.Errorf("the session holds %s, %v; want %s", rec.Data, err, want)
	}
}
