package combined_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/combined"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/revocation"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

func cookies(t *testing.T) *signedcookie.Store {
	t.Helper()
	s, err := signedcookie.New([]byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM="), signedcookie.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rows(t *testing.T) *dbstore.Store { t.Helper(); return openRows(t, dbstore.Options{}) }

func ownedRows(t *testing.T) *dbstore.Store {
	t.Helper()
	return openRows(t, dbstore.Options{Owners: true})
}

func openRows(t *testing.T, opts dbstore.Options) *dbstore.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func overflow(t *testing.T, small, large session.SessionStore, opts combined.Options) *combined.Overflow {
	t.Helper()
	o, err := combined.NewOverflow(small, large, opts)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func switching(t *testing.T, from, to session.SessionStore) *combined.Switch {
	t.Helper()
	s, err := combined.NewSwitch(from, to, combined.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// full is an engine that nothing fits into.
type full struct{ session.SessionStore }

func (full) Save(context.Context, string, *session.Record) (string, error) {
	return "", &session.TooLargeError{Size: 1, Limit: 0}
}
func (f full) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	return f.Save(ctx, token, rec)
}

// The features of the engine that has the session are those of the combined
// one.
func TestConformance(t *testing.T) {
	cookie := sessiontest.Features{SynctestBubble: true, CookieBound: true, IgnoresContext: true, Toucher: true,
		UnchangedDeleter: true, ExpiredDeleter: true}
	row := sessiontest.Features{
		Revocable: true, DetectsConflicts: true, StableToken: true, SynctestBubble: true,
		Toucher: true, UnchangedDeleter: true, ExpiredDeleter: true, CookieBound: true,
	}
	owned := row
	owned.OwnerEnder = true
	databases, ownedDatabases := row, owned
	databases.AllEnder, ownedDatabases.AllEnder = true, true
	for _, tc := range []struct {
		name string
		new  func(t *testing.T) session.SessionStore
		f    sessiontest.Features
	}{
		{"overflow with everything in rows", func(t *testing.T) session.SessionStore {
			return overflow(t, full{cookies(t)}, rows(t), combined.Options{})
		}, row},
		{"switch to rows", func(t *testing.T) session.SessionStore { return switching(t, cookies(t), rows(t)) }, row},
		{"switch to another database", func(t *testing.T) session.SessionStore {
			return switching(t, rows(t), rows(t))
		}, databases},
		{"switch to another database, with owners", func(t *testing.T) session.SessionStore {
			return switching(t, ownedRows(t), ownedRows(t))
		}, ownedDatabases},
		{"overflow with everything in rows, with owners", func(t *testing.T) session.SessionStore {
			list := revocation.NewMemoryList()
			small, err := revocation.New(full{cookies(t)}, list, revocation.Options{MaxAge: 20 * 366 * 24 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return overflow(t, small, ownedRows(t), combined.Options{})
		}, owned},
		{"overflow with everything in the cookie", func(t *testing.T) session.SessionStore {
			return overflow(t, cookies(t), rows(t), combined.Options{})
		}, cookie},
	} {
		t.Run(tc.name, func(t *testing.T) { sessiontest.Run(t, tc.new, tc.f) })
	}
}

// site is a server with sessions and one browser.
type site struct {
	t      *testing.T
	url    string
	client *http.Client
}

func serve(t *testing.T, store session.SessionStore, opts session.Options) *site {
	t.Helper()
	s := &site{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}}
	s.client.Jar, _ = cookiejar.New(nil)
	s.swap(store, opts)
	return s
}

// swap puts another engine behind the same visitor, as a deployment does.
func (s *site) swap(store session.SessionStore, opts session.Options) {
	s.t.Helper()
	opts.Cookie.InsecureAllowHTTP = true
	m, err := session.NewManager(store, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	load := func(f func(w http.ResponseWriter, r *http.Request, sess *session.Session)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sess, err := session.Load(r)
			if err != nil {
				s.t.Errorf("Load: %v", err)
				return
			}
			f(w, r, sess)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/set", load(func(w http.ResponseWriter, r *http.Request, sess *session.Session) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		sess.Set(r.FormValue("k"), noise(n))
	}))
	mux.HandleFunc("/delete", load(func(w http.ResponseWriter, r *http.Request, sess *session.Session) {
		sess.Delete(r.FormValue("k"))
	}))
	mux.HandleFunc("/keys", load(func(w http.ResponseWriter, r *http.Request, sess *session.Session) {
		io.WriteString(w, strings.Join(sess.Keys(), " "))
	}))
	mux.HandleFunc("/renew", load(func(w http.ResponseWriter, r *http.Request, sess *session.Session) { sess.Renew() }))
	mux.HandleFunc("/logout", load(func(w http.ResponseWriter, r *http.Request, sess *session.Session) {
		sess.Flush()
	}))
	srv := httptest.NewServer(m.Handler(mux))
	s.t.Cleanup(srv.Close)
	s.url = srv.URL
}

func (s *site) get(path string) string {
	s.t.Helper()
	res, err := s.client.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		s.t.Errorf("%s: %d %s", path, res.StatusCode, body)
	}
	return string(body)
}

func (s *site) keys(want string) {
	s.t.Helper()
	if got := s.get("/keys"); got != want {
		s.t.Errorf("the session has the keys %q, want %q", got, want)
	}
}

func (s *site) cookie() string {
	u, _ := url.Parse(s.url)
	for _, c := range s.client.Jar.Cookies(u) {
		return c.Value
	}
	return ""
}

func (s *site) inRow() bool { return len(s.cookie()) == 32 }

// noise is n bytes that do not compress.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + rand.N(90))
		if b[i] == '"' || b[i] == '\\' {
			b[i] = 'a'
		}
	}
	return string(b)
}

func TestASessionThatOutgrowsTheCookieMovesAndComesBack(t *testing.T) {
	s := serve(t, overflow(t, cookies(t), rows(t), combined.Options{}), session.Options{})
	s.get("/set?k=user&n=10")
	if s.inRow() {
		t.Fatal("a small session is in a row")
	}
	s.get("/set?k=cart&n=5000")
	if !s.inRow() {
		t.Fatal("a large session is in the cookie")
	}
	s.keys("user cart")
	s.get("/set?k=cart&n=5001")
	s.keys("user cart")
	s.get("/set?k=cart&n=2900") // would fit, but not well
	if !s.inRow() {
		t.Error("a session near the limit moves to and fro")
	}
	s.get("/delete?k=cart")
	if s.inRow() {
		t.Error("a session that has become small stays in its row")
	}
	s.keys("user")
	s.get("/set?k=cart&n=5000")
	row := s.cookie()
	s.keys("user cart")
	s.get("/renew")
	if s.cookie() == row {
		t.Error("not renewed")
	}
	s.keys("user cart")
	s.get("/logout")
	s.keys("")
}

func TestReturningCanBeTurnedOff(t *testing.T) {
	s := serve(t, overflow(t, cookies(t), rows(t), combined.Options{ReturnBytes: -1}), session.Options{})
	s.get("/set?k=cart&n=5000")
	s.get("/set?k=cart&n=5")
	if !s.inRow() {
		t.Error("came back")
	}
}

// In a row, parallel changes are all kept, whether they let it grow or shrink,
// as long as it stays there.
func TestParallelChangesInARowAreAllKept(t *testing.T) {
	// Thirty at once take long on a busy machine.
	store := overflow(t, cookies(t), openRows(t, dbstore.Options{Timeout: time.Minute}), combined.Options{})
	s := serve(t, store, session.Options{CommitTimeout: time.Minute})
	s.get("/set?k=cart&n=9000")
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() { s.get(fmt.Sprintf("/set?k=k%d&n=%d", i, i*20)) })
	}
	all.Go(func() { s.get("/set?k=cart&n=6000") })
	all.Wait()
	if got := strings.Fields(s.get("/keys")); len(got) != 31 {
		t.Errorf("%d keys, want 31: %q", len(got), got)
	}
}

