package dbsc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sessionengine/dbsc"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

var rsaKey = sync.OnceValue(func() any {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// inBubble runs a test on each engine, with a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T, store session.SessionStore)) {
	for name, newStore := range engines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newStore(t)) })
		})
	}
}

// A copy of all cookies works for minutes; the browser that has the key goes on.
func TestAStolenCookieIsDeadAfterMinutes(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{"", jose.RS256} {
		t.Run("alg="+string(alg), func(t *testing.T) {
			inBubble(t, func(t *testing.T, store session.SessionStore) {
				s := newSite(t, store, dbsc.Options{})
				victim := s.browser(true)
				victim.alg = alg
				victim.want("/login?user=ada", "welcome")
				if got := s.took(); got != "offered, registered" {
					t.Fatalf("events of a login: %s", got)
				}
				victim.want("/secure", "for your device only")
				time.Sleep(10 * time.Second)
				victim.want("/page", `hello "ada"`)
				if got := s.took(); got != "" {
					t.Errorf("events of a request with a fresh cookie: %s", got)
				}
				thief := victim.copy()
				thief.want("/page", `hello "ada"`) // nothing tells the two apart yet
				for name := range thief.cookies {  // a thief's cookies do not expire by themselves
					thief.cookies[name] = cookie{thief.cookies[name].value, time.Now().Add(1000 * time.Hour)}
				}
				time.Sleep(dbsc.MaxLife)
				thief.want("/page", `hello ""`)
				thief.copy().want("/visit", `hello ""`) // which begins another session
				thief.wantStatus("/secure", 403)
				victim.want("/page", `hello "ada"`)
				victim.want("/visit", `hello "ada"`)
				victim.want("/secure", "for your device only")
				if got := s.took(); got != "unproven, unproven, unproven, challenged, refreshed" {
					t.Errorf("events: %s", got)
				}
				// A day of this, with the site open from time to time.
				for range 100 {
					time.Sleep(14 * time.Minute)
					victim.want("/visit", `hello "ada"`)
					thief.want("/page", `hello ""`)
				}
				// The end: the browser is told at once.
				s.took()
				victim.want("/logout", "goodbye")
				victim.want("/page", `hello ""`)
				if got := s.took(); got != "ended" || len(victim.sessions) != 0 {
					t.Errorf("events of a logout: %s; the browser has %d sessions", got, len(victim.sessions))
				}
			})
		})
	}
}

// The same by the real clock, on a Redis server.
func TestAStolenCookieIsDeadOnRedis(t *testing.T) {
	t.Parallel()
	const life = 2 * time.Second
	s := newSite(t, redisStore(t), dbsc.Options{Life: life})
	victim := s.browser(true)
	victim.want("/login?user=ada", "welcome")
	thief := victim.copy()
	thief.want("/page", `hello "ada"`)
	time.Sleep(life)
	for name := range thief.cookies { // a thief's cookies do not expire by themselves
		thief.cookies[name] = cookie{thief.cookies[name].value, time.Now().Add(time.Hour)}
	}
	thief.want("/page", `hello ""`)
	victim.want("/visit", `hello "ada"`)
	victim.want("/secure", "for your device only")
	victim.want("/logout", "goodbye")
	victim.want("/page", `hello ""`)
	if len(victim.sessions) != 0 {
		t.Error("the browser was not told that the session has ended")
	}
}

// The session's cookie alone is worth nothing, from the moment that the session
// is bound.
func TestTheSessionsCookieAloneIsWorthNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		victim := s.browser(true)
		victim.want("/login?user=ada", "welcome")
		thief := victim.copy()
		delete(thief.cookies, dbsc.DefaultCookieName)
		thief.want("/page", `hello ""`)
		if resp := thief.get("/page"); len(resp.header.Values("Set-Cookie")) > 0 {
			t.Errorf("a response that refuses a session sets cookies: %q", resp.header)
		}
		victim.want("/page", `hello "ada"`)
		// A thief with an account of their own has a cookie that is fresh, and bound
		// to another session.
		mallory := s.browser(true)
		mallory.want("/login?user=mallory", "welcome")
		thief.cookies[dbsc.DefaultCookieName] = mallory.cookies[dbsc.DefaultCookieName]
		thief.want("/page", `hello ""`)
	})
}

