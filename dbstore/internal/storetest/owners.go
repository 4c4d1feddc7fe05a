package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessionengine/dbstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// owned is a record as the middleware makes it of a session with an owner.
func owned(owner, label string) *session.Record {
	rec := record(`{"a":1}`)
	if owner != "" {
		rec.Data = fmt.Appendf(nil, `{"a":1,"_session_owner":%q}`, owner)
	}
	rec.Owner, rec.Label = owner, label
	return rec
}

func labels(t testing.TB, store *dbstore.Store, owner string) string {
	t.Helper()
	infos, _, err := store.Sessions(context.Background(), owner, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, info := range infos {
		if info.Owner != owner {
			t.Errorf("a session of %q in the list of %q", info.Owner, owner)
		}
		all = append(all, info.Label)
	}
	return strings.Join(all, " ")
}

func testOwners(t *testing.T, b Backend) {
	ctx := context.Background()
	place := b.Place(t)
	opts := dbstore.Options{Table: newTable(), Owners: true}
	store := b.storeAt(t, place, opts)
	if err := store.Migrate(ctx); err != nil {
		t.Fatalf("Migrate again: %v", err)
	}

	before := time.Now().Add(-time.Second)
	phone := create(t, store, owned("user 7", "phone"))
	time.Sleep(2 * time.Millisecond) // the order of the list is that of being seen
	laptop := create(t, store, owned("user 7", "laptop"))
	// Owners that a sloppy comparison takes for the same.
	for _, other := range []string{"User 7", "user 7 ", "user 77", "üser 7", "user_7", "user%"} {
		create(t, store, owned(other, "other"))
	}
	anonymous := create(t, store, owned("", ""))

	if got := labels(t, store, "user 7"); got != "laptop phone" {
		t.Fatalf("sessions: %q", got)
	}
	infos, _, err := store.Sessions(ctx, "user 7", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	info := infos[0]
	if info.Created.Before(before) || info.Created.After(time.Now().Add(time.Second)) ||
		!info.LastSeen.Equal(info.Created) || !info.Expires.Equal(load(t, store, laptop).Expires) {
		t.Errorf("%+v", info)
	}
	if _, err := store.Load(ctx, info.ID); !errors.Is(err, session.ErrNotFound) || strings.Contains(info.ID, laptop) {
		t.Errorf("the id of a session works as its token: %v", err)
	}

	// Saving, extending and renewing keep it in the list, and its creation.
	time.Sleep(2 * time.Millisecond)
	rec := load(t, store, phone)
	rec.Owner, rec.Label = "user 7", "new phone"
	if _, err := store.Save(ctx, phone, rec); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, store, "user 7"); got != "laptop new phone" {
		t.Errorf("after a save: %q", got)
	}
	rec.Expires = rec.Expires.Add(time.Hour)
	if err := store.Touch(ctx, phone, rec); err != nil {
		t.Fatal(err)
	}
	old := phone
	if phone, err = store.Renew(ctx, phone, rec); err != nil {
		t.Fatal(err)
	}
	after, _, err := store.Sessions(ctx, "user 7", "", 0)
	if err != nil || len(after) != 2 || after[1].Label != "new phone" || after[1].ID != infos[1].ID ||
		!after[1].Created.Equal(infos[1].Created) || !after[1].LastSeen.After(infos[1].LastSeen) {
		t.Errorf("after renewing: %+v, %v; before: %+v", after, err, infos[1])
	}
	if _, err := store.Load(ctx, old); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the old token: %v", err)
	}

	// A session that is saved without its owner is nobody's.
	rec = load(t, store, phone)
	nobody := owned("", "")
	nobody.Version = rec.Version
	if _, err := store.Save(ctx, phone, nobody); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, store, "user 7"); got != "laptop" {
		t.Errorf("after losing its owner: %q", got)
	}
	again := owned("user 7", "phone")
	again.Version = nobody.Version
	if _, err := store.Save(ctx, phone, again); err != nil {
		t.Fatal(err)
	}

	// Ending one, of others, and all others.
	if err := store.EndSession(ctx, "User 7", infos[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, store, "user 7"); got != "laptop phone" {
		t.Errorf("somebody else has ended a session: %q", got)
	}
	if err := store.EndSession(ctx, "user 7", infos[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, laptop); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("an ended session: %v", err)
	}
	if got := labels(t, store, "user 7"); got != "phone" {
		t.Errorf("after ending one: %q", got)
	}
	tablet := create(t, store, owned("user 7", "tablet"))
	tv := create(t, store, owned("user 7", "tv"))
	kept, err := store.EndOtherSessions(ctx, "user 7", tablet)
	if err != nil {
		t.Errorf("ending all others: %v", err)
	}
	if _, err := store.Load(ctx, tablet); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the old token of the session that was kept: %v", err)
	}
	tablet = kept
	if got := labels(t, store, "user 7"); got != "tablet" {
		t.Errorf("after ending all others: %q", got)
	}
	if _, err := store.Save(ctx, tv, load(t, store, tablet)); !errors.Is(err, session.ErrGone) {
		t.Errorf("an ended session is saved: %v", err)
	}
	if n, err := store.EndSessions(ctx, "user 7"); n != 1 || err != nil {
		t.Errorf("ending all: %d, %v", n, err)
	}
	load(t, store, anonymous)

	// What is deleted or expired is not listed; the cleanup takes it away, and
	// nothing of the living.
	deleted := create(t, store, owned("user 8", "deleted"))
	living := create(t, store, owned("user 8", "living"))
	short := owned("user 8", "short")
	short.Expires = time.Now().UTC().Add(2 * time.Second).Truncate(time.Second)
	create(t, store, short)
	if err := store.Delete(ctx, deleted); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(short.Expires) + 10*time.Millisecond)
	if got := labels(t, store, "user 8"); got != "living" {
		t.Errorf("listed: %q", got)
	}
	active, expired, err := store.Count(ctx)
	if err != nil || active != 8 || expired != 1 {
		t.Errorf("Count: %d, %d, %v", active, expired, err)
	}
	db := b.db(t, place)
	rows := func() (n int) {
		t.Helper()
		if err := db.QueryRow("SELECT COUNT(*) FROM " + opts.Table +
			"_owner WHERE label = 'short'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := countRows(t, db, opts.Table+"_owner",
		"label IN ('laptop', 'phone', 'new phone', 'tablet', 'tv', 'deleted')"); n != 0 {
		t.Errorf("%d rows are left of sessions that were ended", n)
	}
	if rows() != 1 {
		t.Error("the test has no row to clean up")
	}
	if n, err := store.DeleteExpired(ctx); n != 1 || err != nil {
		t.Errorf("DeleteExpired: %d, %v", n, err)
	}
	if rows() != 0 {
		t.Error("the cleanup left the owner of a session that is gone")
	}
	if got := labels(t, store, "user 8"); got != "living" {
		t.Errorf("after the cleanup: %q", got)
	}
	load(t, store, living)

	if _, err := store.Save(ctx, "", owned(strings.Repeat("secret", 50), "")); err == nil ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("an owner of 300 bytes: %v", err)
	}
	if _, err := store.EndOtherSessions(ctx, "user 8", "no token"); !errors.Is(err, session.ErrGone) {
		t.Errorf("a token to keep that is none: %v", err)
	}
	if got := labels(t, store, "user 8"); got != "" {
		t.Errorf("after a token to keep that is none: %q", got)
	}

	plain := b.store(t, dbstore.Options{})
	if _, _, err := plain.Sessions(ctx, "user 7", "", 0); !errors.Is(err, errors.ErrUnsupported) ||
		session.ErrorStatus(err) != 500 {
		t.Error("owners are listed though they are not kept")
	}
	store.Close()
	if _, _, err := store.Sessions(ctx, "user 8", "", 0); !errors.Is(err, session.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func testOwnersConformance(t *testing.T, b Backend) {
	f := b.Features()
	f.OwnerEnder, f.OwnerLister = true, true
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		return b.store(t, dbstore.Options{Owners: true})
	}, f)
}

