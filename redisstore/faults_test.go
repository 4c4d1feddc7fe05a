package redisstore_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
)

// proxied opens a store through a proxy. cut has the connection cut when the next
// answer comes, so that the server has done what it was asked, and calls meanwhile
// before go-redis asks again.
func proxied(t *testing.T, opts redisstore.Options) (store *redisstore.Store, direct *redisstore.Store,
	proxy *testserver.Proxy, cut func(meanwhile func())) {
	t.Helper()
	server := single.Start(t)
	proxy = testserver.NewProxy(t, server.Addr)
	opts.Prefix = prefix(t)
	direct = open(t, server.URL, opts)
	store = open(t, strings.Replace(server.URL, server.Addr, proxy.Addr, 1), opts)
	return store, direct, proxy, func(meanwhile func()) {
		var over atomic.Bool
		proxy.SetFilter(func(toServer bool, _ []byte) bool {
			if toServer || over.Swap(true) {
				return false
			}
			if meanwhile != nil {
				meanwhile()
			}
			return true
		})
	}
}

func TestEachOperationIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	store, _, proxy, _ := proxied(t, redisstore.Options{})
	ctx := t.Context()
	var rec *session.Record
	var token string
	steps := []struct {
		name string
		want int64
		do   func() error
	}{
		{"load with a malformed token", 0, func() error { store.Load(ctx, "malformed"); return nil }},
		{"create", 1, func() (err error) { rec = record("ann", `{}`); token, err = store.Save(ctx, "", rec); return err }},
		{"load", 1, func() (err error) { rec, err = store.Load(ctx, token); return err }},
		{"save", 1, func() error { _, err := store.Save(ctx, token, rec); return err }},
		{"touch", 1, func() error { return store.Touch(ctx, token, rec) }},
		{"renew", 1, func() (err error) { token, err = store.Renew(ctx, token, rec); return err }},
		{"delete unchanged", 1, func() error { return store.DeleteUnchanged(ctx, token, rec) }},
		{"delete", 1, func() error { return store.Delete(ctx, token) }},
	}
	for _, warm := range []bool{false, true} { // the scripts are not known at first
		for _, step := range steps {
			before := proxy.RoundTrips()
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if n := proxy.RoundTrips() - before; warm && n != step.want {
				t.Errorf("%s takes %d round trips, want %d", step.name, n, step.want)
			}
		}
	}
}

// go-redis sends a command again whose answer was lost.
func TestWhatIsDoneTwiceHasOneEffect(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"", "ann"} {
		store, direct, _, cut := proxied(t, redisstore.Options{Owners: owner != ""})
		ctx := t.Context()
		want := func(op string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s, whose answer was lost: %v", op, err)
			}
		}
		// The answer that is lost is that of the index first, and then, at the
		// second try, that of the session.
		for range 3 {
			rec := record(owner, `{"n":1}`)
			cut(nil)
			token, err := store.Save(ctx, "", rec)
			want("Save of a new session", err)
			rec.Data = []byte(`{"n":2}`)
			cut(nil)
			_, err = store.Save(ctx, token, rec)
			want("Save", err)
			rec.Expires = rec.Expires.Add(time.Minute)
			cut(nil)
			want("Touch", store.Touch(ctx, token, rec))
			cut(nil)
			renewed, err := store.Renew(ctx, token, rec)
			want("Renew", err)
			got, err := direct.Load(ctx, renewed)
			if err != nil || string(got.Data) != `{"n":2}` || !got.Expires.Equal(rec.Expires) {
				t.Fatalf("after all that there is another session: %v", err)
			}
			if _, err := store.Save(ctx, renewed, rec); err != nil {
				t.Errorf("the record's version is not that of the session: %v", err)
			}
			cut(nil)
			want("Delete", store.Delete(ctx, renewed))
			if n, err := direct.Count(ctx); n != 0 || err != nil {
				t.Errorf("%d sessions are left, %v", n, err)
			}
		}
	}
}

