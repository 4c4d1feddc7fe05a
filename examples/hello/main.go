// Hello is the smallest whole site with sessions: it counts the visits of each
// visitor, and forgets them on request.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "address to listen on")
	flag.Parse()

	store, err := sqlite.Open(context.Background(), "sessions.db", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	sessions, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", visit)
	mux.HandleFunc("POST /forget", forget)
	log.Fatal(http.ListenAndServe(*addr, sessions.Handler(mux)))
}

func visit(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return // the database is down; the middleware answers
	}
	visits, _ := session.Get[int](s, "visits")
	s.Set("visits", visits+1)
	fmt.Fprintf(w, "This is your visit no. %d.\n", visits+1)
}

func forget(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	s.Flush()
	fmt.Fprintln(w, "Who are you?")
}