// Of two saves that set different owners, the list follows the one that was
// made, whatever became of the other.
func testOwnersConflict(t *testing.T, b Backend) {
	ctx := context.Background()
	for _, tc := range []struct {
		name  string
		write func(*dbstore.Store, string, *session.Record) error
	}{
		{"save", func(s *dbstore.Store, token string, rec *session.Record) error {
			_, err := s.Save(ctx, token, rec)
			return err
		}},
		{"touch", func(s *dbstore.Store, token string, rec *session.Record) error { return s.Touch(ctx, token, rec) }},
		{"renew", func(s *dbstore.Store, token string, rec *session.Record) error {
			_, err := s.Renew(ctx, token, rec)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := b.store(t, dbstore.Options{Owners: true})
			token := create(t, store, owned("ann", "mine"))
			stale, made := load(t, store, token), owned("bob", "mine")
			made.Version = stale.Version
			if _, err := store.Save(ctx, token, made); err != nil {
				t.Fatal(err)
			}
			stale.Owner, stale.Label = "ann", "mine"
			if err := tc.write(store, token, stale); !errors.Is(err, session.ErrConflict) {
				t.Fatalf("a stale write: %v, want ErrConflict", err)
			}
			if ann, bob := labels(t, store, "ann"), labels(t, store, "bob"); ann != "" || bob != "mine" {
				t.Errorf("listed for ann: %q, for bob: %q", ann, bob)
			}
			id := ""
			if infos, _, err := store.Sessions(ctx, "bob", "", 0); err == nil && len(infos) == 1 {
				id = infos[0].ID
			}
			if err := store.EndSession(ctx, "ann", id); err != nil {
				t.Error(err)
			}
			if n, err := store.EndSessions(ctx, "ann"); n != 0 || err != nil {
				t.Errorf("the owner before ends %d sessions, %v", n, err)
			}
			load(t, store, token)
			if n, err := store.EndSessions(ctx, "bob"); n != 1 || err != nil {
				t.Errorf("the owner ends %d sessions, %v, want 1", n, err)
			}
			if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the session of bob after all were ended: %v", err)
			}
		})
	}
}

