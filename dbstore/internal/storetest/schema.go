package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
)

// testDjangoTable uses a table that Django made, with rows in it as Django
// writes them.
func testDjangoTable(t *testing.T, b Backend) {
	place := b.Place(t)
	db := b.db(t, place)
	for _, statement := range b.CreateDjangoTable {
		mustExec(t, db, statement)
	}
	t.Cleanup(func() { b.db(t, place).Exec("DROP TABLE django_session") })
	store := b.storeAt(t, place, dbstore.Options{RawKeys: true})

	const key = "pu2a8e6m164eiaulneec20qc56ghn7yw"
	expires := inAnHour().Add(671946 * time.Microsecond)
	for _, row := range []struct {
		key     string
		expires time.Time
	}{
		{key, expires},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", expires.Truncate(time.Second)},
		{"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", time.Now().UTC().Add(-time.Second).Truncate(time.Microsecond)},
	} {
		mustExec(t, db, fmt.Sprintf("INSERT INTO django_session VALUES ('%s', 'eyJhIjoxfQ', %s)", row.key,
			b.DjangoTime(row.expires)))
	}
	rec := load(t, store, key)
	if string(rec.Data) != "eyJhIjoxfQ" || !rec.Expires.Equal(expires) {
		t.Errorf("loaded %s until %v, want until %v", rec.Data, rec.Expires, expires)
	}
	if got := load(t, store, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").Expires; !got.Equal(expires.Truncate(time.Second)) {
		t.Errorf("loaded one until %v, want %v", got, expires.Truncate(time.Second))
	}
	_, err := store.Load(context.Background(), "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	if !errors.Is(err, session.ErrExpired) {
		t.Errorf("Load of an expired session: %v, want %v", err, session.ErrExpired)
	}

	// What is written back is what Django would have written.
	ctx := context.Background()
	for _, expires := range []time.Time{expires.Add(time.Hour), expires.Truncate(time.Second).Add(time.Hour)} {
		rec.Expires = expires
		if _, err := store.Save(ctx, key, rec); err != nil {
			t.Fatal(err)
		}
		var n int
		query := fmt.Sprintf("SELECT COUNT(*) FROM django_session WHERE session_key = '%s' AND expire_date = %s", key,
			b.DjangoTime(expires))
		if err := db.QueryRow(query).Scan(&n); err != nil || n != 1 {
			t.Errorf("expire_date is not as Django writes %v (%v)", expires, err)
		}
	}
	if n, err := store.DeleteExpired(ctx); n != 1 || err != nil {
		t.Errorf("DeleteExpired: %d, %v; want 1", n, err)
	}
}

