package storetest

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func testConformance(t *testing.T, b Backend) {
	type where struct {
		place string
		opts  dbstore.Options
	}
	var stores sync.Map // of where they are
	f := b.Features()
	f.Peer = func(t *testing.T, store session.SessionStore) session.SessionStore {
		at, _ := stores.Load(store)
		w := at.(where)
		return b.storeAt(t, w.place, w.opts)
	}
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		w := where{b.Place(t), dbstore.Options{Table: newTable()}}
		store := b.storeAt(t, w.place, w.opts)
		stores.Store(store, w)
		return store
	}, f)
}

func testRandom(t *testing.T, b Backend) {
	ops := 2000
	if !b.Bubble {
		ops = 300
	}
	if testing.Short() {
		ops /= 3
	}
	sessiontest.RunRandom(t, 0, ops,
		sessiontest.Subject{
			Name:     "model",
			New:      func(*testing.T) session.SessionStore { return sessiontest.NewMemory() },
			Features: sessiontest.MemoryFeatures(),
		},
		sessiontest.Subject{
			Name:     b.Dialect.String(),
			New:      func(t *testing.T) session.SessionStore { return b.store(t, dbstore.Options{}) },
			Features: b.Features(),
		})
}

// testStatements counts what each operation sends once its statements are
// prepared.
func testStatements(t *testing.T, b Backend) {
	var calls Calls
	store := b.wrapped(t, b.Place(t), dbstore.Options{Table: newTable()}, calls.Wrap)
	ctx := context.Background()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var token string
	var rec, stale *session.Record
	steps := []struct {
		name string
		want int64
		do   func()
	}{
		{"load with a malformed token", 0, func() { store.Load(ctx, "malformed") }},
		{"save with a malformed token", 0, func() { store.Save(ctx, "malformed", record(`{}`)) }},
		{"delete with a malformed token", 0, func() { must(store.Delete(ctx, "malformed")) }},
		{"create", 1, func() { rec = record(`{"n":0}`); token = create(t, store, rec) }},
		{"load", 1, func() { stale = load(t, store, token) }},
		{"load of a session that is not there", 1, func() { store.Load(ctx, strings.Repeat("0", 32)) }},
		{"save", 1, func() {
			rec.Data = []byte(`{"n":1}`)
			_, err := store.Save(ctx, token, rec)
			must(err)
		}},
		{"save of a stale record", 2, func() { store.Save(ctx, token, stale) }},
		{"touch", 1, func() {
			rec.Expires = rec.Expires.Add(time.Second)
			must(store.Touch(ctx, token, rec))
		}},
		{"renew", 1, func() {
			var err error
			token, err = store.Renew(ctx, token, rec)
			must(err)
		}},
		{"delete", 1, func() { must(store.Delete(ctx, token)) }},
		{"delete of an unchanged session", 1, func() {
			rec := record(`{}`)
			token := create(t, store, rec)
			calls.Statements.Store(0)
			must(store.DeleteUnchanged(ctx, token, rec))
		}},
	}
	for _, warm := range []bool{false, true} {
		for _, step := range steps {
			calls.Statements.Store(0)
			calls.Others.Store(0)
			step.do()
			if got := calls.Statements.Load(); got != step.want {
				t.Errorf("%s: %d statements, want %d", step.name, got, step.want)
			}
			if got := calls.Others.Load(); warm && got != 0 {
				t.Errorf("%s: %d round trips besides the statements, want none", step.name, got)
			}
		}
	}
}

