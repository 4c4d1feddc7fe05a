package dbsc_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sessionengine/dbsc"
	"sessionengine/dbstore"
	"sessionengine/dbstore/sqlite"
	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
	"sessionengine/signedcookie"
)

var secret = []byte("kPz0Yt1Xo3mB8vQ5rWn2sLd7fGh4jKc9aEu6iOxT0wM=")

// engines are what the tests run on, those that need no server.
var engines = map[string]func(t *testing.T) session.SessionStore{
	"signed": func(t *testing.T) session.SessionStore { return cookieStore(t, signedcookie.Signed) },
	"sealed": func(t *testing.T) session.SessionStore { return cookieStore(t, signedcookie.Sealed) },
	"memory": func(t *testing.T) session.SessionStore { return sessiontest.NewMemory() },
	"dbstore": func(t *testing.T) session.SessionStore {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"),
			sqlite.Options{Options: dbstore.Options{Owners: true}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	},
}

var redis = testserver.Redis()

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, redis)) }

// redisStore is for tests that go by the real clock.
func redisStore(t *testing.T) session.SessionStore {
	s, err := redisstore.Open(t.Context(), redis.Start(t).URL, redisstore.Options{Prefix: rand.Text(), Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func cookieStore(t testing.TB, scheme signedcookie.Scheme) session.SessionStore {
	t.Helper()
	s, err := signedcookie.New(secret, signedcookie.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A site is a site that visitors log in to.
type site struct {
	t       *testing.T
	handler http.Handler
	binder  *dbsc.Binder
	manager *session.Manager
	mu      sync.Mutex
	events  []dbsc.Event
	logs    bytes.Buffer
}

func newSite(t *testing.T, store session.SessionStore, opts dbsc.Options) *site {
	t.Helper()
	s := &site{t: t}
	opts.Observe = func(_ context.Context, e dbsc.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	opts.Logger = slog.New(slog.NewTextHandler(&s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.binder, err = dbsc.New(secret, opts); err != nil {
		t.Fatal(err)
	}
	if s.manager, err = session.NewManager(store, session.Options{Guard: s.binder, Logger: opts.Logger,
		Cookie: session.CookieOptions{Name: "__Host-session"}}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handle := func(pattern string, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.Load(r); err == nil {
				f(w, r, s)
			}
		})
	}
	handle("/login", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		s.Renew()
		s.SetOwner(r.FormValue("user"))
		s.Set("visits", 0)
		fmt.Fprint(w, "<!DOCTYPE html><title>login</title>welcome")
	})
	handle("/page", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		fmt.Fprintf(w, "<!DOCTYPE html><title>page</title>hello %q", s.Owner())
	})
	handle("/visit", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		session.Change(s, "visits", func(n int) int { return n + 1 })
		fmt.Fprintf(w, "hello %q", s.Owner())
	})
	handle("/renew", func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.Renew() })
	handle("/become", func(w http.ResponseWriter, r *http.Request, s *session.Session) { s.SetOwner(r.FormValue("user")) })
	handle("/logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		s.Flush()
		fmt.Fprint(w, "<!DOCTYPE html><title>logout</title>goodbye")
	})
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "static") })
	mux.Handle("/secure", s.binder.RequireBound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "for your device only")
	})))
	s.handler = s.binder.Handler(s.manager, mux)
	return s
}

// took returns the events since it was called last, in a line.
func (s *site) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []string
	for _, e := range s.events {
		kinds = append(kinds, strings.TrimSuffix(string(e.Kind)+": "+e.Reason, ": "))
	}
	s.events = nil
	return strings.Join(kinds, ", ")
}

// A browser keeps cookies, and, if it can, sessions that are bound to a key, in
// the way of the draft.
type browser struct {
	site    *site
	able    bool
	alg     jose.SignatureAlgorithm // ES256 if it is empty
	headers http.Header             // of each request

	mu         sync.Mutex
	cookies    map[string]cookie
	sessions   map[string]*deviceSession
	registered int
}

type cookie struct {
	value   string
	expires time.Time
}

type deviceSession struct {
	number  int // in the order in which they were registered
	key     any
	refresh string
	cookie  string
}

func (s *site) browser(able bool) *browser {
	return &browser{site: s, able: able, cookies: map[string]cookie{}, sessions: map[string]*deviceSession{}}
}

// copy is what somebody has who has taken a browser's cookies.
func (b *browser) copy() *browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.site.browser(false)
	c.cookies = maps.Clone(b.cookies)
	return c
}

type response struct {
	status int
	body   string
	header http.Header
}

