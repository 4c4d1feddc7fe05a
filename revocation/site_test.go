package revocation_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/combined"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/testserver"
	"sessionengine/revocation"
	"sessionengine/session"
)

var (
	postgres = testserver.Postgres()
	mariadb  = testserver.MySQL()
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, postgres, mariadb)) }

// databases are what an SQLList can be in. Each returns a function that opens the
// same database once more, as another node does.
var databases = []struct {
	name    string
	dialect dbstore.Dialect
	place   func(t *testing.T) (open func() *sql.DB)
}{
	{"sqlite", dbstore.SQLite, func(t *testing.T) func() *sql.DB {
		path := sqlitePath(t)
		return func() *sql.DB { return openSQLite(t, path) }
	}},
	{"postgres", dbstore.Postgres, func(t *testing.T) func() *sql.DB {
		postgres.Start(t)
		return func() *sql.DB { return postgres.Open(t) }
	}},
	{"mariadb", dbstore.MySQL, func(t *testing.T) func() *sql.DB {
		mariadb.Start(t)
		return func() *sql.DB { return mariadb.Open(t) }
	}},
	{"mariadb as dbstore opens it", dbstore.MySQL, func(t *testing.T) func() *sql.DB {
		mariadb.Start(t)
		return func() *sql.DB {
			db, err := sql.Open(mariadb.Driver, mariadb.URL+"?clientFoundRows=true&interpolateParams=true")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db
		}
	}},
}

var tables atomic.Int64

// newTable returns the name of a table that no other test uses.
func newTable() string { return fmt.Sprintf("revocation_%d", tables.Add(1)) }

// onEveryDatabase runs a test with a function that opens the same list for
// another node.
func onEveryDatabase(t *testing.T, test func(t *testing.T, open func() *revocation.SQLList)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			db, table := d.place(t), newTable()
			test(t, func() *revocation.SQLList {
				return sqlList(t, db(), d.dialect, revocation.SQLOptions{Table: table})
			})
		})
	}
}

// node is a server of a site.
type node struct {
	url   string
	store *revocation.Store
	slow  chan chan struct{} // of requests for /slow: closed when they may go on
}

// serve starts a node.
func serve(t *testing.T, store *revocation.Store) *node {
	t.Helper()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{Name: "site",
		InsecureAllowHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{store: store, slow: make(chan chan struct{})}
	mux := http.NewServeMux()
	handle := func(path string, f func(w http.ResponseWriter, r *http.Request, s *session.Session) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				return // the middleware answers
			}
			if err := f(w, r, s); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	handle("/login", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.SetOwner(r.FormValue("user"))
		s.Set("user", r.FormValue("user"))
		s.Renew()
		return nil
	})
	handle("/user", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		user, _ := session.Get[string](s, "user")
		_, err := io.WriteString(w, user)
		return err
	})
	handle("/set", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.Set("value", r.FormValue("value"))
		return nil
	})
	handle("/logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.Flush()
		return nil
	})
	handle("/renew", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.Renew()
		return nil
	})
	handle("/everywhere", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.Flush()
		return endAll(r.Context(), store, r.FormValue("user"))
	})
	handle("/others", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.EndOthers()
		return nil
	})
	handle("/slow", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		s.Set("value", "slow")
		if r.FormValue("renew") != "" {
			s.Renew()
		}
		goOn := make(chan struct{})
		n.slow <- goOn
		<-goOn
		if r.FormValue("others") != "" {
			s.EndOthers()
		}
		_, err := io.WriteString(w, "the handler's body")
		return err
	})
	server := httptest.NewServer(m.Handler(mux))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

// browser keeps a visitor's cookie, which all nodes get.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}}
}

// try asks a node.
func (b *browser) try(n *node, path string) (status int, body string) {
	res, err := b.client.Get(n.url + path)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Error(err)
	}
	return res.StatusCode, string(text)
}

// get asks a node, which has to answer well.
func (b *browser) get(n *node, path string) string {
	b.t.Helper()
	status, body := b.try(n, path)
	if status != http.StatusOK {
		b.t.Errorf("%s: %d %s", path, status, body)
	}
	return body
}

