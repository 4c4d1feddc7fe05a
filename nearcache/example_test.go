package nearcache_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"sessionengine/nearcache"
	"sessionengine/redisstore"
	"sessionengine/session"
)

func Example() {
	engine, err := redisstore.Open(context.Background(), "redis://localhost:6379/0", redisstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	// A logout on another node is seen within milliseconds, and always within a second.
	store, err := nearcache.New(engine, nearcache.Options{MaxStale: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	manager, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_ = manager // manager.Handler is the middleware

	stats := store.Stats()
	fmt.Println(stats.Watching, stats.Hits, stats.Misses)
}
