package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A visitor is a browser on the site.
type visitor struct {
	t      *testing.T
	site   *url.URL
	client *http.Client
	rows   func() int // in the database; nil without one
}

// onEachEngine calls f with a visitor of a new site on each engine.
func onEachEngine(t *testing.T, f func(t *testing.T, v *visitor)) {
	for _, engine := range []string{"signedcookie", "dbstore"} {
		t.Run("on "+engine, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sessions.db")
			store, err := openStore(t.Context(), engine, file)
			if err != nil {
				t.Fatal(err)
			}
			v := &visitor{t: t, client: &http.Client{Jar: newJar(t)}}
			if closer, ok := store.(io.Closer); ok {
				t.Cleanup(func() {
					if err := closer.Close(); err != nil {
						t.Error(err)
					}
				})
				v.rows = func() int { return countRows(t, file) }
			}
			site, err := newSite(store, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(site)
			t.Cleanup(server.Close)
			if v.site, err = url.Parse(server.URL); err != nil {
				t.Fatal(err)
			}
			f(t, v)
		})
	}
}

func newJar(t *testing.T) *cookiejar.Jar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

func countRows(t *testing.T, file string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM django_session").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// wants goes to a page and fails the test unless it shows text.
func (v *visitor) wants(method, path, text string) *http.Response {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.site.JoinPath(path).String(), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), "<p>"+text+"</p>") {
		v.t.Errorf("%s %s answered %s with\n%s\nwant a page that says %q", method, path, res.Status, body, text)
	}
	return res
}

// has fails the test unless the browser has as many session cookies as told,
// and the database as many rows.
func (v *visitor) has(when string, sessions int) {
	v.t.Helper()
	var cookies int
	for _, c := range v.client.Jar.Cookies(v.site) {
		if c.Name == "sessionid" {
			cookies++
		}
	}
	if cookies != sessions {
		v.t.Errorf("%s the browser has %d session cookies, want %d", when, cookies, sessions)
	}
	if v.rows != nil {
		if n := v.rows(); n != sessions {
			v.t.Errorf("%s the table has %d rows, want %d", when, n, sessions)
		}
	}
}

func TestValuesAreSavedShownAndDeleted(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *visitor) {
		v.wants("GET", "/show", "There is no user_id in the session.")
		v.has("before anything is saved", 0)

		res := v.wants("POST", "/save", "Saved user_id and team.")
		v.has("after values were saved", 1)
		want := regexp.MustCompile(`^sessionid=[^ ;]+; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax$`)
		if got := res.Header.Values("Set-Cookie"); len(got) != 1 || !want.MatchString(got[0]) {
			t.Errorf("Set-Cookie is not one header that matches %s", want)
		}

		for range 2 {
			res = v.wants("GET", "/show", "user_id is 20, team is Barcelona.")
			if res.Header.Get("Set-Cookie") != "" {
				t.Error("a page that only reads the session sets a cookie")
			}
			if got := res.Header.Get("Vary"); got != "Cookie" {
				t.Errorf("a page that reads the session has Vary %q, want Cookie", got)
			}
		}

		v.wants("POST", "/delete", "Deleted user_id and team.")
		v.has("after the last value was deleted", 0)
		v.wants("GET", "/show", "There is no user_id in the session.")
	})
}

func TestHomePageFindsOutAboutCookies(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *visitor) {
		v.wants("GET", "/", "Please enable cookies, and load this page again.")
		v.has("after the test cookie was set", 1)
		v.wants("GET", "/", "Your browser accepts cookies.")
		v.has("after the test cookie was deleted", 0)
	})
}

func TestHomePageKeepsAskingABrowserWithoutCookies(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *visitor) {
		v.client = &http.Client{}
		for range 3 {
			v.wants("GET", "/", "Please enable cookies, and load this page again.")
		}
	})
}

func TestTestCookieLeavesOtherValues(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *visitor) {
		v.wants("POST", "/save", "Saved user_id and team.")
		v.wants("GET", "/", "Please enable cookies, and load this page again.")
		v.wants("GET", "/", "Your browser accepts cookies.")
		v.has("after the test cookie was deleted beside other values", 1)
		v.wants("GET", "/show", "user_id is 20, team is Barcelona.")
	})
}