// testExactComparison saves over a state that differs from what was loaded only
// in what some collations take for no difference.
func testExactComparison(t *testing.T, b Backend) {
	store := b.store(t, dbstore.Options{})
	ctx := context.Background()
	for _, tc := range []struct{ name, loaded, stored string }{
		{"letter case", `{"a":"b"}`, `{"a":"B"}`},
		{"a space at the end", `{"a":1}`, `{"a":1} `},
		{"an accent", `{"a":"e"}`, `{"a":"é"}`},
		{"composed and decomposed", "{\"a\":\"\u00e9\"}", "{\"a\":\"e\u0301\"}"},
		{"full and half width", `{"a":"ａ"}`, `{"a":"a"}`},
		{"an emoji", `{"a":"🍣"}`, `{"a":"🍺"}`},
		{"a character without weight", "{\"a\":\"\u200d\"}", `{"a":""}`},
		{"nothing", ``, ` `},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := create(t, store, record(tc.loaded))
			mine, theirs := load(t, store, token), load(t, store, token)
			if string(mine.Data) != tc.loaded {
				t.Fatalf("loaded %+q, want %+q", mine.Data, tc.loaded)
			}
			theirs.Data = []byte(tc.stored)
			if _, err := store.Save(ctx, token, theirs); err != nil {
				t.Fatalf("Save: %v", err)
			}
			mine.Data = []byte(`{"lost":true}`)
			if _, err := store.Save(ctx, token, mine); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Save over it: %v, want %v", err, session.ErrConflict)
			}
			if _, err := store.Renew(ctx, token, mine); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Renew over it: %v, want %v", err, session.ErrConflict)
			}
			if err := store.Touch(ctx, token, mine); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Touch over it: %v, want %v", err, session.ErrConflict)
			}
			if got := load(t, store, token).Data; string(got) != tc.stored {
				t.Errorf("stored is %+q, want %+q", got, tc.stored)
			}
		})
	}
}

// testStoredKey reads the table as a thief would.
func testStoredKey(t *testing.T, b Backend) {
	place, opts := b.Place(t), dbstore.Options{Table: newTable()}
	store := b.storeAt(t, place, opts)
	token := create(t, store, record(`{}`))
	var key string
	if err := b.db(t, place).QueryRow("SELECT session_key FROM " + opts.Table).Scan(&key); err != nil {
		t.Fatal(err)
	}
	if len(key) != 40 || strings.Trim(key, "0123456789abcdefghijklmnopqrstuv") != "" {
		t.Errorf("the stored key is not 40 digits of base32hex: %q", key)
	}
	if strings.Contains(key, token) || strings.Contains(token, key) {
		t.Error("the stored key shows the token")
	}
	// What an attacker would present: the key, and its first 32 characters,
	// which look like a token.
	for _, stolen := range []string{key, key[:32]} {
		if _, err := store.Load(context.Background(), stolen); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load with what the table shows: %v, want %v", err, session.ErrNotFound)
		}
	}
}

// testTakenKey makes the store draw the same token twice.
func testTakenKey(t *testing.T, b Backend) {
	store := b.store(t, dbstore.Options{})
	ctx := context.Background()
	cryptotest.SetGlobalRandom(t, 1)
	taken := create(t, store, record(`{"n":1}`))
	if again := load(t, store, taken); string(again.Data) != `{"n":1}` {
		t.Fatalf("loaded %s", again.Data)
	}

	cryptotest.SetGlobalRandom(t, 1)
	other := create(t, store, record(`{"n":2}`))
	if other == taken {
		t.Fatal("a new session took over the token of another one")
	}
	cryptotest.SetGlobalRandom(t, 1)
	rec := load(t, store, other)
	renewed, err := store.Renew(ctx, other, rec)
	if err != nil {
		t.Fatalf("Renew: %v", err)
	}
	for token, want := range map[string]string{taken: `{"n":1}`, renewed: `{"n":2}`} {
		if got := load(t, store, token).Data; string(got) != want {
			t.Errorf("loaded %s, want %s", got, want)
		}
	}
}