// What another request has done before the second try hides whether the first one
// was done.
func TestADoubtIsNeitherAConflictNorALogout(t *testing.T) {
	t.Parallel()
	store, direct, _, cut := proxied(t, redisstore.Options{})
	ctx := context.Background()
	doubt := func(op string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrGone) ||
			errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s gave %v", op, err)
		}
	}
	// The server has to know the scripts: one that it does not know has not run.
	known := record("", `{"n":1}`)
	first := begin(t, direct, known)
	_, err := direct.Save(ctx, first, known)
	if err == nil {
		first, err = direct.Renew(ctx, first, known)
	}
	if err == nil {
		err = direct.DeleteUnchanged(ctx, first, known)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		rec := record("", `{"n":1}`)
		token := begin(t, store, rec)
		cut(func() {
			other, err := direct.Load(ctx, token)
			if err != nil {
				t.Error(err)
				return
			}
			if other.Data = []byte(`{"n":3}`); err == nil {
				_, err = direct.Save(ctx, token, other)
			}
			if err != nil {
				t.Error(err)
			}
		})
		rec.Data = []byte(`{"n":2}`)
		_, err := store.Save(ctx, token, rec)
		doubt("Save", err)

		rec, err = store.Load(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		cut(nil)
		doubt("DeleteUnchanged", store.DeleteUnchanged(ctx, token, rec))

		// A renewal is in no doubt: its new key tells.
		rec = record("", `{"n":1}`)
		token = begin(t, store, rec)
		cut(func() { direct.Delete(ctx, token) })
		renewed, err := store.Renew(ctx, token, rec)
		if err != nil {
			t.Errorf("Renew: %v", err)
		}
		if _, err := direct.Load(ctx, renewed); err != nil {
			t.Errorf("Load after Renew: %v", err)
		}
		// Nor is what was lost before it was done.
		cut(nil)
		stale := record("", `{"n":9}`)
		stale.Version = rec.Version
		if _, err := direct.Save(ctx, renewed, rec); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.Load(ctx, renewed); err != nil {
			t.Fatal(err)
		}
	}
}

// quiet is for stores whose servers are out of order.
var quiet = slog.New(slog.DiscardHandler)

// broken is a site on a server of its own that a test breaks.
type broken struct {
	*testserver.Server
	store   *redisstore.Store
	request func(cookie string, do func(s *session.Session)) (string, int)
	cookie  string // of a visitor who is logged in
}

func newBroken(t *testing.T, opts redisstore.Options, parameters string) *broken {
	t.Helper()
	b := &broken{Server: testserver.Redis()}
	t.Cleanup(b.Stop)
	b.Start(t)
	opts.Logger = quiet
	b.store = open(t, b.URL+parameters, opts)
	b.request = site(t, b.store)
	b.login()
	return b
}

func (b *broken) login() {
	b.cookie, _ = b.request("", func(s *session.Session) { s.SetOwner("ann"); s.Set("user", "ann"); s.Renew() })
}

// read returns the status of a page that reads the session, and whether it shows
// the visitor logged in. The cookie stays, whatever happens.
func (b *broken) read(t *testing.T) (code int, loggedIn bool) {
	t.Helper()
	cookie, code := b.request(b.cookie, func(s *session.Session) { loggedIn = s.Has("user") })
	if cookie != b.cookie {
		t.Error("the visitor lost the cookie")
	}
	return code, loggedIn
}

// write returns the status of a page that changes the session.
func (b *broken) write(t *testing.T) int {
	t.Helper()
	cookie, code := b.request(b.cookie, func(s *session.Session) { s.Set("n", time.Now().UnixNano()) })
	if cookie != b.cookie {
		t.Error("the visitor lost the cookie")
	}
	return code
}

// recovers fails the test unless the site works again, by itself, with the visitor
// logged in.
func (b *broken) recovers(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		code, loggedIn := b.read(t)
		if code == 200 && loggedIn && b.write(t) == 200 {
			return
		}
		if code == 200 && !loggedIn {
			t.Fatal("the visitor was logged out")
		}
		if time.Now().After(deadline) {
			t.Fatal("the site does not recover")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *broken) do(t *testing.T, args ...any) {
	t.Helper()
	if err := client(t, b.URL).Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatIsDown(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{Owners: true}, "?max_retries=1&dial_timeout=200ms")
	b.Kill(t)
	if code, _ := b.read(t); code != 503 {
		t.Errorf("reading: status %d", code)
	}
	if code := b.write(t); code != 503 {
		t.Errorf("writing: status %d", code)
	}
	b.Restart(t)
	// It is empty now. The visitor is nobody, and can log in again.
	deadline := time.Now().Add(20 * time.Second)
	for {
		code, loggedIn := b.read(t)
		if loggedIn {
			t.Fatal("a session has survived")
		}
		if code == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the site does not recover")
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.login()
	b.recovers(t) // the scripts are unknown to the server
	if n, err := b.store.EndSessions(t.Context(), "ann"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
}

func TestAServerThatForgetsTheScripts(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{Owners: true}, "")
	for range 3 {
		b.do(t, "script", "flush")
		if code := b.write(t); code != 200 {
			t.Errorf("status %d", code)
		}
	}
	b.recovers(t)
}

func TestAServerThatIsSlow(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{}, "?read_timeout=100ms&max_retries=1")
	b.do(t, "client", "pause", 1000, "all")
	if code, _ := b.read(t); code != 503 {
		t.Errorf("status %d", code)
	}
	b.recovers(t)
}

func TestAContextEndsAnOperation(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{}, "?read_timeout=10s")
	b.do(t, "client", "pause", 1500, "all")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.store.Load(ctx, b.cookie); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load: %v", err)
	}
}