// Of parallel changes that move a session, what the browser keeps is what the
// last response carried: complete as of one of the changes, and nothing that
// was there before them is missing.
func TestParallelMovesKeepWhatWasThereBefore(t *testing.T) {
	for round := range 10 {
		s := serve(t, overflow(t, cookies(t), rows(t), combined.Options{}), session.Options{})
		s.get("/set?k=user&n=10")
		s.get("/set?k=team&n=10")
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() { s.get(fmt.Sprintf("/set?k=k%d&n=4500", i)) }) // each moves to a row
		}
		all.Wait()
		keys := s.get("/keys")
		if !strings.HasPrefix(keys, "user team k") || !s.inRow() {
			t.Fatalf("round %d: %q", round, keys)
		}
		for _, k := range strings.Fields(keys)[2:] {
			all.Go(func() { s.get("/delete?k=" + k) })
		}
		all.Wait()
		if keys := s.get("/keys"); !strings.HasPrefix(keys, "user team") {
			t.Fatalf("round %d: back in the cookie: %q", round, keys)
		}
	}
}

// A conflict while a session moves is the Manager's to merge: what the other
// request has acknowledged is in the moved session.
func TestAChangeDuringAMoveIsMerged(t *testing.T) {
	ctx := t.Context()
	small, large := cookies(t), rows(t)
	for name, store := range map[string]session.SessionStore{
		"overflow": overflow(t, small, large, combined.Options{}),
		"switch":   switching(t, large, small),
	} {
		t.Run(name, func(t *testing.T) {
			token, err := large.Save(ctx, "",
				&session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := store.Load(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			other, err := large.Load(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			other.Data = []byte(`{"a":1,"b":2}`)
			if _, err := large.Save(ctx, token, other); err != nil {
				t.Fatal(err)
			}
			rec.Data = []byte(`{"a":2}`)
			if _, err := store.Save(ctx, token, rec); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Save: %v", err)
			}
			if _, err := store.Renew(ctx, token, rec); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Renew: %v", err)
			}
			if err := large.Delete(ctx, token); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Save(ctx, token, rec); !errors.Is(err, session.ErrGone) {
				t.Errorf("Save after logout: %v", err)
			}
		})
	}
}

func TestSwitchingLogsNobodyOut(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to func(t *testing.T) session.SessionStore
	}{
		{"from cookies to rows", func(t *testing.T) session.SessionStore { return cookies(t) },
			func(t *testing.T) session.SessionStore { return rows(t) }},
		{"from rows to cookies", func(t *testing.T) session.SessionStore { return rows(t) },
			func(t *testing.T) session.SessionStore { return cookies(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from, to := tc.from(t), tc.to(t)
			s := serve(t, from, session.Options{})
			s.get("/set?k=user&n=10")
			old := s.cookie()

			s.swap(switching(t, from, to), session.Options{})
			s.keys("user")
			if s.cookie() != old {
				t.Error("a read changes the cookie")
			}
			s.get("/set?k=cart&n=10")
			if moved := s.cookie(); moved == old || (len(moved) == 32) == (len(old) == 32) {
				t.Error("not moved")
			}
			s.keys("user cart")
			s.get("/renew")
			s.keys("user cart")

			s.swap(to, session.Options{}) // the new engine alone
			s.keys("user cart")
			s.get("/logout")
			s.keys("")

			s.swap(switching(t, from, to), session.Options{})
			s.get("/set?k=new&n=10")
			if len(s.cookie()) == len(old) {
				t.Error("a new session began in the old engine")
			}
		})
	}
}

func TestSwitchingToCookiesLeavesLargeSessionsInTheirRows(t *testing.T) {
	from, to := rows(t), cookies(t)
	s := serve(t, from, session.Options{})
	s.get("/set?k=cart&n=6000")
	s.swap(switching(t, from, to), session.Options{})
	s.get("/set?k=user&n=10")
	s.get("/renew")
	if !s.inRow() {
		t.Error("in the cookie")
	}
	s.keys("cart user")
	s.get("/delete?k=cart")
	if s.inRow() {
		t.Error("not moved")
	}
	s.keys("user")
}

func TestTheOldRowIsThereForTheTimeOfGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		large := sessiontest.NewMemory()
		store := overflow(t, cookies(t), large, combined.Options{Grace: 10 * time.Second})
		token, err := large.Save(ctx, "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.Load(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		rec.Data = []byte(`{"a":2}`)
		if moved, err := store.Save(ctx, token, rec); err != nil || moved == token {
			t.Fatalf("not moved: %v", err)
		}
		time.Sleep(9 * time.Second)
		late, err := store.Load(ctx, token)
		if err != nil || string(late.Data) != `{"a":2}` {
			t.Errorf("a request that was on its way: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after the time of grace: %v", err)
		}
		if n, err := store.DeleteExpired(ctx); n != 1 || err != nil {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
	})
}

