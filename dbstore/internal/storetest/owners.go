package storetest

import (
	"context"
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
	infos, err := store.Sessions(context.Background(), owner)
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
	infos, err := store.Sessions(ctx, "user 7")
	if err != nil {
		t.Fatal(err)
	}
	info := infos[0]
	if info.Created.Before(before) || info.Created.After(time.Now().Add(time.Second)) || !info.LastSeen.Equal(info.Created) || !info.Expires.Equal(load(t, store, laptop).Expires) {
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
	if got := labels(t, store, "user 7"); got != "new phone laptop" {
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
	after, err := store.Sessions(ctx, "user 7")
	if err != nil || len(after) != 2 || after[0].Label != "new phone" || !after[0].Created.Equal(infos[1].Created) || !after[0].LastSeen.After(infos[1].LastSeen) {
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
	if got := labels(t, store, "user 7"); got != "phone laptop" {
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
	if n, err := store.EndSessions(ctx, "user 7", tablet); n != 2 || err != nil {
		t.Errorf("ending all others: %d, %v", n, err)
	}
	if got := labels(t, store, "user 7"); got != "tablet" {
		t.Errorf("after ending all others: %q", got)
	}
	if _, err := store.Save(ctx, tv, load(t, store, tablet)); !errors.Is(err, session.ErrGone) {
		t.Errorf("an ended session is saved: %v", err)
	}
	if n, err := store.EndSessions(ctx, "user 7", ""); n != 1 || err != nil {
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
		if err := db.QueryRow("SELECT COUNT(*) FROM " + opts.Table + "_owner WHERE label = 'short'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
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

	if _, err := store.Save(ctx, "", owned(strings.Repeat("secret", 50), "")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an owner of 300 bytes: %v", err)
	}
	if _, err := store.EndSessions(ctx, "user 8", "no token"); !errors.Is(err, session.ErrInvalidToken) {
		t.Errorf("a token to keep that is none: %v", err)
	}

	plain := b.store(t, dbstore.Options{})
	if _, err := plain.Sessions(ctx, "user 7"); err == nil {
		t.Error("owners are listed though they are not kept")
	}
	store.Close()
	if _, err := store.Sessions(ctx, "user 8"); !errors.Is(err, session.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func testOwnersConformance(t *testing.T, b Backend) {
	if !b.Bubble {
		t.Skip("it takes long on a server, and the SQL is that of testOwners")
	}
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		return b.store(t, dbstore.Options{Owners: true})
	}, b.Features())
}