func TestAServerThatIsReadOnly(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{Owners: true}, "?max_retries=1")
	b.do(t, "replicaof", "127.0.0.1", "1")
	if code := b.write(t); code != 503 {
		t.Errorf("writing: status %d", code)
	}
	if _, code := b.request("", func(s *session.Session) { s.Set("user", 1) }); code != 503 {
		t.Errorf("beginning: status %d", code)
	}
	if found, err := b.store.Check(t.Context()); err != nil || !mentions(found, "is a replica") {
		t.Errorf("Check finds %v, %v", found, err)
	}
	b.do(t, "replicaof", "no", "one")
	b.recovers(t)
}

func TestAServerOutOfMemory(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{Owners: true}, "?max_retries=1")
	second, _ := b.request("", func(s *session.Session) { s.SetOwner("bob"); s.Set("user", "bob") })
	third, _ := b.request("", func(s *session.Session) { s.SetOwner("carl"); s.Set("user", "carl") })
	b.do(t, "config", "set", "maxmemory", "1")
	if code, loggedIn := b.read(t); code != 200 || !loggedIn {
		t.Errorf("reading: status %d", code)
	}
	if code := b.write(t); code != 503 {
		t.Errorf("writing: status %d", code)
	}
	if _, code := b.request(b.cookie, func(s *session.Session) { s.Renew() }); code != 503 {
		t.Errorf("renewing: status %d", code)
	}
	// Logging out goes on.
	if _, code := b.request(second, func(s *session.Session) { s.Flush() }); code != 200 {
		t.Errorf("logging out: status %d", code)
	}
	if n, err := b.store.EndSessions(t.Context(), "carl"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
	for _, cookie := range []string{second, third} {
		if _, err := b.store.Load(t.Context(), cookie); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a session that was ended: %v", err)
		}
	}
	b.do(t, "config", "set", "maxmemory", "0")
	b.recovers(t)
}

// mentions reports whether a finding has a text.
func mentions(found []redisstore.Finding, text string) bool {
	for _, f := range found {
		if strings.Contains(f.Text, text) {
			return true
		}
	}
	return false
}

func TestErrorsOfServersTellNothing(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{Owners: true}, "")
	key := b.store.Key(b.cookie)
	b.do(t, "del", key)
	b.do(t, "lpush", key, "confidential")
	_, loadErr := b.store.Load(t.Context(), b.cookie)
	rec := record("confidential", `{"confidential":1}`)
	_, saveErr := b.store.Save(t.Context(), b.cookie, rec)
	b.do(t, "acl", "setuser", "default", "-set", "-evalsha", "-eval")
	_, deniedErr := b.store.Save(t.Context(), "", rec)
	for name, err := range map[string]error{"Load": loadErr, "Save": saveErr, "Save without the right": deniedErr} {
		if err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, secret := range []string{"confidential", key, b.cookie[:12], b.cookie[12:]} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells: %v", name, err)
			}
		}
	}
	if !strings.Contains(deniedErr.Error(), "access list") {
		t.Errorf("the error does not say what to do: %v", deniedErr)
	}
}