// A copy of the cookie outlives the deletion where the session is in the
// cookie, and is worth nothing where it is in the database.
func TestCopiedCookieAfterDeletion(t *testing.T) {
	onEachEngine(t, func(t *testing.T, v *visitor) {
		v.wants("POST", "/save", "Saved user_id and team.")
		thief := *v
		thief.client = &http.Client{Jar: newJar(t)}
		thief.client.Jar.SetCookies(v.site, v.client.Jar.Cookies(v.site))

		v.wants("POST", "/delete", "Deleted user_id and team.")
		if v.rows != nil {
			thief.wants("GET", "/show", "There is no user_id in the session.")
		} else {
			thief.wants("GET", "/show", "user_id is 20, team is Barcelona.")
		}
	})
}

func TestWrongUsageIsExplained(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"an engine that is not there": {[]string{"-engine", "redis"},
			`-engine is "redis", want signedcookie or dbstore`},
		"a flag that is not there": {[]string{"-port", "80"}, "flag provided but not defined: -port"},
		"a flag without a value":   {[]string{"-addr"}, "flag needs an argument: -addr"},
		"an argument":              {[]string{"dbstore"}, `unexpected argument "dbstore"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			err := run(t.Context(), tt.args, &stderr)
			if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about the usage that contains %q", err, tt.want)
			}
			if stderr.Len() > 0 {
				t.Errorf("unexpected output: %s", &stderr)
			}
		})
	}
	t.Run("a host that is not this one", func(t *testing.T) {
		if err := run(t.Context(), []string{"-addr", "192.0.2.1:8000"}, io.Discard); err == nil ||
			errors.Is(err, errUsage) {
			t.Errorf("error %v, want that of listening", err)
		}
	})
	t.Run("a database in a folder that is not there", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "missing", "sessions.db")
		if err := run(t.Context(), []string{"-engine", "dbstore", "-db", file}, io.Discard); err == nil ||
			errors.Is(err, errUsage) {
			t.Errorf("error %v, want that of opening the database", err)
		}
	})
}

func TestHelp(t *testing.T) {
	var stderr bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &stderr); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v, want flag.ErrHelp", err)
	}
	for _, name := range []string{"-engine", "-addr", "-db"} {
		if !strings.Contains(stderr.String(), name) {
			t.Errorf("the help does not tell of %s:\n%s", name, &stderr)
		}
	}
}

// syncBuffer is a buffer for output that is read while the program runs.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestProgramServesUntilItIsInterrupted(t *testing.T) {
	for _, engine := range []string{"signedcookie", "dbstore"} {
		t.Run("on "+engine, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			var stderr syncBuffer
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, []string{"-engine", engine, "-addr", "127.0.0.1:0"}, &stderr) }()

			announced := regexp.MustCompile(`http://[0-9.:]+/`)
			var site string
			for deadline := time.Now().Add(30 * time.Second); site == "" &&
				time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				site = announced.FindString(stderr.String())
			}
			u, err := url.Parse(site)
			if err != nil || site == "" {
				t.Fatalf("the program announced no address: %q", stderr.String())
			}
			v := &visitor{t: t, site: u, client: &http.Client{Jar: newJar(t)}}
			v.wants("POST", "/save", "Saved user_id and team.")
			v.wants("GET", "/show", "user_id is 20, team is Barcelona.")

			interrupt()
			if err := <-ended; err != nil {
				t.Errorf("the program ended with %v", err)
			}
			if _, err := v.client.Get(site); err == nil {
				t.Error("the program still answers after its end")
			}
		})
	}
}

func TestStoreThatIsDownIsNoLogout(t *testing.T) {
	store, err := openStore(t.Context(), "dbstore", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	site, err := newSite(store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"GET /", "POST /save", "GET /show", "POST /delete"} {
		method, path, _ := strings.Cut(target, " ")
		req := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		req.AddCookie(&http.Cookie{Name: "sessionid", Value: strings.Repeat("a", 32)})
		w := httptest.NewRecorder()
		site.ServeHTTP(w, req)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s answered %d and set the cookie %q, want 503 and none", target, w.Code,
				w.Header().Get("Set-Cookie"))
		}
	}
}
