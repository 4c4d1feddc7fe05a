package revocation_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// A visitor logs out, and somebody has a copy of the cookie.
func Example() {
	cookies, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	store, err := revocation.New(cookies, revocation.NewMemoryList(), revocation.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{InsecureAllowHTTP: true}})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		switch r.URL.Path {
		case "/login":
			s.SetOwner("alice")
			s.Set("user", "alice")
			s.Renew()
		case "/logout":
			s.Flush()
		}
		user, _ := session.Get[string](s, "user")
		fmt.Printf("%s: %q\n", r.URL.Path, user)
	})))
	defer server.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(path string, copied ...*http.Cookie) *http.Response {
		r, err := http.NewRequest("GET", server.URL+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		client := browser
		if copied != nil {
			client = http.DefaultClient
			r.AddCookie(copied[0])
		}
		res, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	copied := get("/login").Cookies()
	get("/", copied...)
	get("/logout")
	get("/", copied...)

	// Output:
	// /login: "alice"
	// /: "alice"
	// /logout: ""
	// /: ""
}

// Cookies that can be ended, by a list in an SQLite file that all processes of the
// site on this machine share.
func ExampleNewSQLList() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	db, err := sqlite.OpenDB(ctx, "revocation.db") // or, for PostgreSQL and MySQL, the database/sql pool of the site
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	list, err := revocation.NewSQLList(db, dbstore.SQLite, revocation.SQLOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	if err := list.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	cookies, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	store, err := revocation.New(cookies, list, revocation.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.StartCleanup(ctx, 0); err != nil {
		log.Fatal(err)
	}
	manager, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.Load(r); err == nil {
			s.Flush()
		}
	})
	log.Print(http.ListenAndServe("localhost:8000", manager.Handler(http.DefaultServeMux)))
}

// A user changes the password: all sessions end but this one, which goes on under
// a new token.
func ExampleStore_EndOtherSessions() {
	http.HandleFunc("POST /password", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		// Change the password, and then:
		s.EndOthers()
		fmt.Fprintln(w, "Your password was changed, and your other devices are logged out.")
	})
}