// interrupted opens a store that calls before ahead of each statement, and another
// one on the same table.
func (b Backend) interrupted(t *testing.T) (store, other *dbstore.Store, before *func()) {
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), Owners: true}
	before = new(func())
	calls := Calls{Before: func(string, []driver.NamedValue) {
		if *before != nil {
			(*before)()
		}
	}}
	other = b.storeAt(t, place, opts)
	return b.wrapped(t, place, opts, calls.Wrap), other, before
}

// A session does not escape its end by being renewed between any two of the
// statements.
func testOwnersRenewed(t *testing.T, b Backend) {
	ctx := context.Background()
	store, other, before := b.interrupted(t)

	endAll := func(string) error { _, err := store.EndSessions(ctx, "ann"); return err }
	endOne := func(id string) error { return store.EndSession(ctx, "ann", id) }
	for _, tc := range []struct {
		name        string
		end         func(id string) error
		first, last int // the statements before which the session is renewed
	}{
		{"all, before the first statement", endAll, 1, 1},
		{"all, before the second", endAll, 2, 2},
		{"all, before the third", endAll, 3, 3},
		{"all, before each of the first seven", endAll, 1, 7},
		{"one, before the first statement", endOne, 1, 1},
		{"one, before the second", endOne, 2, 2},
		{"one, before the third", endOne, 3, 3},
		{"one, before each of the first seven", endOne, 1, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := owned("ann", "mine")
			token := create(t, other, rec)
			bystander := create(t, other, owned("bob", ""))
			infos, _, err := other.Sessions(ctx, "ann", "", 0)
			if err != nil || len(infos) != 1 {
				t.Fatalf("sessions: %v, %v", infos, err)
			}
			n := 0
			*before = func() {
				if n++; n < tc.first || n > tc.last {
					return
				}
				renewed, err := other.Renew(ctx, token, rec)
				if err != nil {
					if err != session.ErrGone {
						t.Errorf("Renew before statement %d: %v", n, err)
					}
					return
				}
				token = renewed
			}
			err = tc.end(infos[0].ID)
			*before = nil
			if err != nil {
				t.Error(err)
			}
			if _, err := other.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the session lives on: %v", err)
			}
			load(t, other, bystander)
			if _, err := other.EndSessions(ctx, "ann"); err != nil {
				t.Fatal(err)
			}
		})
	}

	for name, end := range map[string]func(id string) error{"all": endAll, "one": endOne} {
		for what, write := range map[string]func(token string, rec *session.Record) (string, error){
			"renewed": func(token string, rec *session.Record) (string, error) { return other.Renew(ctx, token, rec) },
			"saved": func(token string, rec *session.Record) (string, error) {
				rec.Data = fmt.Appendf(nil, `{"_session_owner":"ann","n":%d}`, time.Now().UnixNano())
				return other.Save(ctx, token, rec)
			},
		} {
			t.Run(name+", "+what+" without end", func(t *testing.T) {
				rec := owned("ann", "mine")
				token := create(t, other, rec)
				infos, _, err := other.Sessions(ctx, "ann", "", 0)
				if err != nil || len(infos) != 1 {
					t.Fatalf("sessions: %v, %v", infos, err)
				}
				*before = func() {
					if newToken, err := write(token, rec); err == nil {
						token = newToken
					}
				}
				err = end(infos[0].ID)
				*before = nil
				if err != nil {
					t.Error(err)
				}
				if _, err := other.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("the session lives on: %v", err)
				}
			})
		}
	}
}

