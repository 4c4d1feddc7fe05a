package sessiontest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// An application's handlers are tested with a store in memory, a server and a
// cookie jar.
func ExampleNewMemory() {
	m, err := session.NewManager(sessiontest.NewMemory(), session.Options{
		Cookie: session.CookieOptions{InsecureAllowHTTP: true}, // the test server has no TLS
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(m.Handler(http.HandlerFunc(countVisits)))
	defer server.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Jar: jar}
	for range 3 {
		res, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(body), err)
	}
	// Output:
	// visit 1 <nil>
	// visit 2 <nil>
	// visit 3 <nil>
}

func countVisits(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return // the middleware answers 503
	}
	visits, _ := session.Get[int](s, "visits")
	visits++
	s.Set("visits", visits)
	fmt.Fprintf(w, "visit %d", visits)
}
