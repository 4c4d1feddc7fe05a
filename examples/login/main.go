// Login is a site that visitors log in to, with "remember me", a list of their
// devices, and "log out everywhere". Checking the password is left to you: it
// takes any name.
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
	log.Fatal(http.ListenAndServe(*addr, sessions.Handler(routes(sessions))))
}

func newSessions(store session.SessionStore) (*session.Manager, error) {
	return session.NewManager(store, session.Options{
		IdleTimeout:     12 * time.Hour,
		AbsoluteTimeout: 60 * 24 * time.Hour,
	})
}

func routes(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /account", account)
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) { devices(w, r, sessions) })
	mux.HandleFunc("POST /devices/{id}/logout",
		func(w http.ResponseWriter, r *http.Request) { logoutDevice(w, r, sessions) })
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

// ownerOf returns whose session it is, or answers with an error.
func ownerOf(w http.ResponseWriter, r *http.Request) (owner string, ok bool) {
	s, err := session.Load(r)
	if err != nil {
		return "", false
	}
	if s.Owner() == "" {
		http.Error(w, "log in first", http.StatusForbidden)
	}
	return s.Owner(), s.Owner() != ""
}

func devices(w http.ResponseWriter, r *http.Request, sessions *session.Manager) {
	owner, ok := ownerOf(w, r)
	if !ok {
		return
	}
	list, _, err := sessions.Sessions(r.Context(), owner, "", 0)
	if err != nil {
		http.Error(w, "no list", session.ErrorStatus(err))
		return
	}
	for _, device := range list {
		fmt.Fprint(w, device.ID, " ", device.Label)
		if device.Current {
			fmt.Fprint(w, " (this device)")
		}
		fmt.Fprintln(w)
	}
}

func logoutDevice(w http.ResponseWriter, r *http.Request, sessions *session.Manager) {
	owner, ok := ownerOf(w, r)
	if !ok {
		return
	}
	if err := sessions.EndSession(r.Context(), owner, r.PathValue("id")); err != nil {
		http.Error(w, "try again", session.ErrorStatus(err))
		return
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
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