// A copy of the token that is renewed between any two statements of
// EndOtherSessions is dead when it is done.
func testOwnersCopied(t *testing.T, b Backend) {
	ctx := context.Background()
	store, other, before := b.interrupted(t)
	for step := 1; ; step++ {
		rec := owned("ann", "mine")
		token := create(t, other, rec)
		var stolen string
		n := 0
		*before = func() {
			if n++; n == step {
				stolen, _ = other.Renew(ctx, token, rec)
			}
		}
		kept, err := store.EndOtherSessions(ctx, "ann", token)
		*before = nil
		if n < step {
			return
		}
		switch {
		case err == nil:
			load(t, other, kept)
		case err != session.ErrGone || stolen == "":
			t.Errorf("step %d: %v, and the copy was renewed: %v", step, err, stolen != "")
		}
		for name, token := range map[string]string{"token": token, "copy that was renewed": stolen} {
			if _, err := other.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("step %d: the %s lives: %v", step, name, err)
			}
		}
		if _, err := other.EndSessions(ctx, "ann"); err != nil {
			t.Fatal(err)
		}
	}
}

// Sessions from before Options.Owners was set are found, or it is said that they
// may not be.
func testOwnersBefore(t *testing.T, b Backend) {
	ctx := context.Background()
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), CleanupBatch: 2}
	plain := b.storeAt(t, place, opts)
	var tokens []string
	for range 5 {
		tokens = append(tokens, create(t, plain, owned("ann", "phone")))
		create(t, plain, owned("", ""))
	}
	bob := create(t, plain, owned("bob", "phone"))
	tricky := owned("ann", "")
	tricky.Data = []byte(`{"_session_owner":"ann","_SESSION_OWNER":"x"}`)
	tokens = append(tokens, create(t, plain, tricky))

	opts.Owners = true
	store := b.storeAt(t, place, opts)
	infos, _, err := store.Sessions(ctx, "ann", "", 0)
	if err != nil || len(infos) != 6 {
		t.Errorf("%d sessions are listed, %v", len(infos), err)
	}
	if n, err := store.EndSessions(ctx, "ann"); n != 6 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
	for _, token := range tokens {
		if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a session from before: %v", err)
		}
	}
	load(t, store, bob)

	// A node that has not got the option yet.
	late := create(t, plain, owned("ann", "late"))
	if err := plain.Migrate(ctx); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("Migrate without the option, beside a table of owners: %v", err)
	}
	if n, err := store.IndexOwners(ctx); n != 1 || err != nil {
		t.Errorf("IndexOwners: %d, %v", n, err)
	}
	if n, err := store.IndexOwners(ctx); n != 0 || err != nil {
		t.Errorf("IndexOwners again: %d, %v", n, err)
	}
	if n, err := store.EndSessions(ctx, "ann"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
	if _, err := store.Load(ctx, late); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a session of a node without the option: %v", err)
	}

	// A table that nobody has gone through.
	mustExec(t, b.db(t, place), "DELETE FROM "+opts.Table+"_owner WHERE session_key = '*'")
	fresh := b.wrapped(t, place, opts, new(Calls).Wrap)
	mine := create(t, fresh, owned("ann", "mine"))
	if _, err := fresh.EndOtherSessions(ctx, "ann", mine); !errors.Is(err, dbstore.ErrOwnersIncomplete) {
		t.Errorf("EndOtherSessions: %v", err)
	}
	load(t, fresh, mine)
	if n, err := fresh.EndSessions(ctx, "ann"); n != 1 || !errors.Is(err, dbstore.ErrOwnersIncomplete) {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
	if err := fresh.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := fresh.EndSessions(ctx, "ann"); n != 0 || err != nil {
		t.Errorf("EndSessions after Migrate: %d, %v", n, err)
	}
}