func TestOpenErrorsHaveNoPassword(t *testing.T) {
	for _, url := range []string{
		"", "redis", "http://user:secret@127.0.0.1:1", "redis://user:secret@127.0.0.1:1",
		"redis://user:secret@127.0.0.1:1/x", "redis://user:se%zcret@127.0.0.1:1", "redis+sentinel://user:secret@127.0.0.1:1",
		"redis+cluster://:secret@127.0.0.1:1?nonsense=secret", "redis+other://:secret@127.0.0.1:1",
		"redis+sentinel://:secret@127.0.0.1:1?master_name=secret", "redis+cluster://:secret@127.0.0.1:1",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		store, err := redisstore.Open(ctx, url, redisstore.Options{Logger: quiet})
		cancel()
		if err == nil {
			store.Close()
			t.Errorf("no error")
		} else if strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	b := newBroken(t, redisstore.Options{WaitTimeout: time.Millisecond}, "")
	check := func(want ...string) {
		t.Helper()
		found, err := b.store.Check(t.Context())
		if err != nil {
			t.Errorf("Check: %v", err)
		}
		for _, text := range want {
			if !mentions(found, text) {
				t.Errorf("Check does not find %q: %v", text, found)
			}
		}
	}
	check("maxmemory is not set", "appendonly")
	b.do(t, "config", "set", "maxmemory-policy", "allkeys-lru")
	check("set it to noeviction")
	b.do(t, "acl", "setuser", "default", "-info", "-config", "-time", "-cluster")
	check("refuses INFO")
	b.do(t, "acl", "setuser", "default", "-eval")
	check("refuses scripts")
	b.Kill(t)
	if _, err := b.store.Check(t.Context()); err == nil {
		t.Error("Check of a server that is down gives no error")
	}
}

func TestWaitingForReplicas(t *testing.T) {
	t.Parallel()
	primary, replica := testserver.Redis("repl-diskless-sync-delay 0"), testserver.Redis()
	t.Cleanup(primary.Stop)
	t.Cleanup(replica.Stop)
	primary.Start(t)
	replica.Start(t)
	opts := redisstore.Options{WaitReplicas: 1, WaitTimeout: 50 * time.Millisecond, Owners: true, Logger: quiet}
	store := open(t, primary.URL, opts)
	ctx := t.Context()
	if token, err := store.Save(ctx, "", record("", `{}`)); err == nil || token != "" {
		t.Errorf("Save without a replica: %v", err)
	}
	found, err := store.Check(ctx)
	if err != nil || !mentions(found, "WaitReplicas is 1") {
		t.Errorf("Check finds %v, %v", found, err)
	}
	host, port, _ := strings.Cut(primary.Addr, ":")
	if err := client(t, replica.URL).Do(ctx, "replicaof", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := store.Save(ctx, "", record("", `{}`)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica does not confirm")
		}
		time.Sleep(50 * time.Millisecond)
	}
	copied := client(t, replica.URL)
	opts.WaitTimeout = 10 * time.Second
	opts.Prefix = store.Prefix()
	store = open(t, primary.URL, opts)
	for range 20 {
		rec := record("ann", `{"n":1}`)
		token := begin(t, store, rec)
		if n := copied.Exists(ctx, store.Key(token)).Val(); n != 1 {
			t.Error("a session that was saved is not on the replica")
		}
		if token, err = store.Renew(ctx, token, rec); err != nil {
			t.Fatal(err)
		}
		if n := copied.Exists(ctx, store.Key(token)).Val(); n != 1 {
			t.Error("a session that was renewed is not on the replica")
		}
		if _, err := store.EndSessions(ctx, "ann"); err != nil {
			t.Error(err)
		}
		if n := copied.StrLen(ctx, store.Key(token)).Val(); n > 1 {
			t.Error("a session that was ended is on the replica")
		}
	}
}

// What is told of a clock is for the operator; sessions do not depend on it.
func TestTheClockOfTheServerDoesNotCount(t *testing.T) {
	onAll(t, func(t *testing.T, url string) {
		store := open(t, url, redisstore.Options{})
		rec := record("", `{}`)
		rec.Expires = time.Now().Add(200 * time.Millisecond)
		token := begin(t, store, rec)
		// A server that is late: the key outlives the session.
		if err := store.Client().PExpire(t.Context(), store.Key(token), time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(rec.Expires))
		if _, err := store.Load(t.Context(), token); !errors.Is(err, session.ErrExpired) {
			t.Errorf("Load: %v", err)
		}
		rec.Expires = time.Now().Add(time.Hour)
		if _, err := store.Save(t.Context(), token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Save: %v", err)
		}
		if err := store.Touch(t.Context(), token, rec); !errors.Is(err, session.ErrGone) {
			t.Errorf("Touch: %v", err)
		}
	})
}
