// Login is a site that visitors log in to, with "remember me", and "log out
// everywhere". Checking the password is left to you: it takes any name.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"time"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "address to listen on")
	flag.Parse()

	store, err := sqlite.Open(context.Background(), "login.db", sqlite.Options{Options: dbstore.Options{Owners: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	sessions, err := newSessions(store)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*addr, sessions.Handler(routes())))
}

func newSessions(store session.SessionStore) (*session.Manager, error) {
	return session.NewManager(store, session.Options{
		IdleTimeout:     12 * time.Hour,
		AbsoluteTimeout: 60 * 24 * time.Hour,
	})
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /account", account)
	mux.HandleFunc("POST /logout", logout)
	mux.HandleFunc("POST /logout-everywhere", logoutEverywhere)
	return mux
}

func login(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return // the middleware answers
	}
	user := r.FormValue("user") // whose password was checked
	if user == "" {
		http.Error(w, "who?", http.StatusForbidden)
		return
	}
	s.Renew() // a new token, so that nobody who knew the old one is logged in
	s.Set("user", user)
	s.SetOwner(user)
	s.SetLabel(r.UserAgent())
	if r.FormValue("remember") != "" {
		s.SetExpiry(30 * 24 * time.Hour)
	}
	s.AddFlash("Welcome!")
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

func account(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	user, ok := session.Get[string](s, "user")
	if !ok {
		http.Error(w, "log in first", http.StatusForbidden)
		return
	}
	for _, message := range session.Flashes[string](s) {
		fmt.Fprintln(w, message)
	}
	fmt.Fprintln(w, "This is the account of", user)
}

func logout(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	s.Flush()
	fmt.Fprintln(w, "Goodbye.")
}

func logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	s.FlushAll()
	fmt.Fprintln(w, "Goodbye, on all your devices.")
}
