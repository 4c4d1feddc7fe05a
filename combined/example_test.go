package combined_test

import (
	"context"
	"log"

	"sessionengine/combined"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// Sessions that fit live in the cookie, the few large ones in a database.
func ExampleNewOverflow() {
	ctx := context.Background()
	cookie, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	rows, err := sqlite.Open(ctx, ":memory:", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()

	store, err := combined.NewOverflow(cookie, rows, combined.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_ = m
}

// A site moves from cookies to a database: until the last cookie has expired,
// both are read.
func ExampleNewSwitch() {
	ctx := context.Background()
	cookie, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	rows, err := sqlite.Open(ctx, ":memory:", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()

	store, err := combined.NewSwitch(cookie, rows, combined.Options{}) // from, to
	if err != nil {
		log.Fatal(err)
	}
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_ = m
}
