package signedcookie_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"time"

	"sessionengine/session"
	"sessionengine/signedcookie"
)

// A server whose sessions live in signed cookies, and a visitor.
func Example() {
	secret := []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=") // from the environment, on a real site
	store, err := signedcookie.New(secret, signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		s.Renew()
		s.Set("user_id", 20)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		if id, ok := session.Get[int](s, "user_id"); ok {
			fmt.Fprintf(w, "Hello, user %d.", id)
		} else {
			fmt.Fprint(w, "Hello, stranger.")
		}
	})
	server := httptest.NewTLSServer(m.Handler(mux))
	defer server.Close()

	visitor := server.Client()
	visitor.Jar, _ = cookiejar.New(nil)
	get := func() {
		resp, err := visitor.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		body.ReadFrom(resp.Body)
		fmt.Println(&body)
	}
	get()
	resp, err := visitor.Post(server.URL+"/login", "", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	get()
	// Output:
	// Hello, stranger.
	// Hello, user 20.
}

// Cookies that nobody can read, and that are smaller too.
func ExampleNew_sealed() {
	secret := []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=")
	data := []byte(`{"user_id":20,"email":"an.nguyen@example.com"}`)
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		store, err := signedcookie.New(secret, signedcookie.Options{Scheme: scheme})
		if err != nil {
			log.Fatal(err)
		}
		token, err := store.Save(context.Background(), "",
			&session.Record{Data: data, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v: %d bytes\n", scheme, len(token))
	}
	// Output:
	// signed: 91 bytes
	// encrypted: 112 bytes
	// sealed: 63 bytes
}

// A secret is replaced: sessions that were saved with the old one go on, and are
// saved with the new one from now on.
func ExampleOptions_fallbackSecrets() {
	oldSecret := []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=")
	newSecret := []byte("Vb3nM5kQ8xZ1cL7jH4gF2dS0aP6oI9uY3tR5eW8qTzU=")
	ctx := context.Background()

	before, err := signedcookie.New(oldSecret, signedcookie.Options{})
	if err != nil {
		log.Fatal(err)
	}
	token, err := before.Save(ctx, "", &session.Record{Data: []byte(`{"user_id":20}`),
		Expires: time.Now().Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}

	after, err := signedcookie.New(newSecret, signedcookie.Options{FallbackSecrets: [][]byte{oldSecret}})
	if err != nil {
		log.Fatal(err)
	}
	rec, err := after.Load(ctx, token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", rec.Data)
	// Output: {"user_id":20}
}

// A dictionary of the site's own words makes cookies smaller.
func ExampleTrainDictionary() {
	secret := []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=")
	game := func(i int) []byte {
		return fmt.Appendf(nil, `{"player":%d,"inventory":{"sword of light":%d,"healing potion":%d},`+
			`"quest":"The Lost Lighthouse"}`, i*37, i%3, i%5)
	}
	var samples [][]byte
	for i := range 100 {
		samples = append(samples, game(i))
	}
	dictionary, err := signedcookie.TrainDictionary(samples, signedcookie.TrainOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, opts := range []signedcookie.Options{{}, {Dictionary: dictionary}} {
		store, err := signedcookie.New(secret, opts)
		if err != nil {
			log.Fatal(err)
		}
		token, err := store.Save(context.Background(), "",
			&session.Record{Data: game(1000), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(token) < 120)
	}
	// Output:
	// false
	// true
}