// is checks who the nodes take the visitor for.
func (b *browser) is(want string, nodes ...*node) {
	b.t.Helper()
	for i, n := range nodes {
		if got := b.get(n, "/user"); got != want {
			b.t.Errorf("node %d takes the visitor for %q, want %q", i, got, want)
		}
	}
}

// thief returns a browser with copies of the cookies that b has now.
func (b *browser) thief(n *node) *browser {
	b.t.Helper()
	u, err := url.Parse(n.url)
	if err != nil {
		b.t.Fatal(err)
	}
	stolen := newBrowser(b.t)
	stolen.client.Jar.SetCookies(u, b.client.Jar.Cookies(u))
	return stolen
}

func TestALogoutIsSeenOnEveryNode(t *testing.T) {
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) {
		one := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		two := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		alice, bob, phone := newBrowser(t), newBrowser(t), newBrowser(t)
		alice.get(one, "/login?user=alice")
		earlier := alice.thief(one)
		alice.get(two, "/set?value=1")
		later := alice.thief(one)
		phone.get(two, "/login?user=alice")
		bob.get(one, "/login?user=bob")
		for _, b := range []*browser{alice, earlier, later, phone} {
			b.is("alice", one, two)
		}

		alice.get(one, "/logout")
		for _, b := range []*browser{alice, earlier, later} {
			b.is("", one, two)
		}
		phone.is("alice", one, two)
		bob.is("bob", one, two)
		alice.get(two, "/login?user=alice")
		alice.is("alice", one, two)
	})
}

func TestARenewedSessionsOldCookieIsDead(t *testing.T) {
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) {
		one := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		two := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		alice := newBrowser(t)
		alice.get(one, "/login?user=alice")
		old := alice.thief(one)
		alice.get(two, "/renew")
		alice.is("alice", one, two)
		old.is("", one, two)
	})
}

func TestLogOutEverywhere(t *testing.T) {
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) {
		one := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		two := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		laptop, phone, bob := newBrowser(t), newBrowser(t), newBrowser(t)
		bob.get(one, "/login?user=bob")
		// Each time, also at once, and also for sessions that have begun since.
		for range 3 {
			laptop.get(one, "/login?user=alice")
			phone.get(two, "/login?user=alice")
			stolen := laptop.thief(one)
			laptop.is("alice", one, two)
			phone.is("alice", one, two)
			laptop.get(two, "/everywhere?user=alice")
			for _, b := range []*browser{laptop, phone, stolen} {
				b.is("", one, two)
			}
			bob.is("bob", one, two)
		}
	})
}

func TestLogOutOtherDevices(t *testing.T) {
	onEveryDatabase(t, func(t *testing.T, open func() *revocation.SQLList) {
		one := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		two := serve(t, wrap(t, cookies(t), open(), revocation.Options{}))
		laptop, phone, bob := newBrowser(t), newBrowser(t), newBrowser(t)
		bob.get(one, "/login?user=bob")
		laptop.get(one, "/login?user=alice")
		for range 3 {
			phone.get(two, "/login?user=alice")
			stolen := laptop.thief(one)
			laptop.get(two, "/others")
			laptop.is("alice", one, two)
			laptop.get(one, "/set?value=1")
			laptop.is("alice", one, two)
			phone.is("", one, two)
			stolen.is("", one, two)
			bob.is("bob", one, two)
		}
	})
}

