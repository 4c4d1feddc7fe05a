package dbstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	_ "modernc.org/sqlite"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// A store on a database that the application has opened itself.
func ExampleNew() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection

	store, err := dbstore.New(db, dbstore.SQLite, dbstore.Options{Table: "app_session"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close() // leaves db open
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}

	token, err := store.Save(ctx, "", &session.Record{
		Data:    []byte(`{"user_id":20}`),
		Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	rec, err := store.Load(ctx, token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s under a token of %d characters\n", rec.Data, len(token))
	// Output: {"user_id":20} under a token of 32 characters
}

// Two requests load the same session, and both change it.
func ExampleStore_Save() {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, ":memory:", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	token, err := store.Save(ctx, "", &session.Record{Data: []byte(`{"cart":[]}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}

	one, _ := store.Load(ctx, token)
	two, _ := store.Load(ctx, token)
	one.Data = []byte(`{"cart":["tea"]}`)
	_, err = store.Save(ctx, token, one)
	fmt.Println("one:", err)
	two.Data = []byte(`{"cart":["rice"]}`)
	_, err = store.Save(ctx, token, two)
	fmt.Println("two:", err, errors.Is(err, session.ErrConflict))

	// A session that has been ended stays dead.
	store.Delete(ctx, token)
	_, err = store.Save(ctx, token, one)
	fmt.Println("one:", err, errors.Is(err, session.ErrGone))
	// Output:
	// one: <nil>
	// two: session: changed by another request true
	// one: session: deleted by another request true
}

// Expired sessions are deleted in the background until the store is closed.
func ExampleStore_StartCleanup() {
	ctx := context.Background()
	passes := make(chan dbstore.CleanupResult, 1)
	store, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Options: dbstore.Options{
		OnCleanup: func(r dbstore.CleanupResult) { passes <- r },
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	for range 3 {
		expired := &session.Record{Data: []byte(`{}`), Expires: time.Now().Add(-time.Second)}
		if _, err := store.Save(ctx, "", expired); err != nil {
			log.Fatal(err)
		}
	}
	if err := store.StartCleanup(ctx, 10*time.Minute); err != nil {
		log.Fatal(err)
	}
	r := <-passes
	fmt.Println(r.Deleted, r.Err)
	// Output: 3 <nil>
}
