package postgres_test

import (
	"context"
	"log"
	"time"

	"sessionengine/dbstore/postgres"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := postgres.Open(ctx, "postgres://app:secret@db.example.com/app", postgres.Options{MaxConns: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	// Several machines may do both of these at once.
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if err := store.StartCleanup(ctx, time.Hour); err != nil {
		log.Fatal(err)
	}
}