// testRawKeys stores keys as Django does.
func testRawKeys(t *testing.T, b Backend) {
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), RawKeys: true}
	store := b.storeAt(t, place, opts)
	ctx := context.Background()
	token := create(t, store, record(`{}`))
	var key string
	db := b.db(t, place)
	if err := db.QueryRow("SELECT session_key FROM " + opts.Table).Scan(&key); err != nil || key != token {
		t.Errorf("the stored key is not the token (%v)", err)
	}
	for _, tc := range []struct {
		name, token string
		want        error
	}{
		{"as short as Django accepts", "abcdefg8", nil},
		{"as long as the column holds", strings.Repeat("a8", 20), nil},
		{"shorter than Django accepts", "abcdef7", session.ErrInvalidToken},
		{"longer than the column holds", strings.Repeat("a8", 20) + "a", session.ErrInvalidToken},
		{"a character that Django does not use", "abcdefg_", session.ErrInvalidToken},
		{"a capital letter", "Abcdefg8", session.ErrInvalidToken},
		{"nothing", "", session.ErrInvalidToken},
	} {
		if len(tc.token) <= 40 && tc.token != "" {
			mustExec(t, db, "DELETE FROM "+opts.Table)
			mustExec(t, db, fmt.Sprintf("INSERT INTO %s VALUES ('%s', '{}', %s)", opts.Table, tc.token,
				b.DjangoTime(inAnHour())))
		}
		if _, err := store.Load(ctx, tc.token); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// testMigrate creates a table from several places at once, and finds what is
// missing.
func testMigrate(t *testing.T, b Backend) {
	ctx := context.Background()
	place := b.Place(t)
	db := b.db(t, place)

	opts := dbstore.Options{Table: newTable()}
	stores := make([]*dbstore.Store, 8)
	for i := range stores {
		store, err := b.on(db, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		stores[i] = store
	}
	var wg sync.WaitGroup
	for _, store := range stores {
		wg.Go(func() {
			if err := store.Migrate(ctx); err != nil {
				t.Errorf("Migrate beside others: %v", err)
			}
		})
	}
	wg.Wait()
	token := create(t, stores[0], record(`{}`))
	load(t, stores[1], token)

	// Once more, on a table that is in use.
	if err := stores[2].Migrate(ctx); err != nil {
		t.Errorf("Migrate again: %v", err)
	}

	// A table without its index gets it, under the name that Django gives it.
	mustExec(t, db, b.CreateDjangoTable[0])
	t.Cleanup(func() { b.db(t, place).Exec("DROP TABLE django_session") })
	b.storeAt(t, place, dbstore.Options{})
	drop := "DROP INDEX django_session_expire_date_a5c62663"
	if b.Dialect == dbstore.MySQL {
		drop += " ON django_session"
	}
	if _, err := b.db(t, place).Exec(drop); err != nil {
		t.Errorf("no index was added: %v", err)
	}

	// A table that is something else is an error, and left alone.
	opts = dbstore.Options{Table: newTable()}
	mustExec(t, db, "CREATE TABLE "+opts.Table+" (id int PRIMARY KEY)")
	store, err := b.on(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Migrate(ctx); err == nil {
		t.Error("Migrate accepted a table without the columns")
	}
}

// testUnsuitable finds tables on which saving would fail, or be wrong.
func testUnsuitable(t *testing.T, b Backend) {
	place := b.Place(t)
	db := b.db(t, place)
	migrate := func(opts dbstore.Options) error {
		store, err := b.on(db, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		return store.Migrate(t.Context())
	}
	end := strings.LastIndex(b.CreateDjangoTable[0], ")")
	for _, tc := range []struct {
		name, key, more string
		rawKeys         bool
		want            string // in the error, or empty
	}{
		{"Django's", "varchar(40)", "", false, ""},
		{"a wider key", "varchar(100)", "", false, ""},
		{"a narrow key", "varchar(39)", "", false, "session_key"},
		{"raw keys that fit", "varchar(32)", "", true, ""},
		{"raw keys that do not fit", "varchar(31)", "", true, "session_key"},
		{"another column that has to be filled", "varchar(40)", ", site int NOT NULL", false, "site"},
		{"other columns that need not be", "varchar(40)", ", site int, node int DEFAULT 1 NOT NULL", false, ""},
	} {
		if b.Dialect == dbstore.SQLite && tc.want == "session_key" {
			continue // it holds what it is given
		}
		opts := dbstore.Options{Table: newTable(), RawKeys: tc.rawKeys}
		create := strings.Replace(b.CreateDjangoTable[0][:end]+tc.more+b.CreateDjangoTable[0][end:], "django_session",
			opts.Table, 1)
		mustExec(t, db, strings.Replace(create, "varchar(40)", tc.key, 1))
		err := migrate(opts)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
		} else if !errors.Is(err, session.ErrMisuse) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error about %s", tc.name, err, tc.want)
		}
	}

	// "alice" and "Alice" are two owners.
	opts := dbstore.Options{Table: newTable(), Owners: true}
	if err := migrate(opts); err != nil {
		t.Fatal(err)
	}
	for _, change := range map[dbstore.Dialect][]string{
		dbstore.SQLite: {
			"DROP TABLE %s_owner",
			"CREATE TABLE %s_owner (session_key text, owner text COLLATE NOCASE, id text, generation, label, created," +
				" last_seen, expire_date," +
				" PRIMARY KEY (session_key, owner))",
		},
		dbstore.Postgres: {
			"CREATE COLLATION %s_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
			"ALTER TABLE %[1]s_owner ALTER owner TYPE varchar(255) COLLATE %[1]s_ci",
		},
		dbstore.MySQL: {"ALTER TABLE %s_owner MODIFY owner varchar(255) CHARACTER SET utf8mb4 NOT NULL"},
	}[b.Dialect] {
		mustExec(t, db, fmt.Sprintf(change, opts.Table))
	}
	if err := migrate(opts); !errors.Is(err, session.ErrMisuse) || !strings.Contains(err.Error(), "owner") {
		t.Errorf("owners that are compared without their case: %v", err)
	}
}
