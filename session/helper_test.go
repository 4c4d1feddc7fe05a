package session_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // of Managers without a Logger, whose failures are expected
	os.Exit(m.Run())
}

// probe is a store that notes its calls and fails where it is told to. The
// sessions are in a Memory.
type probe struct {
	*sessiontest.Memory

	mu    sync.Mutex
	calls []string
	fail  func(op string) error // nil: never
}

func newProbe() *probe { return &probe{Memory: sessiontest.NewMemory()} }

func (p *probe) note(op string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, op)
	if p.fail != nil {
		return p.fail(op)
	}
	return nil
}

// failOn lets the named operations fail with err from now on.
func (p *probe) failOn(err error, ops ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = func(op string) error {
		if slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

// took returns the calls since it was last asked.
func (p *probe) took() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.calls, " ")
	p.calls = nil
	return s
}

func (p *probe) Load(ctx context.Context, token string) (*session.Record, error) {
	if err := p.note("load"); err != nil {
		return nil, err
	}
	return p.Memory.Load(ctx, token)
}

func (p *probe) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	op := "save"
	if token == "" {
		op = "create"
	}
	if err := p.note(op); err != nil {
		return "", err
	}
	return p.Memory.Save(ctx, token, rec)
}

func (p *probe) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	if err := p.note("renew"); err != nil {
		return "", err
	}
	return p.Memory.Renew(ctx, token, rec)
}

func (p *probe) Delete(ctx context.Context, token string) error {
	if err := p.note("delete"); err != nil {
		return err
	}
	return p.Memory.Delete(ctx, token)
}

func (p *probe) DeleteUnchanged(ctx context.Context, token string, rec *session.Record) error {
	if err := p.note("delete-unchanged"); err != nil {
		return err
	}
	return p.Memory.DeleteUnchanged(ctx, token, rec)
}

func (p *probe) Touch(ctx context.Context, token string, rec *session.Record) error {
	if err := p.note("touch"); err != nil {
		return err
	}
	return p.Memory.Touch(ctx, token, rec)
}

// syncBuffer is a buffer for the logs of several goroutines.
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

// site is a real server whose handlers have sessions, and a browser.
type site struct {
	t         *testing.T
	url       string
	client    *http.Client
	close     func()      // waits for the requests that are running
	logs      *syncBuffer // of the Manager
	serverLog *syncBuffer // of net/http
}

// newSite serves handlers, a map from paths.
func newSite(t *testing.T, store session.SessionStore, opts session.Options,
	handlers map[string]http.HandlerFunc) *site {
	t.Helper()
	s := &site{t: t, logs: &syncBuffer{}, serverLog: &syncBuffer{}}
	opts.Cookie.InsecureAllowHTTP = true
	opts.Logger = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.HandleFunc(path, h)
	}
	srv := httptest.NewUnstartedServer(m.Handler(mux))
	srv.Config.ErrorLog = log.New(s.serverLog, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	s.close = srv.Close
	s.url = srv.URL
	s.client = s.browser()
	return s
}

// browser returns a client with a jar of its own.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type answer struct {
	*http.Response
	body string
}

func (s *site) get(path string) answer { s.t.Helper(); return s.getWith(s.client, path) }

func (s *site) getWith(c *http.Client, path string) answer {
	s.t.Helper()
	res, err := c.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res, string(body)}
}

// token returns what the browser's session cookie holds.
func (s *site) token() string {
	u, _ := url.Parse(s.url)
	for _, c := range s.client.Jar.Cookies(u) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	return ""
}

// setToken puts a session cookie into the browser.
func (s *site) setToken(token string) {
	u, _ := url.Parse(s.url)
	s.client.Jar.SetCookies(u, []*http.Cookie{{Name: "sessionid", Value: token, Path: "/"}})
}

// sessionCookies returns the Set-Cookie lines for the session's cookie.
func (a answer) sessionCookies() []string {
	var lines []string
	for _, line := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(line, "sessionid=") {
			lines = append(lines, line)
		}
	}
	return lines
}

// mustLoad is session.Load for handlers that expect no error.
func mustLoad(t *testing.T, r *http.Request) *session.Session {
	s, err := session.Load(r)
	if err != nil {
		t.Errorf("Load: %v", err)
		panic(http.ErrAbortHandler)
	}
	return s
}

// setHandler sets team=red and says ok.
func setHandler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mustLoad(t, r).Set("team", "red")
		io.WriteString(w, "ok")
	}
}

// teamHandler answers with the team, or "none".
func teamHandler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		team, ok := session.Get[string](mustLoad(t, r), "team")
		if !ok {
			team = "none"
		}
		io.WriteString(w, team)
	}
}

func logoutHandler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mustLoad(t, r).Flush()
		io.WriteString(w, "bye")
	}
}

// visitor is a browser without a network, for tests in a synctest bubble.
type visitor struct {
	t     *testing.T
	m     *session.Manager
	token string
	max   string // Max-Age of the last cookie; "" for a browser session
	store *probe
}

func newVisitor(t *testing.T, opts session.Options) *visitor {
	t.Helper()
	store := newProbe()
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, m: m, store: store}
}

// visit makes one request and returns the calls of the store.
func (v *visitor) visit(do func(*session.Session)) string {
	v.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if v.token != "" {
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: v.token})
	}
	w := httptest.NewRecorder()
	v.store.took()
	v.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { do(mustLoad(v.t, r)) })).ServeHTTP(w, r)
	if w.Code != 200 {
		v.t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	for _, c := range w.Result().Cookies() {
		v.token, v.max = c.Value, ""
		if c.MaxAge != 0 {
			v.max = strconv.Itoa(c.MaxAge)
		}
	}
	return v.store.took()
}

func (v *visitor) alive() bool {
	v.t.Helper()
	alive := false
	v.visit(func(s *session.Session) { alive = s.Has("user") })
	return alive
}

func login(s *session.Session) { s.Set("user", 1) }

func look(s *session.Session) { s.Has("user") }
