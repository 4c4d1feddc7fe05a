package mysql_test

import (
	"context"
	"log"
	"time"

	"sessionengine/dbstore/mysql"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := mysql.Open(ctx, "mysql://app:secret@db.example.com/app?tls=true", mysql.Options{MaxConns: 20})
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
