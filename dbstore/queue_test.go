package dbstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"sessionengine/dbstore"
	"sessionengine/dbstore/internal/storetest"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

var postgres = testserver.Postgres()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgres, syncing)) }

// held is a store on one connection, whose statements can be held up.
type held struct {
	*dbstore.Store
	calls storetest.Calls

	mu      sync.Mutex
	queries []string
	hold    chan struct{} // what a statement waits for
}

func newHeld(t *testing.T, table string) *held {
	t.Helper()
	h := &held{hold: make(chan struct{})}
	close(h.hold)
	h.calls.Before = func(query string, _ []driver.NamedValue) {
		h.mu.Lock()
		h.queries = append(h.queries, query)
		hold := h.hold
		h.mu.Unlock()
		<-hold
	}
	config, err := pgx.ParseConfig(postgres.Start(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(h.calls.Wrap(stdlib.GetConnector(*config)))
	db.SetMaxOpenConns(1)
	h.Store, err = dbstore.New(db, dbstore.Postgres, dbstore.Options{Table: table, OwnDB: true, NoPrepare: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// together runs the first write, holds it up until the others wait behind it in
// their order, calls then, and returns how the writes ended.
func (h *held) together(t *testing.T, then func(), writes ...func() error) []error {
	t.Helper()
	hold := make(chan struct{})
	h.mu.Lock()
	h.hold, h.queries = hold, nil
	h.mu.Unlock()
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	for i, write := range writes {
		wg.Go(func() { errs[i] = write() })
		for i > 0 && h.Waiting() < i {
			time.Sleep(time.Millisecond)
		}
		for i == 0 && h.sent() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	then()
	close(hold)
	wg.Wait()
	return errs
}

func (h *held) sent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queries)
}

func (h *held) create(t *testing.T, n int) (tokens []string, recs []*session.Record) {
	t.Helper()
	for range n {
		rec := &session.Record{Data: []byte("0"), Expires: time.Now().Add(time.Hour)}
		token, err := h.Save(t.Context(), "", rec)
		if err != nil {
			t.Fatal(err)
		}
		tokens, recs = append(tokens, token), append(recs, rec)
	}
	return tokens, recs
}

// save returns a write that saves n over what rec tells.
func (h *held) save(ctx context.Context, token string, rec *session.Record, n int) func() error {
	own := *rec
	return func() error {
		own.Data = fmt.Append(nil, n)
		_, err := h.Save(ctx, token, &own)
		return err
	}
}

func (h *held) want(t *testing.T, tokens []string, want ...string) {
	t.Helper()
	for i, token := range tokens {
		rec, err := h.Load(t.Context(), token)
		if want[i] == "" {
			if !errors.Is(err, session.ErrNotFound) {
				t.Errorf("session %d: %v, want %v", i, err, session.ErrNotFound)
			}
		} else if err != nil || string(rec.Data) != want[i] {
			t.Errorf("session %d holds %v, %v; want %s", i, rec, err, want[i])
		}
	}
}

func TestSavesThatWaitShareAStatement(t *testing.T) {
	h := newHeld(t, "shared")
	ctx := t.Context()
	cancelled, cancel := context.WithCancel(ctx)
	tokens, recs := h.create(t, 6)
	stale := *recs[2]
	stale.Version = "stale"
	errs := h.together(t, func() {
		cancel()
		for h.Waiting() > 6 {
			time.Sleep(time.Millisecond)
		}
	},
		h.save(ctx, tokens[0], recs[0], 1),
		h.save(ctx, tokens[1], recs[1], 1),
		h.save(ctx, tokens[2], &stale, 1),
		h.save(ctx, tokens[3], recs[3], 1),
		h.save(ctx, tokens[3], recs[3], 2), // after the one before
		h.save(cancelled, tokens[4], recs[4], 1),
		func() error { return h.Delete(ctx, tokens[5]) },
		h.save(ctx, strings.Repeat("0", 32), recs[0], 1),
	)
	for i, want := range []error{nil, nil, session.ErrConflict, nil, session.ErrConflict, context.Canceled, nil,
		session.ErrGone} {
		if !errors.Is(errs[i], want) {
			t.Errorf("write %d: %v, want %v", i, errs[i], want)
		}
	}
	updates := 0
	for _, query := range h.queries {
		if strings.HasPrefix(query, "UPDATE") {
			updates++
		}
	}
	if updates != 3 { // the first, the four that waited, and the second one of a session
		t.Errorf("%d updates, want 3: %s", updates, strings.Join(h.queries, "\n"))
	}
	h.want(t, tokens, "1", "1", "0", "1", "0", "")
}

// One save that the server refuses is found out, and the others are made.
func TestASaveThatIsRefusedDoesNotConcernTheOthers(t *testing.T) {
	h := newHeld(t, "refused")
	ctx := t.Context()
	tokens, recs := h.create(t, 4)
	refused := func() error {
		own := *recs[2]
		own.Data = []byte("not UTF-8: \xff")
		_, err := h.Save(ctx, tokens[2], &own)
		return err
	}
	errs := h.together(t, func() {}, h.save(ctx, tokens[0], recs[0], 1), h.save(ctx, tokens[1], recs[1], 1), refused,
		h.save(ctx, tokens[3], recs[3], 1))
	for i, err := range errs {
		if (err != nil) != (i == 2) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	h.want(t, tokens, "1", "1", "0", "1")
}

// When the connection breaks, nobody knows, and nothing is sent again.
func TestASharedStatementInDoubtIsNotSentAgain(t *testing.T) {
	h := newHeld(t, "doubt")
	ctx := t.Context()
	tokens, recs := h.create(t, 3)
	broken := errors.New("the connection broke")
	h.calls.Fail = func(query string) error {
		if strings.Contains(query, "RETURNING") {
			return broken
		}
		return nil
	}
	errs := h.together(t, func() {}, h.save(ctx, tokens[0], recs[0], 1), h.save(ctx, tokens[1], recs[1], 1),
		h.save(ctx, tokens[2], recs[2], 1))
	if errs[0] != nil || !errors.Is(errs[1], broken) || !errors.Is(errs[2], broken) {
		t.Errorf("the writes ended with %v, want nil and twice %v", errs, broken)
	}
	if n := len(h.queries); n != 2 {
		t.Errorf("%d statements were sent, want 2", n)
	}
}
