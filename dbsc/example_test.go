package dbsc_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"sessionengine/dbsc"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// A site whose sessions are in cookies, and bound to the visitor's device.
func Example() {
	secret := []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=") // from the site's configuration
	store, err := signedcookie.New(secret, signedcookie.Options{Scheme: signedcookie.Sealed})
	if err != nil {
		log.Fatal(err)
	}
	binder, err := dbsc.New(secret, dbsc.Options{Exclude: []string{"/static"}})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.NewManager(store, session.Options{
		Cookie: session.CookieOptions{Name: "__Host-session"},
		Guard:  binder,
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		s.Renew()
		s.Set("user", "ada") // whose password was checked
		s.SetOwner("ada")    // which is what dbsc goes by
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("POST /transfer", binder.RequireBound(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "done") })))

	site := httptest.NewTLSServer(binder.Handler(sessions, mux)) // or http.ListenAndServeTLS
	defer site.Close()

	client := site.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Post(site.URL+"/login", "", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	fmt.Println(resp.Header.Get("Secure-Session-Registration")[:41])
	for _, c := range resp.Cookies() {
		fmt.Println(c.Name, c.MaxAge)
	}
	// Output:
	// 303 See Other
	// (ES256 RS256);path="/dbsc/register";chall
	// __Host-dbsc 600
	// __Host-session 1209600
}