// testErrors looks for secrets in the errors of statements that fail, and
// checks that they fail.
func testErrors(t *testing.T, b Backend) {
	ctx := context.Background()
	const secret = "hunter2"
	place, opts := b.Place(t), dbstore.Options{Table: newTable()}
	db := b.db(t, place)
	var errs []error
	try := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("no error")
		}
		errs = append(errs, err)
	}

	// No table.
	store, err := b.on(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	_, err = store.Save(ctx, "", record(`{"password":"`+secret+`"}`))
	try(err)
	if !strings.Contains(err.Error(), "Migrate") {
		t.Errorf("without the table: %v; want a hint", err)
	}

	// Every key is taken.
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	cryptotest.SetGlobalRandom(t, 1)
	tokens := []string{create(t, store, record(`{}`)), create(t, store, record(`{}`)), create(t, store, record(`{}`))}
	cryptotest.SetGlobalRandom(t, 1)
	_, err = store.Save(ctx, "", record(`{"password":"`+secret+`"}`))
	try(err)

	// Text that is no text, where the database cares.
	rec := record("{\"password\":\"" + secret + "\xff\xfe\"}")
	if token, err := store.Save(ctx, "", rec); err != nil {
		errs = append(errs, err)
	} else {
		tokens = append(tokens, token)
	}

	// Columns that are too small or forbidden.
	narrow := newTable()
	mustExec(t, db, "CREATE TABLE "+narrow+" (session_key varchar(40) PRIMARY KEY, session_data varchar(8) CHECK"+
		" (length(session_data) < 9), expire_date "+
		map[dbstore.Dialect]string{dbstore.SQLite: "datetime", dbstore.Postgres: "timestamptz",
			dbstore.MySQL: "datetime(6)"}[b.Dialect]+")")
	store, err = b.on(db, dbstore.Options{Table: narrow})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	_, err = store.Save(ctx, "", record(`{"password":"`+secret+`"}`))
	try(err)

	// A column that is not there.
	_, err = db.Exec("ALTER TABLE " + narrow + " DROP COLUMN expire_date")
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Save(ctx, "", record(`{"password":"`+secret+`"}`))
	try(err)
	try(store.Migrate(ctx))

	var keys []string
	rows, err := db.Query("SELECT session_key FROM " + opts.Table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	secrets := append(append([]string{secret, hex.EncodeToString([]byte(secret))}, tokens...), keys...)
	for _, err := range errs {
		for each := err; each != nil; each = errors.Unwrap(each) {
			for _, text := range []string{each.Error(), fmt.Sprintf("%+v", each)} {
				for _, s := range secrets {
					if strings.Contains(text, s) {
						t.Errorf("an error shows a secret: %s", text)
					}
				}
			}
		}
		if !strings.HasPrefix(err.Error(), "dbstore: ") {
			t.Errorf("an error without the package's name: %v", err)
		}
	}
}

// testRetry makes the database reject statements that are to be tried again.
func testRetry(t *testing.T, b Backend) {
	var fail atomic.Int64
	calls := Calls{Fail: func(string) error {
		if fail.Add(-1) >= 0 {
			return b.Conflict
		}
		return nil
	}}
	store := b.wrapped(t, b.Place(t), dbstore.Options{Table: newTable(), Timeout: 5 * time.Second}, calls.Wrap)
	ctx := context.Background()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	fail.Store(3)
	rec := record(`{"n":1}`)
	token := create(t, store, rec)
	fail.Store(3)
	rec = load(t, store, token)
	fail.Store(3)
	rec.Data = []byte(`{"n":2}`)
	if _, err := store.Save(ctx, token, rec); err != nil {
		t.Errorf("Save: %v", err)
	}
	fail.Store(3)
	if _, err := store.DeleteExpired(ctx); err != nil {
		t.Errorf("DeleteExpired: %v", err)
	}

	// Trying ends with the context, and then nothing has been saved.
	fail.Store(1 << 40)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	rec.Data = []byte(`{"n":3}`)
	if _, err := store.Save(short, token, rec); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Save with a context that ends: %v, want %v", err, context.DeadlineExceeded)
	}
	fail.Store(0)
	if got := load(t, store, token).Data; string(got) != `{"n":2}` {
		t.Errorf("loaded %s, want what was acknowledged", got)
	}

	// Errors of other kinds are not tried again.
	broken := errors.New("the disk is broken")
	calls.Fail = func(string) error { fail.Add(1); return broken }
	fail.Store(0)
	if _, err := store.Save(ctx, token, rec); !errors.Is(err, broken) || fail.Load() != 1 {
		t.Errorf("Save: %v after %d attempts, want 1", err, fail.Load())
	}
}