// A request that has loaded its session before it was ended.
func TestASlowRequestDoesNotBringASessionBack(t *testing.T) {
	for _, tc := range []struct{ name, slow, end string }{
		{"save after logout", "/slow", "/logout"},
		{"renew after logout", "/slow?renew=1", "/logout"},
		{"save after renew", "/slow", "/renew"},
		{"renew after renew", "/slow?renew=1", "/renew"},
		{"save after logging out everywhere", "/slow", "/everywhere?user=alice"},
		{"renew after logging out everywhere", "/slow?renew=1", "/everywhere?user=alice"},
		{"logging out others after logging out everywhere", "/slow?renew=1&others=1", "/everywhere?user=alice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			db := openSQLite(t, sqlitePath(t))
			open := func() *revocation.SQLList { return sqlList(t, db, dbstore.SQLite, revocation.SQLOptions{}) }
			one := serve(t, wrap(t, cookies(t), open(), revocation.Options{MaxStale: time.Hour}))
			two := serve(t, wrap(t, cookies(t), open(), revocation.Options{MaxStale: time.Hour}))
			alice := newBrowser(t)
			alice.get(one, "/login?user=alice")
			slow := alice.thief(one)
			var wait sync.WaitGroup
			wait.Go(func() {
				status, body := slow.try(two, tc.slow)
				if status != http.StatusBadRequest || strings.Contains(body, "handler") {
					t.Errorf("the slow request got %d %s", status, body)
				}
			})
			goOn := <-two.slow
			alice.get(one, tc.end)
			close(goOn)
			wait.Wait()
			slow.is("", one)
		})
	}
}

// switchable is a list that can be out of order.
type switchable struct {
	revocation.List
	broken atomic.Bool
	asked  atomic.Int64
}

var errBroken = errors.New("the list is out of order")

func (l *switchable) Lookup(ctx context.Context, id, owner string) (revocation.Entry, error) {
	l.asked.Add(1)
	if l.broken.Load() {
		return revocation.Entry{}, errBroken
	}
	return l.List.Lookup(ctx, id, owner)
}

func (l *switchable) End(ctx context.Context, id string, until time.Time) (bool, error) {
	if l.broken.Load() {
		return false, errBroken
	}
	return l.List.End(ctx, id, until)
}

func (l *switchable) EndOwner(ctx context.Context, owner string, generation int64, until time.Time) (int64, error) {
	if l.broken.Load() {
		return 0, errBroken
	}
	return l.List.EndOwner(ctx, owner, generation, until)
}

