package source_test

import (
	"context"
	"fmt"
	"log"

	"sessionengine/bench/source"
)

// The sessions of a Django site, from its table.
func ExampleRead() {
	found, err := source.Read(context.Background(), "postgres://reader@db.example.com/shop", source.Options{
		Secrets: [][]byte{[]byte("the site's SECRET_KEY")},
		Name:    "shop",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found.Sessions), "sessions of", found.Found)
}
