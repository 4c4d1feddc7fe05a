package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
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
	infos, _, err := store.Sessions(context.Background(), owner, "", "", 0)
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
	infos, _, err := store.Sessions(ctx, "user 7", "", "", 0)
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
	after, _, err := store.Sessions(ctx, "user 7", "", "", 0)
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
	if _, _, err := plain.Sessions(ctx, "user 7", "", "", 0); !errors.Is(err, errors.ErrUnsupported) ||
		session.ErrorStatus(err) != 500 {
		t.Error("owners are listed though they are not kept")
	}
	store.Close()
	if _, _, err := store.Sessions(ctx, "user 8", "", "", 0); !errors.Is(err, session.ErrClosed) {
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
			if infos, _, err := store.Sessions(ctx, "bob", "", "", 0); err == nil && len(infos) == 1 {
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

// tapped opens two stores on one table: before each statement of the second one,
// what before is set to runs, with the other if need be.
func (b Backend) tapped(t *testing.T, opts dbstore.Options) (other, store *dbstore.Store, db *sql.DB,
	before *func(query string), fail *func(query string) error) {
	t.Helper()
	place := b.Place(t)
	before, fail = new(func(string)), new(func(string) error)
	calls := Calls{
		Before: func(query string, _ []driver.NamedValue) {
			if *before != nil {
				(*before)(query)
			}
		},
		Fail: func(query string) error {
			if *fail != nil {
				return (*fail)(query)
			}
			return nil
		},
	}
	other = b.storeAt(t, place, opts)
	return other, b.wrapped(t, place, opts, calls.Wrap), b.db(t, place), before, fail
}

// ownedTable are the options of a store that keeps owners in a new table.
func ownedTable() dbstore.Options { return dbstore.Options{Table: newTable(), Owners: true} }

func onlyID(t *testing.T, store *dbstore.Store, owner string) string {
	t.Helper()
	infos, _, err := store.Sessions(context.Background(), owner, "", "", 0)
	if err != nil || len(infos) != 1 {
		t.Fatalf("sessions: %v, %v", infos, err)
	}
	return infos[0].ID
}

// A session does not escape its end by being renewed, or by ending the others
// itself, between any two of the statements.
func testOwnersRenewed(t *testing.T, b Backend) {
	ctx := context.Background()
	other, store, _, before, _ := b.tapped(t, ownedTable())
	if _, err := store.EndSessions(ctx, "ann"); err != nil { // from now on it is known that the table is complete
		t.Fatal(err)
	}
	var rec *session.Record
	ends := map[string]func(id string) error{
		"all": func(string) error { _, err := store.EndSessions(ctx, "ann"); return err },
		"one": func(id string) error { return store.EndSession(ctx, "ann", id) },
		"the others": func(string) error {
			victim := create(t, other, owned("ann", "victim"))
			_, err := store.EndOtherSessions(ctx, "ann", victim)
			if errors.Is(err, session.ErrGone) {
				err = nil // the thief was quicker
			}
			return err
		},
	}
	escapes := map[string]func(token string) (string, error){
		"renewed": func(token string) (string, error) { return other.Renew(ctx, token, rec) },
		"saved": func(token string) (string, error) {
			rec.Data = fmt.Appendf(nil, `{"_session_owner":"ann","n":%d}`, time.Now().UnixNano())
			return other.Save(ctx, token, rec)
		},
		"ending the others": func(token string) (string, error) { return other.EndOtherSessions(ctx, "ann", token) },
	}
	for name, end := range ends {
		for what, escape := range escapes {
			// run escapes before the statements from first to last, and returns
			// how many there were.
			run := func(first, last int) (n int) {
				rec = owned("ann", "mine")
				token := create(t, other, rec)
				bystander := create(t, other, owned("bob", ""))
				id := onlyID(t, other, "ann")
				*before = func(string) {
					if n++; n < first || n > last {
						return
					}
					newToken, err := escape(token)
					if err == nil {
						token = newToken
					} else if err != session.ErrGone && err != session.ErrConflict {
						t.Errorf("%s before statement %d: %v", what, n, err)
					}
				}
				err := end(id)
				*before = nil
				if err != nil {
					t.Errorf("ending %s, %s before statements %d to %d: %v", name, what, first, last, err)
				}
				if _, err := other.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("ending %s, %s before statements %d to %d: the session lives on: %v", name, what, first, last, err)
				}
				load(t, other, bystander)
				if _, err := other.EndSessions(ctx, "ann"); err != nil {
					t.Fatal(err)
				}
				return n
			}
			for step := 1; run(step, step) >= step; step++ {
			}
			run(1, 7)
			run(1, math.MaxInt)
		}
	}
}

// isMove reports whether a statement is the one with which EndOtherSessions gives
// the session that goes on its new key.
func isMove(query string) bool {
	return strings.HasPrefix(query, "UPDATE") && strings.Contains(query, "SET session_key") &&
		!strings.Contains(query, "session_data")
}

// Whatever happens at the moment at which EndOtherSessions moves a session, its
// owner is known.
func testOwnersMoved(t *testing.T, b Backend) {
	ctx := context.Background()
	opts := ownedTable()
	other, store, db, before, _ := b.tapped(t, opts)
	table := opts.Table + "_owner"
	for _, tc := range []struct {
		name, first, ends string
		old               string // column that is long past
		meanwhile         func(token string, rec *session.Record) error
	}{
		{"a save sets the owner", "", "bob", "", nil},
		{"a save sets another owner", "ann", "ann", "", nil},
		{"the list is read", "bob", "bob", "last_seen", func(string, *session.Record) error {
			_, _, err := other.Sessions(ctx, "bob", "", "", 0)
			return err
		}},
		{"the cleanup runs", "bob", "bob", "expire_date", func(string, *session.Record) error {
			_, err := other.DeleteExpired(ctx)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := owned(tc.first, "")
			token := create(t, other, rec)
			if tc.old != "" {
				mustExec(t, db, "UPDATE "+table+" SET "+tc.old+" = '2020-01-01 00:00:00' WHERE owner = 'bob'")
			} else {
				tc.meanwhile = func(token string, rec *session.Record) error {
					given := owned("bob", "")
					given.Version = rec.Version
					_, err := other.Save(ctx, token, given)
					return err
				}
			}
			*before = func(query string) {
				if isMove(query) {
					*before = nil
					if err := tc.meanwhile(token, rec); err != nil {
						t.Error(err)
					}
				}
			}
			kept, err := store.EndOtherSessions(ctx, tc.ends, token)
			if *before != nil {
				t.Fatal("the statement was not found")
			}
			if errors.Is(err, session.ErrGone) && tc.ends == "ann" {
				kept, err = token, nil // it is somebody else's now
			}
			if err != nil {
				t.Fatal(err)
			}
			load(t, other, kept)
			if n, err := other.EndSessions(ctx, "bob"); n != 1 || err != nil {
				t.Errorf("EndSessions: %d, %v, want 1", n, err)
			}
			if _, err := other.Load(ctx, kept); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the session lives on: %v", err)
			}
		})
	}
}