func TestARenewedSessionLeavesNothingBehind(t *testing.T) {
	ctx := t.Context()
	large := rows(t)
	for name, store := range map[string]session.SessionStore{
		"overflow": overflow(t, cookies(t), large, combined.Options{}),
		"switch":   switching(t, large, cookies(t)),
	} {
		token, err := large.Save(ctx, "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.Load(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Renew(ctx, token, rec); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(ctx, token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: the old token lives after Renew: %v", name, err)
		}
	}
}

func TestExtensionsMoveToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		from, to := sessiontest.NewMemory(), cookies(t)
		store := switching(t, from, to)
		token, err := from.Save(ctx, "", &session.Record{Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := session.NewManager(store, session.Options{IdleTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.Load(r); err != nil || !s.Has("a") {
				t.Errorf("Load: %v", err)
			}
		})).ServeHTTP(w, r)
		if c := w.Result().Cookies(); len(c) != 1 || len(c[0].Value) < 60 {
			t.Errorf("not moved: %v", c)
		}
	})
}

func TestBadOptions(t *testing.T) {
	if _, err := combined.NewOverflow(nil, cookies(t), combined.Options{}); err == nil {
		t.Error("an overflow of one engine")
	}
	if _, err := combined.NewSwitch(cookies(t), nil, combined.Options{}); err == nil {
		t.Error("a switch to nothing")
	}
	if _, err := combined.NewSwitch(cookies(t), rows(t), combined.Options{Grace: -1}); err == nil {
		t.Error("a negative grace")
	}
}

// What Load gives may be appended to, also where the engine shares it and the
// session was left behind.
func TestLoadedDataHasNoRoomBehindIt(t *testing.T) {
	small := cookies(t)
	const left = "{\"a\":1} \t"
	token, err := small.Save(t.Context(), "",
		&session.Record{Data: []byte(left), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	store := overflow(t, small, rows(t), combined.Options{})
	for range 2 { // the second time from the cache
		rec, err := store.Load(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		_ = append(rec.Data, "XY"...)
	}
	if rec, err := small.Load(t.Context(), token); err != nil || string(rec.Data) != left {
		t.Errorf("what was appended is in the engine: %v", err)
	}
}
