package session_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// A whole site: visitors are counted, each for themself.
func Example() {
	// In a real site: signedcookie.New or sqlite.Open.
	store := sessiontest.NewMemory()

	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		n, _ := session.Get[int](s, "visits")
		s.Set("visits", n+1)
		fmt.Fprintf(w, "visit %d", n+1)
	})

	srv := httptest.NewTLSServer(m.Handler(mux))
	defer srv.Close()
	browser := srv.Client()
	browser.Jar, _ = cookiejar.New(nil)
	for range 3 {
		res, err := browser.Get(srv.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(body))
	}
	// Output:
	// visit 1
	// visit 2
	// visit 3
}

// Login renews the token, so that nobody who knew the old one is logged in too;
// logout flushes.
func ExampleSession_Renew() {
	login := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		// ... after the password was checked:
		s.Renew()
		s.Set("user_id", 20)
		s.AddFlash("Welcome back!")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
	logout := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		s.Flush()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}

	m, err := session.NewManager(sessiontest.NewMemory(),
		session.Options{Cookie: session.CookieOptions{Name: "__Host-session"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/login", nil)
	m.Handler(http.HandlerFunc(login)).ServeHTTP(w, r)
	cookie := w.Result().Cookies()[0]
	fmt.Println(cookie.Name, cookie.Secure, cookie.HttpOnly, cookie.MaxAge)

	w, r = httptest.NewRecorder(), httptest.NewRequest("POST", "/logout", nil)
	r.AddCookie(cookie)
	m.Handler(http.HandlerFunc(logout)).ServeHTTP(w, r)
	cookie = w.Result().Cookies()[0]
	fmt.Println(cookie.Name, cookie.Secure, cookie.HttpOnly, cookie.MaxAge)
	// Output:
	// __Host-session true true 1209600
	// __Host-session true true -1
}

// Two requests of a visitor that put something into the cart at the same moment
// both count.
func ExampleChange() {
	m, err := session.NewManager(sessiontest.NewMemory(), session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	add := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		session.Change(s, "cart", func(cart []string) []string { return append(cart, r.FormValue("item")) })
		cart, _ := session.Get[[]string](s, "cart")
		fmt.Println(cart)
	}
	var cookie *http.Cookie
	for _, item := range []string{"pears", "bread"} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/add?item="+item, nil)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		m.Handler(http.HandlerFunc(add)).ServeHTTP(w, r)
		cookie = w.Result().Cookies()[0]
	}
	// Output:
	// [pears]
	// [pears bread]
}