// send sends one request, as it is.
func (b *browser) send(method, path string, header http.Header) response {
	r := httptest.NewRequest(method, "https://site.test"+path, nil)
	maps.Copy(r.Header, b.headers)
	maps.Copy(r.Header, header)
	b.mu.Lock()
	for name, c := range b.cookies {
		if time.Now().Before(c.expires) {
			r.AddCookie(&http.Cookie{Name: name, Value: c.value})
		}
	}
	b.mu.Unlock()
	w := httptest.NewRecorder()
	b.site.handler.ServeHTTP(w, r)
	resp := w.Result()
	body, _ := io.ReadAll(resp.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range resp.Cookies() {
		switch {
		case !c.Secure || !c.HttpOnly || c.Path != "/":
			b.site.t.Errorf("a cookie without its attributes: %v", c)
		case c.MaxAge < 0 || c.MaxAge == 0 && c.Value == "":
			delete(b.cookies, c.Name)
		default:
			b.cookies[c.Name] = cookie{c.Value, time.Now().Add(time.Duration(c.MaxAge) * time.Second)}
		}
	}
	return response{resp.StatusCode, string(body), resp.Header}
}

// get requests a page, after a refresh if one is due, and registers if the
// response asks for it.
func (b *browser) get(path string) response {
	if b.able && path != "/static" {
		b.mu.Lock()
		sessions := maps.Clone(b.sessions)
		b.mu.Unlock()
		ids := slices.SortedFunc(maps.Keys(sessions),
			func(x, y string) int { return cmp.Compare(sessions[x].number, sessions[y].number) })
		for _, id := range ids {
			s := sessions[id]
			b.mu.Lock()
			c, ok := b.cookies[s.cookie]
			b.mu.Unlock()
			if !ok || !time.Now().Before(c.expires) {
				b.refresh(id, s)
			}
		}
	}
	resp := b.send("GET", path, nil)
	if line := resp.header.Get("Secure-Session-Registration"); line != "" && b.able {
		b.registerFor(line)
	}
	return resp
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign returns a proof, with the public key in it if embed is set.
func sign(t testing.TB, key any, alg jose.SignatureAlgorithm, embed bool, claims any) string {
	t.Helper()
	opts := (&jose.SignerOptions{EmbedJWK: embed}).WithType("dbsc+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type claims map[string]any

// parameter returns a parameter of a structured field.
func parameter(line, name string) string {
	_, rest, _ := strings.Cut(line, ";"+name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// registerFor does what a Secure-Session-Registration asks for.
func (b *browser) registerFor(line string) response {
	key, alg := any(newKey(b.site.t)), jose.ES256
	if b.alg != "" {
		key, alg = rsaKey(), b.alg
	}
	proof := sign(b.site.t, key, alg, true, claims{"jti": parameter(line, "challenge")})
	resp := b.send("POST", parameter(line, "path"), http.Header{"Secure-Session-Response": {proof}})
	if resp.status == 200 {
		b.remember(key, resp)
	}
	return resp
}

// remember notes the instructions of a response.
func (b *browser) remember(key any, resp response) {
	var in struct {
		ID         string `json:"session_identifier"`
		RefreshURL string `json:"refresh_url"`
		Scope      struct {
			IncludeSite *bool `json:"include_site"`
		}
		Credentials []struct{ Type, Name, Attributes string }
	}
	if err := json.Unmarshal([]byte(resp.body), &in); err != nil {
		b.site.t.Errorf("instructions: %v", err)
		return
	}
	u, err := url.Parse(in.RefreshURL)
	if err != nil || in.ID == "" || in.Scope.IncludeSite == nil || len(in.Credentials) != 1 ||
		in.Credentials[0].Type != "cookie" {
		b.site.t.Errorf("instructions: %s", resp.body)
		return
	}
	name := in.Credentials[0].Name
	set := resp.header.Values("Set-Cookie")
	if !strings.Contains(strings.Join(set, "\n"), in.Credentials[0].Attributes) {
		b.site.t.Errorf("the attributes %q are not those of the cookie: %q", in.Credentials[0].Attributes, set)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.registered++
	number := b.registered
	if before := b.sessions[in.ID]; before != nil {
		number = before.number
	}
	b.sessions[in.ID] = &deviceSession{number, key, u.Path, name}
}

// refresh gets a fresh cookie, in the two steps of the draft.
func (b *browser) refresh(id string, s *deviceSession) response {
	header := http.Header{"Sec-Secure-Session-Id": {id}}
	var resp response
	for range 5 {
		resp = b.send("POST", s.refresh, header)
		switch {
		case resp.status == 200:
			b.remember(s.key, resp)
			return resp
		case resp.status == 403 && parameter(resp.header.Get("Secure-Session-Challenge"), "id") == id:
			challenge, _, _ := strings.Cut(resp.header.Get("Secure-Session-Challenge"), ";")
			challenge, err := strconv.Unquote(challenge)
			if err != nil {
				b.site.t.Error(err)
			}
			alg := jose.ES256
			if b.alg != "" {
				alg = b.alg
			}
			header.Set("Secure-Session-Response", sign(b.site.t, s.key, alg, false, claims{"jti": challenge}))
			continue
		case resp.status >= 500:
			return resp
		}
		break
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, id)
	return resp
}

// theOne returns the only session that a browser has bound.
func (b *browser) theOne() (string, *deviceSession) {
	b.site.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sessions) != 1 {
		b.site.t.Fatalf("the browser has %d bound sessions", len(b.sessions))
	}
	for id, s := range b.sessions {
		return id, s
	}
	return "", nil
}

// want checks the body or the status of a page.
func (b *browser) want(path, body string) {
	b.site.t.Helper()
	if resp := b.get(path); resp.status != 200 || !strings.HasSuffix(resp.body, body) {
		b.site.t.Errorf("%s: %d %s, want %s; events: %s", path, resp.status, resp.body, body, b.site.took())
	}
}

func (b *browser) wantStatus(path string, status int) response {
	b.site.t.Helper()
	resp := b.get(path)
	if resp.status != status {
		b.site.t.Errorf("%s: %d %s, want %d", path, resp.status, resp.body, status)
	}
	return resp
}