// Nothing is left of sessions that are gone, however they went, and long labels
// are cut.
func testOwnersRows(t *testing.T, b Backend) {
	ctx := context.Background()
	place, opts := b.Place(t), dbstore.Options{Table: newTable(), Owners: true}
	store := b.storeAt(t, place, opts)
	db, table := b.db(t, place), opts.Table+"_owner"
	rows := func() int { t.Helper(); return countRows(t, db, table, "id <> ''") }
	for range 20 { // logins and logouts
		rec := owned("ann", strings.Repeat("ä", 40_000))
		token := create(t, store, rec)
		renewed, err := store.Renew(ctx, token, rec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Renew(ctx, token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Renew again: %v", err)
		}
		if got := labels(t, store, "ann"); got != strings.Repeat("ä", 127) {
			t.Fatalf("the label has %d bytes", len(got))
		}
		if err := store.Delete(ctx, renewed); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Save(ctx, renewed, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Save: %v", err)
		}
		if err := store.Touch(ctx, renewed, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Touch: %v", err)
		}
	}
	if n := rows(); n != 0 {
		t.Errorf("%d rows are left of logins that were logged out", n)
	}
	rec := owned("ann", "")
	token := create(t, store, rec)
	if err := store.DeleteUnchanged(ctx, token, rec); err != nil {
		t.Fatal(err)
	}
	if n := rows(); n != 0 {
		t.Errorf("%d rows are left of a session that was deleted unchanged", n)
	}

	// Rows that a crash has left go when they are read an hour later.
	gone, living := create(t, store, owned("ann", "gone")), create(t, store, owned("ann", "living"))
	mustExec(t, db, "DELETE FROM "+opts.Table+" WHERE session_key IN (SELECT session_key FROM "+table+""+
		" WHERE label = 'gone')")
	labels(t, store, "ann")
	if n := rows(); n != 2 {
		t.Errorf("%d rows: a session that is just being saved would be forgotten", n)
	}
	mustExec(t, db, "UPDATE "+table+" SET last_seen = '2020-01-01 00:00:00' WHERE owner = 'ann'")
	labels(t, store, "ann")
	if n := rows(); n != 1 {
		t.Errorf("%d rows, want the one of the living session", n)
	}
	load(t, store, living)
	if _, err := store.Load(ctx, gone); !errors.Is(err, session.ErrNotFound) {
		t.Error(err)
	}

	// And fences when nothing can be on its way any more.
	if _, err := store.EndSessions(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, db, table, "owner = 'ann'"); n != 1 {
		t.Errorf("%d rows after EndSessions, want the fence", n)
	}
	mustExec(t, db, "UPDATE "+table+" SET expire_date = '2020-01-01 00:00:00' WHERE owner = 'ann'")
	if _, err := store.DeleteExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, db, table, "owner = 'ann'"); n != 0 {
		t.Errorf("%d rows an hour after EndSessions", n)
	}
	again := owned("ann", "again")
	token = create(t, store, again)
	if _, err := store.Renew(ctx, token, again); err != nil {
		t.Errorf("Renew of a session that began afterwards: %v", err)
	}
}

