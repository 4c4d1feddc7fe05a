package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/redis/go-redis/v9"

	"sessionengine/redisstore"
	"sessionengine/session"
)

func Example() {
	ctx := context.Background()
	store, err := redisstore.Open(ctx, "redis://localhost:6379/0", redisstore.Options{Owners: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Check(ctx); err != nil { // logs what an operator should know
		log.Fatal(err)
	}
	sessions, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // it has been answered
		}
		fmt.Fprintln(w, "logged in:", s.Has("user"))
	})
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}

// An application that has a client of its own shares it with the store.
func ExampleNew() {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                 []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"},
		ContextTimeoutEnabled: true, // so that an operation ends with its request
	})
	defer client.Close()
	store, err := redisstore.New(client, redisstore.Options{Prefix: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
}
