package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

// A server that keeps its sessions in a file.
func ExampleOpen() {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, "sessions.db", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.StartCleanup(ctx, time.Hour); err != nil {
		log.Fatal(err)
	}
	manager, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			http.Error(w, "no session", http.StatusServiceUnavailable)
			return
		}
		visits, _ := session.Get[int](s, "visits")
		s.Set("visits", visits+1)
		fmt.Fprintf(w, "visit %d\n", visits+1)
	})
	log.Fatal(http.ListenAndServe("localhost:8000", manager.Handler(hello)))
}