// testEncoding stores the text reversed.
func testEncoding(t *testing.T, b Backend) {
	place, table := b.Place(t), newTable()
	store := b.storeAt(t, place, dbstore.Options{Table: table, Encoding: reversed{}})
	ctx := context.Background()
	token := create(t, store, record(`{"n":1}`))
	var text string
	if err := b.db(t, place).QueryRow("SELECT session_data FROM " + table).Scan(&text); err != nil ||
		text != `}1:"n"{` {
		t.Errorf("stored is %q, %v", text, err)
	}
	rec := load(t, store, token)
	if string(rec.Data) != `{"n":1}` {
		t.Errorf("loaded %s", rec.Data)
	}
	rec.Data = []byte(`{"n":2}`)
	if _, err := store.Save(ctx, token, rec); err != nil {
		t.Errorf("Save: %v", err)
	}
	if err := store.Touch(ctx, token, rec); err != nil {
		t.Errorf("Touch after Save: %v", err)
	}
	rec.Data = nil
	if _, err := store.Save(ctx, token, rec); !errors.Is(err, errEncoding) {
		t.Errorf("Save of what cannot be encoded: %v, want %v", err, errEncoding)
	}

	mustExec(t, b.db(t, place), "UPDATE "+table+" SET session_data = 'forged'")
	_, err := store.Load(ctx, token)
	if !errors.Is(err, session.ErrInvalidToken) || !errors.Is(err, errEncoding) {
		t.Errorf("Load of a text that is not genuine: %v, want %v", err, session.ErrInvalidToken)
	}
}

// reversed is an encoding that can tell forgeries.
type reversed struct{}

var errEncoding = errors.New("no encoding")

func (reversed) Encode(data []byte) (string, error) {
	if len(data) == 0 {
		return "", errEncoding
	}
	data = bytes.Clone(data)
	for i, j := 0, len(data)-1; i < j; i, j = i+1, j-1 {
		data[i], data[j] = data[j], data[i]
	}
	return string(data), nil
}

func (r reversed) Decode(text string) ([]byte, error) {
	if !strings.HasPrefix(text, "}") {
		return nil, errEncoding
	}
	data, err := r.Encode([]byte(text))
	return []byte(data), err
}

// testNoPrepare does without prepared statements of database/sql.
func testNoPrepare(t *testing.T, b Backend) {
	var calls Calls
	store := b.wrapped(t, b.Place(t), dbstore.Options{Table: newTable(), NoPrepare: true}, calls.Wrap)
	ctx := context.Background()
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	rec := record(`{"n":1}`)
	token := create(t, store, rec)
	rec.Data = []byte(`{"n":2}`)
	if _, err := store.Save(ctx, token, rec); err != nil {
		t.Fatal(err)
	}
	if got := load(t, store, token).Data; string(got) != `{"n":2}` {
		t.Errorf("loaded %s", got)
	}
}

// testForeignPool closes a store on a pool that belongs to somebody else.
func testForeignPool(t *testing.T, b Backend) {
	place := b.Place(t)
	db := b.db(t, place)
	store, err := b.on(db, dbstore.Options{Table: newTable()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	token := create(t, store, record(`{}`))
	load(t, store, token)
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if _, err := store.Load(context.Background(), token); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Load after Close: %v, want %v", err, session.ErrClosed)
	}
	if err := store.Migrate(context.Background()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Migrate after Close: %v, want %v", err, session.ErrClosed)
	}
	if err := store.StartCleanup(context.Background(), 0); !errors.Is(err, session.ErrClosed) {
		t.Errorf("StartCleanup after Close: %v, want %v", err, session.ErrClosed)
	}
	if err := db.Ping(); err != nil {
		t.Errorf("the application's pool after Close: %v", err)
	}
}

// testCloseWaits closes a store in the middle of a statement.
func testCloseWaits(t *testing.T, b Backend) {
	var reached, resume chan struct{}
	calls := Calls{Before: func(string, []driver.NamedValue) {
		if reached != nil {
			close(reached)
			<-resume
		}
	}}
	store := b.wrapped(t, b.Place(t), dbstore.Options{Table: newTable()}, calls.Wrap)
	if err := store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	token := create(t, store, record(`{}`))
	reached, resume = make(chan struct{}), make(chan struct{})
	loaded, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := store.Load(context.Background(), token)
		loaded <- err
	}()
	<-reached
	go func() { closed <- store.Close() }()
	select {
	case err := <-closed:
		t.Errorf("Close did not wait for the statement: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(resume)
	if err := <-loaded; err != nil {
		t.Errorf("Load that had begun before Close: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}