func TestWhenTheListIsOutOfOrderNobodyIsLoggedOut(t *testing.T) {
	list := &switchable{List: revocation.NewMemoryList()}
	n := serve(t, wrap(t, cookies(t), list, revocation.Options{}))
	alice, gone := newBrowser(t), newBrowser(t)
	alice.get(n, "/login?user=alice")
	gone.get(n, "/login?user=bob")
	stolen := gone.thief(n)
	gone.get(n, "/logout")

	list.broken.Store(true)
	for _, path := range []string{"/user", "/set?value=1", "/renew", "/logout", "/everywhere?user=alice"} {
		if status, body := alice.try(n, path); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := newBrowser(t).try(n, "/user"); status != http.StatusOK {
		t.Errorf("a visitor without a session: %d", status)
	}
	if status, _ := newBrowser(t).try(n, "/login?user=carol"); status != http.StatusServiceUnavailable {
		t.Errorf("a login: %d", status)
	}
	list.broken.Store(false)
	alice.is("alice", n)
	stolen.is("", n)
}

func TestServeUnchecked(t *testing.T) {
	list := &switchable{List: revocation.NewMemoryList()}
	var told atomic.Int64
	store := wrap(t, cookies(t), list, revocation.Options{ServeUnchecked: func(_ context.Context, err error) bool {
		if !errors.Is(err, errBroken) {
			t.Errorf("told of %v", err)
		}
		told.Add(1)
		return true
	}})
	n := serve(t, store)
	alice, carol, dave, gone := newBrowser(t), newBrowser(t), newBrowser(t), newBrowser(t)
	alice.get(n, "/login?user=alice")
	gone.get(n, "/login?user=bob")
	stolen := gone.thief(n)
	gone.get(n, "/logout")
	if err := endAll(t.Context(), store, "dave"); err != nil {
		t.Fatal(err)
	}
	if told.Load() != 0 {
		t.Error("told of nothing")
	}

	list.broken.Store(true)
	alice.is("alice", n)
	alice.get(n, "/set?value=1")
	carol.get(n, "/login?user=carol")
	carol.is("carol", n)
	dave.get(n, "/login?user=dave")
	dave.is("dave", n)
	stolen.is("bob", n) // the price
	if told.Load() < 5 {
		t.Errorf("told %d times", told.Load())
	}
	for _, path := range []string{"/renew", "/logout", "/others"} {
		if status, body := alice.try(n, path); status < 500 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}

	list.broken.Store(false)
	alice.is("alice", n)
	carol.is("carol", n)
	dave.is("", n) // nobody knew that this was after the others had ended
	stolen.is("", n)
	if err := endAll(t.Context(), store, "carol"); err != nil {
		t.Fatal(err)
	}
	carol.is("", n)
}

func TestSessionsFromBeforeRevocation(t *testing.T) {
	plain := cookies(t)
	m, err := session.NewManager(plain, session.Options{Cookie: session.CookieOptions{Name: "site",
		InsecureAllowHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	before := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			t.Errorf("Load: %v", err)
			return
		}
		s.SetOwner("alice")
		s.Set("user", "alice")
		s.Set("login", rand.Text()) // equal cookies are one session
	})))
	defer before.Close()
	login := func() *browser {
		b := newBrowser(t)
		b.get(&node{url: before.URL}, "/")
		return b
	}
	list := revocation.NewMemoryList()
	n := serve(t, wrap(t, plain, list, revocation.Options{}))

	t.Run("they go on", func(t *testing.T) {
		b := login()
		b.is("alice", n)
		b.get(n, "/set?value=1")
		b.is("alice", n)
		b.get(n, "/renew")
		b.is("alice", n)
	})
	t.Run("logging out ends the cookie that was sent", func(t *testing.T) {
		b := login()
		stolen := b.thief(n)
		other := login()
		other.get(n, "/set?value=1")
		b.get(n, "/logout")
		stolen.is("", n)
		other.is("alice", n)
	})
	t.Run("logging out ends all that came of a cookie", func(t *testing.T) {
		b := login()
		stolen := b.thief(n)
		b.get(n, "/set?value=1")
		stolen.is("alice", n)
		second := b.thief(n)
		b.get(n, "/logout")
		stolen.is("", n)
		second.is("", n)
	})
	t.Run("marked only", func(t *testing.T) {
		b := login()
		strict := serve(t, wrap(t, plain, list, revocation.Options{RefuseUnmarked: true}))
		b.is("", strict)
		b.get(strict, "/login?user=alice")
		b.is("alice", strict, n)
	})
	t.Run("logging out everywhere ends them", func(t *testing.T) {
		b, saved := login(), login()
		stolen := b.thief(n)
		saved.get(n, "/set?value=1")
		newBrowser(t).get(n, "/everywhere?user=alice")
		b.is("", n)
		stolen.is("", n)
		saved.is("", n)
	})
	t.Run("revocation can be turned off", func(t *testing.T) {
		b := newBrowser(t)
		b.get(n, "/login?user=bob")
		mux := http.NewServeMux()
		mux.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Load(r)
			if err != nil {
				t.Errorf("Load: %v", err)
				return
			}
			fmt.Fprint(w, strings.Join(s.Keys(), " "))
		})
		after := httptest.NewServer(m.Handler(mux))
		defer after.Close()
		b.is("user", &node{url: after.URL})
	})
}

func TestASessionThatOutgrewItsCookieLeavesNothingBehind(t *testing.T) {
	rows, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	both, err := combined.NewOverflow(cookies(t), rows, combined.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := serve(t, wrap(t, both, revocation.NewMemoryList(), revocation.Options{}))
	alice := newBrowser(t)
	alice.get(n, "/login?user=alice")
	small := alice.thief(n)
	var noise strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&noise, "%x", i*i*7919%65536)
	}
	alice.get(n, "/set?value="+noise.String())
	large := alice.thief(n)
	alice.is("alice", n)
	small.is("alice", n)
	alice.get(n, "/set?value=1")
	back := alice.thief(n)
	alice.is("alice", n)
	alice.get(n, "/logout")
	for _, b := range []*browser{small, large, back} {
		b.is("", n)
	}
	if _, err := n.store.DeleteExpired(t.Context()); err != nil {
		t.Errorf("DeleteExpired: %v", err)
	}
}