// A browser that cannot bind sessions is asked now and then, and goes on as ever.
func TestWithoutSupportAllIsAsBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		old := s.browser(false)
		old.want("/page", `hello ""`)
		if got := s.took(); got != "" {
			t.Errorf("events of a visitor who is not logged in: %s", got)
		}
		old.want("/login?user=ada", "welcome")
		for range 30 {
			time.Sleep(time.Minute)
			old.want("/visit", `hello "ada"`)
		}
		if got := s.took(); got != "offered, offered, offered, offered" && got != "offered, offered, offered" {
			t.Errorf("events of half an hour: %s", got)
		}
		old.wantStatus("/secure", 403)
		old.want("/nothing", "static")
		old.want("/logout", "goodbye")
		old.want("/page", `hello ""`)
	})
}

// A session that nobody is logged in to, and a request that does not load it, see
// nothing of all this.
func TestNothingHappensWithoutALogin(t *testing.T) {
	s := newSite(t, sessiontest.NewMemory(), dbsc.Options{})
	b := s.browser(true)
	b.want("/visit", `hello ""`)
	for _, path := range []string{"/visit", "/nothing"} {
		for field := range b.get(path).header {
			if strings.HasPrefix(field, "Secure-") {
				t.Errorf("%s has the field %s", path, field)
			}
		}
	}
	if _, ok := b.cookies[dbsc.DefaultCookieName]; ok || s.took() != "" {
		t.Error("a visitor who is not logged in has a bound cookie")
	}
}

func TestRenewalKeepsTheBinding(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		s.took()
		b.get("/renew")
		b.want("/login?user=ada", "welcome") // as for a step-up
		b.want("/secure", "for your device only")
		time.Sleep(dbsc.MaxLife)
		b.want("/secure", "for your device only")
		if got := s.took(); got != "challenged, refreshed" {
			t.Errorf("events: %s", got)
		}
	})
}

// A session that becomes another user's is bound anew, and the old key is of no
// use for it.
func TestAnotherUserIsBoundAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		old, _ := b.theOne()
		s.took()
		b.want("/login?user=bob", "welcome")
		if got := s.took(); got != "offered, registered" {
			t.Errorf("events: %s", got)
		}
		time.Sleep(dbsc.MaxLife)
		b.want("/secure", "for your device only") // and the old session is refused, and forgotten
		if id, _ := b.theOne(); id == old {
			t.Error("the browser has the session of the user before")
		}
		b.get("/become?user=")
		b.want("/page", `hello ""`)
		if len(b.sessions) != 0 {
			t.Errorf("nobody is logged in, and the browser has %d bound sessions", len(b.sessions))
		}
	})
}

// What a browser says of its session when it could not refresh is an error, not
// a logout, so that no anonymous session takes the place of the visitor's.
func TestASkippedRefreshIsNoLogout(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		id, _ := b.theOne()
		time.Sleep(dbsc.MaxLife)
		s.took()
		for _, line := range []string{
			`quota_exceeded;session_identifier="` + id + `"`,
			`quota_exceeded;session_identifier=` + id,
			`unreachable;session_identifier="other" , server_error; session_identifier="` + id + `"`,
		} {
			resp := b.send("GET", "/visit", http.Header{"Secure-Session-Skipped": {line}})
			if resp.status != 503 || resp.header.Get("Retry-After") == "" || len(resp.header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %d %v", line, resp.status, resp.header)
			}
		}
		if got := s.took(); got != "skipped: quota_exceeded, skipped: quota_exceeded, skipped: server_error" {
			t.Errorf("events: %s", got)
		}
		resp := b.send("GET", "/page", http.Header{"Secure-Session-Skipped": {`quota_exceeded;session_identifier="x"`}})
		if resp.status != 200 || !strings.HasSuffix(resp.body, `hello ""`) {
			t.Errorf("another session was skipped: %d %s", resp.status, resp.body)
		}
		b.want("/page", `hello "ada"`)
	})
}