func countRows(t testing.TB, db *sql.DB, table, where string) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT COUNT(*) FROM " + table + " WHERE " + where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// testOwnersCookies keeps a session by a token of another cookie: nobody asked to
// end it.
func testOwnersCookies(t *testing.T, b Backend) {
	ctx := t.Context()
	store := b.store(t, dbstore.Options{Owners: true})
	bound, err := store.ForCookie("__Host-session")
	if err != nil {
		t.Fatal(err)
	}
	phone, err := bound.Save(ctx, "", owned("user 7", "phone"))
	if err != nil {
		t.Fatal(err)
	}
	if token, err := store.EndOtherSessions(ctx, "user 7", phone); token != "" || !errors.Is(err, session.ErrMisuse) {
		t.Errorf("EndOtherSessions: %v, want %v", err, session.ErrMisuse)
	}
	if _, err := bound.Load(ctx, phone); err != nil {
		t.Errorf("Load: %v", err)
	}
	// Of a session that is gone nobody knows the cookie.
	if err := bound.Delete(ctx, phone); err != nil {
		t.Fatal(err)
	}
	if _, err := store.EndOtherSessions(ctx, "user 7", phone); !errors.Is(err, session.ErrGone) {
		t.Errorf("EndOtherSessions of a session that is gone: %v, want %v", err, session.ErrGone)
	}
}

// What PostgreSQL cannot hold is refused in an owner and left out of a label, in
// every database.
func testOwnersText(t *testing.T, b Backend) {
	ctx := context.Background()
	store := b.store(t, dbstore.Options{Owners: true})
	token := create(t, store, owned("ann", "a\x00 pho\xffne"))
	if got := labels(t, store, "ann"); got != "a phone" {
		t.Errorf("the label is %q", got)
	}
	rec := load(t, store, token)
	rec.Owner = "ann\x00secret"
	rec.Data = []byte(`{"_session_owner":"ann\u0000secret"}`)
	_, errSave := store.Save(ctx, token, rec)
	_, _, errSessions := store.Sessions(ctx, rec.Owner, "", 0)
	_, errAll := store.EndSessions(ctx, rec.Owner)
	for op, err := range map[string]error{"Save": errSave, "Sessions": errSessions, "EndSessions": errAll,
		"EndSession": store.EndSession(ctx, rec.Owner, "id")} {
		if err == nil || !strings.Contains(err.Error(), "NUL") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s with a NUL character in the owner: %v", op, err)
		}
	}
	if got := labels(t, store, "ann"); got != "a phone" {
		t.Errorf("after a save that was refused: %q", got)
	}
}

// Rows of sessions that were extended without them do not keep the cleanup from
// those behind them, were they all to expire at one moment.
func testOwnersCleanup(t *testing.T, b Backend) {
	ctx := context.Background()
	place := b.Place(t)
	opts := dbstore.Options{Table: newTable(), Owners: true, CleanupBatch: 2}
	store := b.storeAt(t, place, opts)
	db := b.db(t, place)
	for range 5 {
		create(t, store, owned("ann", "living"))
	}
	gone := create(t, store, owned("ann", "gone"))
	if err := store.Delete(ctx, gone); err != nil {
		t.Fatal(err)
	}
	table := opts.Table + "_owner"
	mustExec(t, db, "UPDATE "+table+" SET expire_date = '2020-01-01 00:00:00' WHERE label = 'living'")
	mustExec(t, db, "UPDATE "+table+" SET expire_date = '2020-01-02 00:00:00' WHERE label = 'gone'")
	if _, err := store.DeleteExpired(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM " + table + " WHERE label = 'gone'").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows of a session that is gone, %v", n, err)
	}
	if got := labels(t, store, "ann"); got != "living living living living living" {
		t.Errorf("after the cleanup: %q", got)
	}
}
