package django_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"sessionengine/dbstore/sqlite"
	"sessionengine/django"
	"sessionengine/session"
)

// notMoved passes on what is still Django's.
func notMoved(site *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(site)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}}
}

// A page that has moved to Go greets the users of a Django site.
func Example() {
	secretKey := "the SECRET_KEY of the site"

	store, err := django.NewCookieStore(secretKey, django.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	auth, err := django.NewAuth(secretKey, django.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	manager, err := session.NewManager(store, session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	// passwordHash is SELECT password FROM auth_user WHERE id = ? AND is_active.
	passwordHash := func(ctx context.Context, id string) (string, error) {
		return "pbkdf2_sha256$1000$aSaltOfDjangosLength22$qeRn8lKw9z3zbys3+wx1ijoNOa8QqKsuXoP5oYfeo8Q=", nil
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		user, ok := django.SessionUser(s)
		if !ok {
			fmt.Fprintln(w, "Hello, stranger")
			return
		}
		hash, err := passwordHash(r.Context(), user.ID)
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		if !auth.Verify(s, hash) {
			s.Flush()
			fmt.Fprintln(w, "Hello, stranger")
			return
		}
		fmt.Fprintln(w, "Hello, user", user.ID)
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		password := r.FormValue("password")
		// These are SELECT id, password FROM auth_user WHERE username = ? AND is_active.
		id, hash := "42", "pbkdf2_sha256$1000$aSaltOfDjangosLength22$qeRn8lKw9z3zbys3+wx1ijoNOa8QqKsuXoP5oYfeo8Q="
		ok, err := django.CheckPassword(password, hash)
		if err != nil {
			http.Error(w, "log in at the old page", http.StatusServiceUnavailable)
			return
		}
		if !ok {
			http.Error(w, "wrong name or password", http.StatusForbidden)
			return
		}
		auth.Login(s, django.User{ID: id}, hash)
	})
	handler := manager.Handler(mux)

	visit := func(path string, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest("GET", path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if text := strings.TrimSpace(w.Body.String()); text != "" {
			fmt.Println(text)
		}
		return w.Result()
	}
	visit("/hello", nil)
	login := visit("/login?password=secret", nil)
	visit("/hello", login.Cookies())
	// Output:
	// Hello, stranger
	// Hello, user 42
}

// Sessions in Django's table, here in an SQLite database.
func ExampleRows() {
	ctx := context.Background()
	secretKey, file := "the SECRET_KEY of the site", ":memory:"

	rows, err := django.Rows(secretKey, django.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := sqlite.Open(ctx, file, sqlite.Options{Options: rows})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	manager, err := session.NewManager(store, session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	handler := manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			return
		}
		s.Set("team", "red")
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println("a session key of", len(w.Result().Cookies()[0].Value), "characters")
	// Output:
	// a session key of 32 characters
}

// Cookies that an older SECRET_KEY signed are read as well.
func ExampleNewCookieStore() {
	ctx := context.Background()
	before, err := django.NewCookieStore("the old key", django.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	now, err := django.NewCookieStore("the new key", django.Options{Fallbacks: []string{"the old key"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	token, err := before.Save(ctx, "", &session.Record{Data: []byte(`{"team":"red"}`),
		Expires: time.Now().Add(14 * 24 * time.Hour)})
	if err != nil {
		fmt.Println(err)
		return
	}
	rec, err := now.Load(ctx, token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", rec.Data)
	// Output:
	// {"team":"red"}
}