// A session that is expired by one machine's clock, and by another's is not, stays
// known by its owner.
func testOwnersClocks(t *testing.T, b Backend) {
	ctx := context.Background()
	place, opts := b.Place(t), ownedTable()
	store, db := b.storeAt(t, place, opts), b.db(t, place)
	rec := owned("ann", "")
	token := create(t, store, rec)
	mustExec(t, db, "UPDATE "+opts.Table+" SET expire_date = '2020-01-01 00:00:00'")
	if _, err := store.Save(ctx, token, rec); err != session.ErrGone {
		t.Errorf("Save: %v", err)
	}
	if err := store.Touch(ctx, token, rec); err != session.ErrGone {
		t.Errorf("Touch: %v", err)
	}
	mustExec(t, db, "UPDATE "+opts.Table+" SET expire_date = '2100-01-01 00:00:00'")
	load(t, store, token)
	if n, err := store.EndSessions(ctx, "ann"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v, want 1", n, err)
	}
}

// When the fence disappears while sessions are ended there is an error. It does not
// disappear because of a time zone.
func testOwnersFence(t *testing.T, b Backend) {
	ctx := context.Background()
	opts := ownedTable()
	other, store, db, before, _ := b.tapped(t, opts)
	if _, err := store.EndSessions(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(token, id string) error{
		"EndSessions": func(string, string) error { _, err := store.EndSessions(ctx, "ann"); return err },
		"EndOtherSessions": func(token, _ string) error {
			_, err := store.EndOtherSessions(ctx, "ann", token)
			return err
		},
		"EndSession": func(_, id string) error { return store.EndSession(ctx, "ann", id) },
	} {
		for step := 3; ; step++ { // the second statement puts it up
			token, n := create(t, other, owned("ann", "")), 0
			id := onlyID(t, other, "ann")
			*before = func(string) {
				if n++; n == step {
					mustExec(t, db, "DELETE FROM "+opts.Table+"_owner WHERE id = '' AND session_key <> '*'")
				}
			}
			err := end(token, id)
			*before = nil
			if n < step {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			if err == nil || errors.Is(err, session.ErrGone) {
				t.Errorf("%s, the fence deleted before statement %d: %v", name, step, err)
			}
			mustExec(t, db, "DELETE FROM "+opts.Table)
			mustExec(t, db, "DELETE FROM "+opts.Table+"_owner WHERE session_key <> '*'")
		}
		mustExec(t, db, "DELETE FROM "+opts.Table)
		mustExec(t, db, "DELETE FROM "+opts.Table+"_owner WHERE session_key <> '*'")
	}

	place := b.Place(t)
	west := ownedTable()
	west.TimeZone = time.FixedZone("west", -5*3600)
	if _, err := b.storeAt(t, place, west).EndSessions(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	east := west
	east.TimeZone = time.FixedZone("east", 5*3600)
	if _, err := b.storeAt(t, place, east).DeleteExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, b.db(t, place), west.Table+"_owner", "owner = 'ann'"); n != 1 {
		t.Errorf("%d fences, want 1", n)
	}
}

// Whoever had a session before does not end those of whom it belongs to now.
func testOwnersFormer(t *testing.T, b Backend) {
	ctx := context.Background()
	other, store, _, _, fail := b.tapped(t, ownedTable())
	for name, end := range map[string]func(id string){
		"EndSession": func(id string) {
			if err := store.EndSession(ctx, "ann", id); err != nil {
				t.Error(err)
			}
		},
		"EndSessions that fails": func(string) {
			*fail = func(query string) error {
				if strings.HasPrefix(query, "UPDATE") && strings.Contains(query, "SET generation") {
					return errors.New("no")
				}
				return nil
			}
			if _, err := store.EndSessions(ctx, "ann"); err == nil {
				t.Error("EndSessions did not fail")
			}
			*fail = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := owned("ann", "")
			token := create(t, other, rec)
			id := onlyID(t, other, "ann")
			given := owned("bob", "")
			given.Version = rec.Version
			if _, err := other.Save(ctx, token, given); err != nil {
				t.Fatal(err)
			}
			end(id)
			kept, err := store.EndOtherSessions(ctx, "bob", token)
			if err != nil {
				t.Fatalf("EndOtherSessions of whom it belongs to: %v", err)
			}
			load(t, other, kept)
			if _, err := other.EndSessions(ctx, "bob"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A session whose expire_date cannot be read does not live, and keeps no others
// from being listed and ended.
func testOwnersUnreadable(t *testing.T, b Backend) {
	ctx := context.Background()
	place, opts := b.Place(t), ownedTable()
	store, db := b.storeAt(t, place, opts), b.db(t, place)
	bad := create(t, store, owned("ann", "bad"))
	moment := map[dbstore.Dialect]string{
		dbstore.SQLite: "2026-13-45 00:00:00", dbstore.Postgres: "infinity", dbstore.MySQL: "0000-00-00 00:00:00",
	}[b.Dialect]
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if b.Dialect == dbstore.MySQL {
		if _, err := conn.ExecContext(ctx, "SET SESSION sql_mode = ''"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.ExecContext(ctx, "UPDATE "+opts.Table+" SET expire_date = '"+moment+"'"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(ctx, bad); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
	create(t, store, owned("ann", "good"))
	if got := labels(t, store, "ann"); got != "good" {
		t.Errorf("sessions: %q", got)
	}
	if _, err := store.IndexOwners(ctx); err != nil {
		t.Errorf("IndexOwners: %v", err)
	}
	if n, err := store.EndSessions(ctx, "ann"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
	if n := countRows(t, db, opts.Table, "1 = 1"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// A session that was changed and changed back beside a renewal is not gone.
func testOwnersChangedBack(t *testing.T, b Backend) {
	ctx := context.Background()
	other, store, _, before, _ := b.tapped(t, ownedTable())
	rec := owned("ann", "")
	token := create(t, other, rec)
	steps := 0
	change := func(data []byte) {
		changed := owned("ann", "")
		changed.Data, changed.Version = data, load(t, other, token).Version
		if _, err := other.Save(ctx, token, changed); err != nil {
			t.Error(err)
		}
	}
	*before = func(query string) {
		switch {
		case steps == 0 && strings.HasPrefix(query, "UPDATE"):
			steps++
			change([]byte(`{"_session_owner":"ann"}`))
		case steps == 1 && strings.HasPrefix(query, "SELECT session_data"):
			steps++
			change(owned("ann", "").Data)
		}
	}
	renewed, err := store.Renew(ctx, token, rec)
	if err != nil || steps != 2 {
		t.Fatalf("Renew: %v, after %d steps", err, steps)
	}
	load(t, other, renewed)
	if n, err := other.EndSessions(ctx, "ann"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
}

// What renewals that broke off have left hides no session in the list.
func testOwnersLeftovers(t *testing.T, b Backend) {
	ctx := context.Background()
	opts := ownedTable()
	opts.CleanupBatch = 2
	other, store, _, _, fail := b.tapped(t, opts)
	rec := owned("ann", "first")
	token := create(t, other, rec)
	time.Sleep(2 * time.Millisecond)
	create(t, other, owned("ann", "second"))
	for range 6 {
		*fail = func(query string) error {
			if strings.HasPrefix(query, "UPDATE") {
				return errors.New("no")
			}
			return nil
		}
		if _, err := store.Renew(ctx, token, rec); err == nil {
			t.Fatal("the renewal did not break off")
		}
		*fail = nil
		if got := labels(t, other, "ann"); got != "second first" {
			t.Fatalf("sessions: %q", got)
		}
		page, next, err := other.Sessions(ctx, "ann", "", "", 1)
		if err != nil || len(page) != 1 || page[0].Label != "second" {
			t.Fatalf("first page: %v, %v", page, err)
		}
		page, next, err = other.Sessions(ctx, "ann", "", next, 1)
		if err != nil || len(page) != 1 || page[0].Label != "first" || next != "" {
			t.Fatalf("second page: %v, %q, %v", page, next, err)
		}
	}
}

// A copy of the token that is renewed between any two statements of
// EndOtherSessions is dead when it is done.
func testOwnersCopied(t *testing.T, b Backend) {
	ctx := context.Background()
	other, store, _, before, _ := b.tapped(t, ownedTable())
	for step := 1; ; step++ {
		rec := owned("ann", "mine")
		token := create(t, other, rec)
		var stolen string
		n := 0
		*before = func(string) {
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
	infos, _, err := store.Sessions(ctx, "ann", "", "", 0)
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
	rec := owned("ann", "begun after the others have ended")
	begun := create(t, plain, rec)
	if n, err := store.IndexOwners(ctx); n != 1 || err != nil {
		t.Errorf("IndexOwners: %d, %v", n, err)
	}
	if _, err := store.Renew(ctx, begun, rec); err != nil {
		t.Errorf("Renew of a session that was begun after the others have ended: %v", err)
	}

	// An owner that cannot be noted is refused.
	long := strings.Repeat("a", 300)
	create(t, plain, owned(long, ""))
	if n, err := store.IndexOwners(ctx); n != 0 || err != nil {
		t.Errorf("IndexOwners: %d, %v", n, err)
	}
	if _, err := store.EndSessions(ctx, long); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("EndSessions of an owner of 300 bytes: %v", err)
	}

	// A table that nobody has gone through.
	mustExec(t, b.db(t, place), "DELETE FROM "+opts.Table+"_owner WHERE session_key = '*'")
	fresh := b.wrapped(t, place, opts, new(Calls).Wrap)
	if _, err := store.EndSessions(ctx, "ann"); err != nil && !errors.Is(err, dbstore.ErrOwnersIncomplete) {
		t.Fatal(err)
	}
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
	_, _, errSessions := store.Sessions(ctx, rec.Owner, "", "", 0)
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
	if _, err := store.EndSessions(ctx, "ann\xff"); !errors.Is(err, session.ErrMisuse) {
		t.Errorf("EndSessions of an owner that is not UTF-8: %v", err)
	}
	for _, id := range []string{"a\x00", "a\xff", strings.Repeat("a", 5000), strings.Repeat("\x00", 32)} {
		if err := store.EndSession(ctx, "ann", id); err != nil {
			t.Errorf("EndSession of %.9q: %v", id, err)
		}
		if _, _, err := store.Sessions(ctx, "ann", "", "1."+id, 0); !errors.Is(err, session.ErrMisuse) {
			t.Errorf("Sessions after %.9q: %v", id, err)
		}
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