// A link from another site comes without a refresh, and is sent around, so that
// the browser refreshes.
func TestALinkFromAnotherSite(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
		// The response of a login that came from another site offers nothing: the
		// registration would come without cookies. The next one does.
		resp := b.send("GET", "/login?user=ada", link)
		if resp.header.Get("Secure-Session-Registration") != "" {
			t.Error("an offer for a request from another site")
		}
		b.want("/page", `hello "ada"`)
		b.want("/secure", "for your device only")
		if resp := b.send("GET", "/page", link); !strings.HasSuffix(resp.body, `hello "ada"`) {
			t.Errorf("with a fresh cookie: %d %s", resp.status, resp.body)
		}
		time.Sleep(dbsc.MaxLife)
		s.took()
		resp = b.send("GET", "/page", link)
		if resp.status != 403 || !strings.Contains(resp.body, "http-equiv=refresh") ||
			resp.header.Get("Cache-Control") != "no-store" || s.took() != "returned" {
			t.Errorf("%d %v %s", resp.status, resp.header, resp.body)
		}
		for name, header := range map[string]http.Header{
			"a post":   nil,
			"a fetch":  {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}},
			"a reload": {"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
		} {
			if resp := b.send("GET", "/page", header); resp.status != 200 || !strings.HasSuffix(resp.body, `hello ""`) {
				t.Errorf("%s: %d %s", name, resp.status, resp.body)
			}
		}
		b.want("/page", `hello "ada"`)
	})
}

// Several tabs ask at once, each of which may refresh.
func TestSeveralTabs(t *testing.T) {
	inBubble(t, func(t *testing.T, store session.SessionStore) {
		s := newSite(t, store, dbsc.Options{})
		b := s.browser(true)
		b.want("/login?user=ada", "welcome")
		for range 3 {
			time.Sleep(dbsc.MaxLife)
			var tabs sync.WaitGroup
			for range 8 {
				tabs.Go(func() { b.want("/page", `hello "ada"`) })
			}
			tabs.Wait()
		}
	})
}

// With an engine in cookies a slow response may bring the session back as it was
// before it was bound. The browser registers again.
func TestALostBindingIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, engines["signed"](t), dbsc.Options{})
		b := s.browser(true)
		if resp := b.send("GET", "/login?user=ada", nil); resp.status != 200 {
			t.Fatal(resp)
		}
		unbound := b.cookies["__Host-session"]
		time.Sleep(dbsc.MaxLife * 3)
		b.want("/page", `hello "ada"`)
		b.want("/secure", "for your device only")
		b.cookies["__Host-session"] = unbound
		s.took()
		time.Sleep(dbsc.MaxLife)
		b.want("/page", `hello "ada"`)
		b.want("/secure", "for your device only")
		if got := s.took(); got != "ended, offered, registered" {
			t.Errorf("events: %s", got)
		}
	})
}

// While the secret is exchanged, all goes on.
func TestSecretsAreExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sessiontest.NewMemory()
		before := newSite(t, store, dbsc.Options{})
		b := before.browser(true)
		b.want("/login?user=ada", "welcome")
		other := []byte("8sT1Vq0bYx7Zk3nWc5RmEa9LdJf2hGp6uQoKi4MzXwA=")
		site := func(secret []byte, fallback ...[]byte) *dbsc.Binder {
			binder, err := dbsc.New(secret, dbsc.Options{FallbackSecrets: fallback})
			if err != nil {
				t.Fatal(err)
			}
			return binder
		}
		now := newSite(t, store, dbsc.Options{})
		for _, binder := range []*dbsc.Binder{site(other, secret), site(other)} {
			var err error
			if now.manager, err = session.NewManager(store, session.Options{Guard: binder,
				Cookie: session.CookieOptions{Name: "__Host-session"}}); err != nil {
				t.Fatal(err)
			}
			now.handler = binder.Handler(now.manager, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s, err := session.Load(r); err == nil {
					w.Write([]byte(s.Owner()))
				}
			}))
			b.site = now
			b.want("/page", "ada")
			time.Sleep(dbsc.MaxLife)
			b.want("/page", "ada")
			time.Sleep(time.Second)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opts := range map[string]dbsc.Options{
		"a life above the bound":     {Life: dbsc.MaxLife + time.Second},
		"a life below a second":      {Life: time.Millisecond},
		"a negative life":            {Life: -time.Second},
		"a path that is none":        {Path: "dbsc"},
		"the whole site":             {Path: "/"},
		"a path with a quote":        {Path: `/a"b`},
		"a cookie of any host":       {CookieName: "dbsc"},
		"a cookie that is none":      {CookieName: "__Host-a b"},
		"an exclusion of everything": {Exclude: []string{"/"}},
		"a weak fallback":            {FallbackSecrets: [][]byte{[]byte("changeme")}},
	} {
		if _, err := dbsc.New(secret, opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := dbsc.New(nil, dbsc.Options{}); err == nil {
		t.Error("no secret: no error")
	}
}
