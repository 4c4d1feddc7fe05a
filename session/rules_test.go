package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"sessionengine/session"
)

// The tests of this file are named after the middleware's rules in DESIGN.md.

func TestRule1_UntouchedSessionTouchesNothing(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{SaveEveryRequest: true}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/":    func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
	})
	s.get("/set")
	store.took()
	res := s.get("/")
	if calls := store.took(); calls != "" {
		t.Errorf("the store was asked: %s", calls)
	}
	for _, field := range []string{"Vary", "Set-Cookie", "Cache-Control"} {
		if v := res.Header.Values(field); v != nil {
			t.Errorf("%s: %q", field, v)
		}
	}
	if s.logs.String() != "" {
		t.Errorf("logged: %s", s.logs)
	}
}

func TestRule2_VaryAndCacheControl(t *testing.T) {
	header := func(fields ...string) func(http.Header) {
		return func(h http.Header) {
			for i := 0; i < len(fields); i += 2 {
				h.Add(fields[i], fields[i+1])
			}
		}
	}
	read := func(s *session.Session) { s.Has("team") }
	set := func(s *session.Session) { s.Set("team", "blue") }
	flush := func(s *session.Session) { s.Flush() }
	for _, tc := range []struct {
		name         string
		header       func(http.Header)
		do           func(*session.Session)
		vary         []string
		cacheControl string
	}{
		{"loading alone is reading", header(), func(*session.Session) {}, []string{"Cookie"}, ""},
		{"a read adds Vary", header(), read, []string{"Cookie"}, ""},
		{"a read keeps what is there", header("Vary", "Accept", "Vary", "Origin"), read, []string{"Accept", "Origin", "Cookie"}, ""},
		{"Cookie is not added twice", header("Vary", "Accept, cookie"), read, []string{"Accept, cookie"}, ""},
		{"a star says it all", header("Vary", "*"), read, []string{"*"}, ""},
		{"a read leaves the handler's caching alone", header("Cache-Control", "public, max-age=60"), read, []string{"Cookie"}, "public, max-age=60"},
		{"a cookie makes the response private", header(), set, []string{"Cookie"}, "private"},
		{"a deletion cookie makes the response private", header(), flush, []string{"Cookie"}, "private"},
		{"a cookie takes public back", header("Cache-Control", "public, max-age=60, s-maxage=9"), set, []string{"Cookie"}, "private, max-age=60"},
		{"private for some fields is not enough", header("Cache-Control", `private="X-A, X-B", max-age=1`), set, []string{"Cookie"}, "private, max-age=1"},
		{"private stays", header("Cache-Control", "private, max-age=1"), set, []string{"Cookie"}, "private, max-age=1"},
		{"no-store stays", header("Cache-Control", "no-store"), set, []string{"Cookie"}, "private, no-store"},
		{"caches of a certain kind are told nothing else", header("CDN-Cache-Control", "public, max-age=60", "Surrogate-Control", "max-age=9", "X-Accel-Expires", "9", "Cache-Control", "no-cache"), set, []string{"Cookie"}, "private, no-cache"},
		{"what is for some fields is for all", header("Cache-Control", `no-cache="a, public"`), set, []string{"Cookie"}, "private, no-cache"},
		{"must-understand would override no-store", header("Cache-Control", "must-understand, no-store, max-age=600"), set, []string{"Cookie"}, "private, no-store, max-age=600"},
		{"an extension may override private", header("Cache-Control", `private, community="UCI", x-shared`), set, []string{"Cookie"}, "private"},
		{"a quote that is not closed hides nothing", header("Cache-Control", `max-age=1, x="public`, "Cache-Control", "no-cache"), set, []string{"Cookie"}, "private, max-age=1, no-cache"},
		{"of two the first counts", header("Cache-Control", "MAX-AGE=1, max-age=600", "Cache-Control", `max-age="9"`), set, []string{"Cookie"}, "private, max-age=1"},
		{"a number that is none", header("Cache-Control", "max-age=1 public"), set, []string{"Cookie"}, "private"},
		{"Expires alone", header("Expires", "Fri, 01 Jan 2100 00:00:00 GMT"), set, []string{"Cookie"}, "private"},
		{"letters of another case", func(h http.Header) {
			h["cache-control"] = []string{"public"}
			h["cdn-cache-control"] = []string{"public"}
		}, set, []string{"Cookie"}, "private"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
				"/set": setHandler(t),
				"/": func(w http.ResponseWriter, r *http.Request) {
					tc.do(mustLoad(t, r))
					tc.header(w.Header())
					io.WriteString(w, "hello")
				},
			})
			s.get("/set")
			res := s.get("/")
			if got := res.Header.Values("Vary"); !slices.Equal(got, tc.vary) {
				t.Errorf("Vary: %q, want %q", got, tc.vary)
			}
			if got := strings.Join(res.Header.Values("Cache-Control"), "|"); got != tc.cacheControl {
				t.Errorf("Cache-Control: %q, want %q", got, tc.cacheControl)
			}
			for _, field := range []string{"CDN-Cache-Control", "Surrogate-Control", "X-Accel-Expires"} {
				if got := res.Header.Get(field); got != "" {
					t.Errorf("%s: %q", field, got)
				}
			}
		})
	}
}

// beginnings are the ways in which a handler can begin its response. Each sends
// the text it is given as the body, if the way has one.
var beginnings = []struct {
	name string
	do   func(w http.ResponseWriter, r *http.Request, body string)
}{
	{"the handler writes", func(w http.ResponseWriter, r *http.Request, body string) { w.Write([]byte(body)) }},
	{"the handler writes a string", func(w http.ResponseWriter, r *http.Request, body string) { io.WriteString(w, body) }},
	{"the handler writes the header", func(w http.ResponseWriter, r *http.Request, body string) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, body)
	}},
	{"the handler flushes first", func(w http.ResponseWriter, r *http.Request, body string) {
		w.(http.Flusher).Flush()
		io.WriteString(w, body)
	}},
	{"the handler flushes through a ResponseController", func(w http.ResponseWriter, r *http.Request, body string) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			io.WriteString(w, "flush: "+err.Error())
		}
		io.WriteString(w, body)
	}},
	{"the handler copies from a reader", func(w http.ResponseWriter, r *http.Request, body string) {
		io.Copy(w, struct{ io.Reader }{strings.NewReader(body)})
	}},
	{"the handler serves content", func(w http.ResponseWriter, r *http.Request, body string) {
		http.ServeContent(w, r, "a.txt", time.Unix(1, 0), strings.NewReader(body))
	}},
	{"the handler redirects", func(w http.ResponseWriter, r *http.Request, body string) {
		http.Redirect(w, r, "/next", http.StatusSeeOther)
		io.WriteString(w, body)
	}},
	{"the handler answers with http.Error", func(w http.ResponseWriter, r *http.Request, body string) {
		http.Error(w, body, http.StatusNotFound)
	}},
	{"early hints come first", func(w http.ResponseWriter, r *http.Request, body string) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		if s, err := session.Load(r); err == nil {
			s.Set("team", "red") // not too late: 103 is not the response
		}
		io.WriteString(w, body)
	}},
	{"the handler just returns", func(w http.ResponseWriter, r *http.Request, body string) {}},
	{"the handler hijacks", func(w http.ResponseWriter, r *http.Request, body string) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			io.WriteString(w, "hijack: "+err.Error())
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n")
		w.Header().Write(rw)
		fmt.Fprintf(rw, "\r\n%s", body)
		rw.Flush()
	}},
	{"the handler switches protocols and hijacks", func(w http.ResponseWriter, r *http.Request, body string) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}},
}

func TestRule3_SavedBeforeTheFirstByte(t *testing.T) {
	for _, b := range beginnings {
		t.Run(b.name, func(t *testing.T) {
			store := newProbe()
			atFirstByte := make(chan string, 1)
			s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
				"/": func(w http.ResponseWriter, r *http.Request) {
					mustLoad(t, r).Set("team", "red")
					b.do(w, r, "body")
					atFirstByte <- store.took()
				},
				"/team": teamHandler(t),
			})
			if strings.Contains(b.name, "switches") {
				s.client.Transport = upgrading{s.client.Transport}
			}
			res := s.get("/")
			if calls := <-atFirstByte; calls != "create" && b.name != "the handler just returns" {
				t.Errorf("when the response had begun the store had been asked to %q, want create", calls)
			}
			if n := len(res.sessionCookies()); n != 1 {
				t.Fatalf("%d session cookies: %q", n, res.Header)
			}
			if team := s.get("/team").body; team != "red" {
				t.Errorf("the next request sees %q", team)
			}
			if s.serverLog.String() != "" {
				t.Errorf("the server complains: %s", s.serverLog)
			}
		})
	}
}

// upgrading asks for another protocol, as browsers do for WebSockets.
type upgrading struct{ http.RoundTripper }

func (u upgrading) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/" {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "test")
	}
	return u.RoundTripper.RoundTrip(r)
}

func TestRule3_EarlyHintsReachTheClientWithoutTheCookie(t *testing.T) {
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("a", 1)
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			mustLoad(t, r).Set("b", 2)
			io.WriteString(w, "ok")
		},
	})
	hints := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			hints++
			if code != 103 || header.Get("Set-Cookie") != "" || header.Get("Link") == "" {
				t.Errorf("%d %v", code, header)
			}
			return nil
		},
	})
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/", nil)
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if hints != 1 || len((answer{res, ""}).sessionCookies()) != 1 {
		t.Errorf("%d early hints, %q", hints, res.Header)
	}
}

func TestRule3_ServerSentEventsKeepFlowing(t *testing.T) {
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/events": func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("listening", true)
			w.Header().Set("Content-Type", "text/event-stream")
			rc := http.NewResponseController(w)
			if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("the ResponseController does not reach the connection: %v", err)
			}
			rc.Flush()
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				rc.Flush()
			}
			<-r.Context().Done() // the client saw all three before the handler's end
		},
	})
	res, err := s.client.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(res.Body)
	for n := 0; n < 3 && in.Scan(); {
		if strings.HasPrefix(in.Text(), "data: ") {
			n++
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if s.token() == "" {
		t.Error("no cookie")
	}
}

func TestRule3_HijackWithoutSupportLeavesTheResponseToTheHandler(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder() // does not support it, as HTTP/2 does not
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := mustLoad(t, r)
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		s.Set("team", "red")
		io.WriteString(w, "ok")
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 || w.Body.String() != "ok" || len(w.Header().Values("Set-Cookie")) != 1 {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

// The white space that Unicode knows and HTTP does not is part of a cookie's
// name: it must not give a name without the protection of a prefix to one with
// it.
func TestRule9_PrefixesAreNotBypassedByWhiteSpace(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{Cookie: session.CookieOptions{Name: "__Host-sid"}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(`{"team":"attackers"}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, space := range []string{"\u2000", "\u00a0", "\u0085", "\u3000", "\v", "\f", "\r", "\n"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = []string{space + "__Host-sid=" + token, "a=b; " + space + "__Host-sid=" + token}
		w := httptest.NewRecorder()
		m.Handler(teamHandler(t)).ServeHTTP(w, r)
		if w.Body.String() != "none" {
			t.Errorf("a name that begins with %q is taken for ours", space)
		}
	}
}

// An upgrade that cannot be had ends in an error page, on which nothing is
// saved.
func TestRule5_NothingIsSavedByAHijackThatIsNotSupported(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mustLoad(t, r).Set("team", "red")
		if _, _, err := w.(http.Hijacker).Hijack(); err != nil {
			http.Error(w, "no upgrade", http.StatusInternalServerError)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if calls := store.took(); calls != "" || w.Code != 500 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("the store was asked %q; %d %v", calls, w.Code, w.Header())
	}
}

func TestRule4_AFailedCommitGivesExactlyOneResponse(t *testing.T) {
	failures := []struct {
		name   string
		status int
		cause  func(*probe, *session.Session)
	}{
		{"the store is down", 503, func(p *probe, s *session.Session) {
			p.failOn(errors.New("connection refused"), "create", "save")
			s.Set("x", 1)
		}},
		{"the session is gone", 400, func(p *probe, s *session.Session) {
			p.Memory.Delete(context.Background(), s.Token())
			s.Set("x", 1)
		}},
		{"the session is too large", 500, func(p *probe, s *session.Session) {
			p.failOn(&session.TooLargeError{Size: 5000, Limit: 4096}, "save")
			s.Set("x", 1)
		}},
		{"the value cannot be encoded", 500, func(p *probe, s *session.Session) { s.Set("x", func() {}) }},
		{"the string is not UTF-8", 500, func(p *probe, s *session.Session) { s.Set("x", "\xff") }},
		{"the key is reserved", 500, func(p *probe, s *session.Session) { s.Set("_session_expiry", 1) }},
		{"the expiry is negative", 500, func(p *probe, s *session.Session) { s.SetExpiry(-1) }},
	}
	for _, f := range failures {
		for _, b := range beginnings {
			if strings.Contains(b.name, "switches") {
				continue // the client would have to speak the other protocol
			}
			t.Run(f.name+" and "+b.name, func(t *testing.T) {
				store := newProbe()
				s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
					"/set": setHandler(t),
					"/": func(w http.ResponseWriter, r *http.Request) {
						f.cause(store, mustLoad(t, r))
						w.Header().Set("Content-Type", "application/json")
						w.Header().Set("Content-Length", "999")
						w.Header().Set("Content-Encoding", "br")
						w.Header().Set("ETag", `"secret"`)
						w.Header().Set("X-Request-Id", "7")
						if b.name != "the handler serves content" && b.name != "the handler hijacks" {
							w.Header().Set("Content-Length", "6")
						}
						b.do(w, r, "secret")
					},
				})
				s.get("/set")
				before := s.token()
				res := s.get("/")
				if res.StatusCode != f.status {
					t.Errorf("status %d, want %d", res.StatusCode, f.status)
				}
				if strings.Contains(res.body, "secret") || strings.Contains(res.body, "body") {
					t.Errorf("the handler's body got through: %q", res.body)
				}
				for field, want := range map[string]string{
					"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "", "Etag": "", "Location": "",
					"X-Request-Id": "", "Vary": "Cookie", "Content-Length": fmt.Sprint(len(res.body)),
				} {
					if got := res.Header.Get(field); got != want {
						t.Errorf("%s: %q, want %q", field, got, want)
					}
				}
				if c := res.sessionCookies(); c != nil || s.token() != before {
					t.Errorf("the visitor's cookie was changed: %q", c)
				}
				if l := s.serverLog.String(); l != "" {
					t.Errorf("the server complains: %s", l)
				}
				if n := strings.Count(s.logs.String(), "level=ERROR"); n != 1 {
					t.Errorf("%d errors logged, want 1: %s", n, s.logs)
				}
			})
		}
	}
}

func TestRule4_WritesAfterAFailedCommitTellTheHandler(t *testing.T) {
	store := newProbe()
	store.failOn(errors.New("down"), "create")
	var handled error
	s := newSite(t, store, session.Options{
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			handled = err
			if _, err := session.Load(r); err != nil {
				t.Errorf("the error handler cannot read the session: %v", err)
			}
			w.WriteHeader(599)
			io.WriteString(w, "sorry")
		},
	}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("x", 1)
			w.WriteHeader(200)
			n, err := w.Write([]byte("secret"))
			n2, err2 := io.Copy(w, strings.NewReader("secret"))
			if n != 0 || err == nil || n2 != 0 || err2 == nil || http.NewResponseController(w).Flush() == nil {
				t.Errorf("%d, %v; %d, %v", n, err, n2, err2)
			}
		},
	})
	res := s.get("/")
	if res.StatusCode != 599 || res.body != "sorry" || handled == nil || handled.Error() != "down" {
		t.Errorf("%d %q, %v", res.StatusCode, res.body, handled)
	}
}

func TestRule4_AFailedLoadIsAnsweredInTheHandlersPlace(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if _, err := session.Load(r); err != nil {
				return
			}
			io.WriteString(w, "fine")
		},
		"/own": func(w http.ResponseWriter, r *http.Request) {
			if _, err := session.Load(r); err != nil {
				io.WriteString(w, "my own page")
			}
		},
		"/static": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "static") },
	})
	s.get("/set")
	token := s.token()
	store.failOn(errors.New("connection refused"), "load")
	if res := s.get("/"); res.StatusCode != 503 || res.sessionCookies() != nil || res.Header.Get("Vary") != "Cookie" {
		t.Errorf("%d, %q, %v", res.StatusCode, res.body, res.Header)
	}
	if res := s.get("/own"); res.StatusCode != 200 || res.body != "my own page" {
		t.Errorf("the handler's own answer: %d, %q", res.StatusCode, res.body)
	}
	if res := s.get("/static"); res.StatusCode != 200 {
		t.Errorf("a page without session: %d", res.StatusCode)
	}
	store.failOn(nil)
	if res := s.get("/"); res.body != "fine" || s.token() != token {
		t.Errorf("after the store's recovery: %q; token kept: %v", res.body, s.token() == token)
	}
}

func TestRule5_NothingIsSavedOnAnErrorOrAPanic(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func(http.ResponseWriter)
	}{
		{"500", func(w http.ResponseWriter) { http.Error(w, "oops", 500) }},
		{"503 by WriteHeader", func(w http.ResponseWriter) { w.WriteHeader(503) }},
		{"panic", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
				"/set":  setHandler(t),
				"/team": teamHandler(t),
				"/fail": func(w http.ResponseWriter, r *http.Request) {
					sess := mustLoad(t, r)
					sess.Set("team", "blue")
					sess.Renew()
					tc.fail(w)
				},
				"/failout": func(w http.ResponseWriter, r *http.Request) {
					sess := mustLoad(t, r)
					sess.Flush()
					sess.Set("team", "blue")
					tc.fail(w)
				},
			})
			s.get("/set")
			store.took()
			if res, err := s.client.Post(s.url+"/fail", "", nil); err == nil {
				if c := (answer{res, ""}).sessionCookies(); c != nil {
					t.Errorf("cookie on an error: %q", c)
				}
				res.Body.Close()
			}
			if calls := store.took(); calls != "load" {
				t.Errorf("the store was asked: %s", calls)
			}
			if got := s.get("/team").body; got != "red" {
				t.Errorf("after the error the team is %q", got)
			}
			store.took()
			old := s.token()
			if res, err := s.client.Post(s.url+"/failout", "", nil); err == nil {
				if c := (answer{res, ""}).sessionCookies(); len(c) != 1 || !strings.Contains(c[0], "Max-Age=0") {
					t.Errorf("logging out with an error: %q", c)
				}
				res.Body.Close()
			}
			if calls := store.took(); calls != "load delete" {
				t.Errorf("logging out with an error: the store was asked: %s", calls)
			}
			s.setToken(old)
			if got := s.get("/team").body; got != "none" {
				t.Errorf("the flushed session is alive: %q", got)
			}
		})
	}
}

func TestRule5_ThePanicGoesOnAndItsRecovererCanStillAnswer(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
			w.WriteHeader(500)
		}()
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: "dead"})
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Flush()
			panic("boom")
		})).ServeHTTP(w, r)
	}()
	if c := w.Header().Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") || w.Header().Get("Vary") != "Cookie" {
		t.Errorf("%v", w.Header())
	}
}

func TestRule6_CookieOnlyWhenSomethingChanged(t *testing.T) {
	store := newProbe()
	var do func(*session.Session)
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "app", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "sessionid2", Value: "x"})
			do(mustLoad(t, r))
			io.WriteString(w, "ok")
		},
	})
	step := func(name, calls, cookie string, f func(*session.Session)) {
		t.Helper()
		do = f
		store.took()
		res := s.get("/")
		if got := store.took(); got != calls {
			t.Errorf("%s: the store was asked %q, want %q", name, got, calls)
		}
		got := ""
		switch lines := res.sessionCookies(); {
		case len(lines) > 1:
			t.Errorf("%s: %d cookies", name, len(lines))
		case len(lines) == 1 && strings.Contains(lines[0], "Max-Age=0"):
			got = "deleted"
		case len(lines) == 1:
			got = "set"
		}
		if got != cookie {
			t.Errorf("%s: cookie %q, want %q", name, got, cookie)
		}
		if n := len(res.Header.Values("Set-Cookie")); n != 2+min(1, len(got)) {
			t.Errorf("%s: the handler's own cookies are not kept: %q", name, res.Header.Values("Set-Cookie"))
		}
	}
	step("reading nothing", "", "", func(s *session.Session) { s.Has("a"); s.Delete("a"); s.Clear(); s.ResetExpiry() })
	step("creating", "create", "set", func(s *session.Session) { s.Set("a", 1); s.Set("b", 2) })
	step("reading", "load", "", func(s *session.Session) { s.Has("a"); s.Keys(); s.Len(); s.ExpiryAge() })
	step("setting what is there", "load", "", func(s *session.Session) { s.Set("a", 1) })
	step("deleting what is not there", "load", "", func(s *session.Session) { s.Delete("zzz") })
	step("changing and changing back", "load", "", func(s *session.Session) { s.Set("b", 3); s.Set("b", 2) })
	step("setting and deleting", "load", "", func(s *session.Session) { s.Set("c", 3); s.Delete("c") })
	step("changing", "load save", "set", func(s *session.Session) { s.Set("a", 2) })
	step("renewing", "load renew", "set", func(s *session.Session) { s.Renew() })
	step("touching within the same second", "load", "", func(s *session.Session) { s.Touch() })
	step("an expiry", "load save", "set", func(s *session.Session) { s.SetExpiry(time.Hour) })
	step("emptying", "load delete-unchanged", "deleted", func(s *session.Session) { s.Delete("a"); s.Delete("b") })
	step("an expiry for nobody", "", "", func(s *session.Session) { s.SetExpiry(time.Hour) })
	step("creating and emptying", "", "", func(s *session.Session) { s.Set("a", 1); s.Delete("a") })
	step("creating again", "create", "set", func(s *session.Session) { s.AddFlash("hi") })
	step("taking the last flash", "load delete-unchanged", "deleted", func(s *session.Session) { session.Flashes[string](s) })
	step("and again", "create", "set", func(s *session.Session) { s.Set("a", 1) })
	step("clearing", "load delete-unchanged", "deleted", func(s *session.Session) { s.Clear() })
	step("and again", "create", "set", func(s *session.Session) { s.Set("a", 1) })
	step("flushing", "load delete", "deleted", func(s *session.Session) { s.Flush() })
	step("and again", "create", "set", func(s *session.Session) { s.Set("a", 1) })
	step("flushing and beginning anew", "load delete create", "set", func(s *session.Session) { s.Flush(); s.Set("a", 2) })
	step("a time that is not set", "load delete", "deleted", func(s *session.Session) { s.SetExpiryTime(time.Time{}) })
	step("and again", "create", "set", func(s *session.Session) { s.Set("a", 1) })
	step("an expiry in the past", "load delete", "deleted", func(s *session.Session) { s.SetExpiryTime(time.Now().Add(-time.Minute)) })
}

func TestRule6_OneCookieOfOurName(t *testing.T) {
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: "by mistake"})
			mustLoad(t, r).Set("a", 1)
		},
	})
	if c := s.get("/").sessionCookies(); len(c) != 1 || strings.Contains(c[0], "mistake") {
		t.Errorf("%q", c)
	}
}

func TestRule6_SaveEveryRequest(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{SaveEveryRequest: true, Lifetime: time.Hour}, map[string]http.HandlerFunc{
		"/set":  setHandler(t),
		"/team": teamHandler(t),
	})
	s.get("/team")
	if calls := store.took(); calls != "" {
		t.Errorf("nothing to save, and yet: %s", calls)
	}
	s.get("/set")
	rec, err := store.Memory.Load(t.Context(), s.token())
	if err != nil {
		t.Fatal(err)
	}
	rec.Expires = rec.Expires.Add(-time.Minute) // as if it had been saved a minute ago
	if err := store.Memory.Touch(t.Context(), s.token(), rec); err != nil {
		t.Fatal(err)
	}
	store.took()
	res := s.get("/team")
	if calls := store.took(); calls != "load touch" || len(res.sessionCookies()) != 1 || res.Header.Get("Vary") != "Cookie" {
		t.Errorf("%s, %v", calls, res.Header)
	}
}

func TestRule6_EveryAttributeIsOnTheDeletionCookieToo(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cookie session.CookieOptions
		attrs  string
	}{
		{"defaults", session.CookieOptions{}, "; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Lax"},
		{"host prefix", session.CookieOptions{Name: "__Host-s", SameSite: http.SameSiteStrictMode}, "; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Strict"},
		{"embedded", session.CookieOptions{SameSite: http.SameSiteNoneMode, Partitioned: true}, "; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=None; Partitioned"},
		{"a part of a domain", session.CookieOptions{Path: "/app", Domain: "example.com"}, "; Path=/app; Domain=example.com; Max-Age=%d; HttpOnly; Secure; SameSite=Lax"},
		{"insecure", session.CookieOptions{InsecureAllowHTTP: true, InsecureAllowScript: true}, "; Path=/; Max-Age=%d; SameSite=Lax"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := session.NewManager(newProbe(), session.Options{Cookie: tc.cookie, Lifetime: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			serve := func(cookie string, h http.HandlerFunc) string {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
				if cookie != "" {
					r.Header.Set("Cookie", cookie)
				}
				m.Handler(h).ServeHTTP(w, r)
				return w.Header().Get("Set-Cookie")
			}
			set := serve("", setHandler(t))
			pair, attrs, _ := strings.Cut(set, ";")
			if want := fmt.Sprintf(tc.attrs, 3600); ";"+attrs != want {
				t.Errorf("set: %s, want %s", attrs, want)
			}
			deleted := serve(pair, logoutHandler(t))
			name, _, _ := strings.Cut(pair, "=")
			want := name + "=" + strings.Replace(fmt.Sprintf(tc.attrs, 0), "; Max-Age", "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age", 1)
			if deleted != want {
				t.Errorf("deleted: %s, want %s", deleted, want)
			}
		})
	}
}

func TestRule7_LateChangesAreReported(t *testing.T) {
	t.Run("a new session cannot be told to the client", func(t *testing.T) {
		store := newProbe()
		var seen error
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) {
				sess := mustLoad(t, r)
				io.WriteString(w, "ok")
				w.(http.Flusher).Flush()
				sess.Set("a", 1)
				seen = sess.Err()
				if err := sess.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
					t.Errorf("Save: %v", err)
				}
			},
		})
		s.get("/")
		if !errors.Is(seen, session.ErrHeadersSent) {
			t.Errorf("Err: %v", seen)
		}
		if calls := store.took(); calls != "" {
			t.Errorf("a row that nobody has the key of: %s", calls)
		}
		if !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("not logged: %s", s.logs)
		}
	})
	t.Run("a stored session is saved all the same", func(t *testing.T) {
		store := newProbe()
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
			"/set": setHandler(t),
			"/late": func(w http.ResponseWriter, r *http.Request) {
				sess := mustLoad(t, r)
				w.WriteHeader(200)
				sess.Set("team", "green")
				if err := sess.Save(r.Context()); err != nil {
					t.Errorf("Save: %v", err)
				}
				sess.Set("team", "blue")
			},
			"/team": teamHandler(t),
		})
		s.get("/set")
		store.took()
		s.get("/late")
		if got := s.get("/team").body; got != "blue" {
			t.Errorf("the late change is lost: %q", got)
		}
		if calls := store.took(); calls != "load save save load" {
			t.Errorf("the store was asked: %s", calls)
		}
		if s.logs.String() != "" {
			t.Errorf("logged: %s", s.logs)
		}
	})
	t.Run("a late logout ends the session, and says that the cookie stays", func(t *testing.T) {
		store := newProbe()
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
			"/set":  setHandler(t),
			"/team": teamHandler(t),
			"/late": func(w http.ResponseWriter, r *http.Request) {
				sess := mustLoad(t, r)
				w.WriteHeader(200)
				sess.Flush()
				sess.Set("team", "nobody's")
			},
		})
		s.get("/set")
		store.took()
		s.get("/late")
		if got := s.get("/team").body; got != "none" {
			t.Errorf("the session is alive: %q", got)
		}
		if calls := store.took(); calls != "load delete load" {
			t.Errorf("the store was asked: %s", calls)
		}
		if !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("not logged: %s", s.logs)
		}
	})
	t.Run("a late renewal would log the visitor out, and is refused", func(t *testing.T) {
		store := newProbe()
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
			"/set":  setHandler(t),
			"/team": teamHandler(t),
			"/late": func(w http.ResponseWriter, r *http.Request) {
				sess := mustLoad(t, r)
				w.WriteHeader(200)
				sess.Renew()
			},
		})
		s.get("/set")
		s.get("/late")
		if got := s.get("/team").body; got != "red" {
			t.Errorf("the session is lost: %q", got)
		}
		if !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("not logged: %s", s.logs)
		}
	})
	t.Run("a change after the handler's return", func(t *testing.T) {
		var left *session.Session
		s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) { left = mustLoad(t, r); left.Set("a", 1) },
		})
		s.get("/")
		left.Set("a", 2)
		if !errors.Is(left.Err(), session.ErrHeadersSent) || !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("%v; %s", left.Err(), s.logs)
		}
	})
	t.Run("a session loaded or ended after the handler's return", func(t *testing.T) {
		var left *http.Request
		s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
			"/set": setHandler(t),
			"/":    func(w http.ResponseWriter, r *http.Request) { left = r.WithContext(context.WithoutCancel(r.Context())) },
		})
		s.get("/set")
		s.get("/")
		if err := session.End(left); !errors.Is(err, session.ErrHeadersSent) {
			t.Errorf("End: %v", err)
		}
		sess, err := session.Load(left)
		if err != nil {
			t.Fatal(err)
		}
		sess.Set("a", 2)
		if !errors.Is(sess.Err(), session.ErrHeadersSent) || !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("%v; %s", sess.Err(), s.logs)
		}
	})
	t.Run("an engine that would have to move the session saves it in place", func(t *testing.T) {
		store := &moving{probe: newProbe()}
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
			"/set":  setHandler(t),
			"/team": teamHandler(t),
			"/late": func(w http.ResponseWriter, r *http.Request) {
				sess := mustLoad(t, r)
				w.WriteHeader(200)
				sess.Set("team", "blue")
			},
		})
		s.get("/set")
		s.get("/late")
		if got := s.get("/team").body; got != "blue" || s.logs.String() != "" {
			t.Errorf("team %q, log %s", got, s.logs)
		}
		store.cannot = true
		s.get("/late2")
		s.get("/set")
		s.get("/late")
		if got := s.get("/team").body; got != "red" || !strings.Contains(s.logs.String(), "level=ERROR") {
			t.Errorf("team %q, log %s", got, s.logs)
		}
	})
	t.Run("a session loaded after the headers lacks Vary", func(t *testing.T) {
		s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200); mustLoad(t, r) },
		})
		s.get("/")
		if !strings.Contains(s.logs.String(), "level=WARN") {
			t.Errorf("not logged: %s", s.logs)
		}
	})
	t.Run("a hijacked connection whose cookie nobody sent", func(t *testing.T) {
		s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
			"/": func(w http.ResponseWriter, r *http.Request) {
				mustLoad(t, r).Set("a", 1)
				if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
					io.WriteString(conn, "HTTP/1.0 204 No Content\r\n\r\n")
					conn.Close()
				}
			},
		})
		s.get("/")
		if !strings.Contains(s.logs.String(), "level=WARN") {
			t.Errorf("not logged: %s", s.logs)
		}
	})
}

// moving is a store whose Save gives a new token each time.
type moving struct {
	*probe
	cannot bool // save in place
}

func (m *moving) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	if token == "" {
		return m.probe.Save(ctx, token, rec)
	}
	return m.probe.Renew(ctx, token, rec)
}

func (m *moving) SaveInPlace(ctx context.Context, token string, rec *session.Record) error {
	if m.cannot {
		return fmt.Errorf("moving: %w", errors.ErrUnsupported)
	}
	_, err := m.probe.Save(ctx, token, rec)
	return err
}

func TestRule8_TheCommitOutlivesTheClient(t *testing.T) {
	store := newProbe()
	done := make(chan struct{})
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			mustLoad(t, r).Set("team", "blue")
			<-r.Context().Done() // the client went away
			io.WriteString(w, "nobody reads this")
		},
		"/team": teamHandler(t),
	})
	s.get("/set")
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/slow", nil)
	time.AfterFunc(50*time.Millisecond, cancel)
	if res, err := s.client.Do(req); err == nil {
		res.Body.Close()
		t.Fatal("the client was answered")
	}
	<-done
	if got := s.get("/team").body; got != "blue" {
		t.Errorf("the commit did not happen: %q", got)
	}
}

func TestRule8_TheCommitHasADeadlineOfItsOwn(t *testing.T) {
	store := hanging{newProbe()}
	s := newSite(t, store, session.Options{CommitTimeout: 20 * time.Millisecond}, map[string]http.HandlerFunc{"/set": setHandler(t)})
	if res := s.get("/set"); res.StatusCode != 503 {
		t.Errorf("%d %q", res.StatusCode, res.body)
	}
}

// hanging is a store that never answers a Save.
type hanging struct{ *probe }

func (h hanging) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	<-ctx.Done()
	return "", fmt.Errorf("no answer: %w", ctx.Err())
}

func TestRule9_ATokenThatTheClientChoseIsNeverAdopted(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set":   setHandler(t),
		"/renew": func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).Renew() },
	})
	const chosen = "attackersattackersattackers12345"
	s.setToken(chosen)
	s.get("/set")
	if s.token() == chosen || s.token() == "" {
		t.Errorf("the session's token is %q", s.token())
	}
	if _, err := store.Memory.Load(t.Context(), chosen); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("there is a session under the chosen token: %v", err)
	}
	planted := s.token() // an attacker's own session, planted in the victim's browser
	s.get("/renew")
	if _, err := store.Memory.Load(t.Context(), planted); !errors.Is(err, session.ErrNotFound) || s.token() == planted {
		t.Errorf("the old token lives after Renew: %v", err)
	}
}

func TestRule9_NoRowForAVisitorWithoutContent(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{SaveEveryRequest: true, IdleTimeout: time.Hour, AbsoluteTimeout: 2 * time.Hour}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Renew()
			sess.Touch()
			sess.ExpireAtBrowserClose()
			sess.Clear()
		},
	})
	res := s.get("/")
	if calls := store.took(); calls != "" || res.sessionCookies() != nil {
		t.Errorf("%s, %q", calls, res.sessionCookies())
	}
}

func TestRule10_AnUnreadableCookieIsAnEmptySession(t *testing.T) {
	for _, tc := range []struct {
		name, level string
		err         error
	}{
		{"forged", "INFO", session.ErrInvalidToken},
		{"expired", "DEBUG", session.ErrExpired},
		{"unknown", "DEBUG", session.ErrNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			store.failOn(fmt.Errorf("engine: %w", tc.err), "load")
			s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{"/team": teamHandler(t)})
			s.setToken("tampered")
			res := s.get("/team")
			if res.StatusCode != 200 || res.body != "none" {
				t.Errorf("%d %q", res.StatusCode, res.body)
			}
			// A deletion cookie could overtake the cookie of a login that runs
			// at the same time.
			if c := res.sessionCookies(); c != nil {
				t.Errorf("the cookie was touched: %q", c)
			}
			if l := s.logs.String(); strings.Count(l, "\n") != 1 || !strings.Contains(l, "level="+tc.level) {
				t.Errorf("logged: %s", l)
			}
		})
	}
	t.Run("stored data that is no session", func(t *testing.T) {
		store := newProbe()
		s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{"/team": teamHandler(t), "/set": setHandler(t)})
		for _, data := range []string{"", "null", "[]", "\x80\x04}.", `{"a":`} {
			token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			s.setToken(token)
			if res := s.get("/team"); res.StatusCode != 200 || res.body != "none" {
				t.Errorf("%q: %d %q", data, res.StatusCode, res.body)
			}
			if s.get("/set"); s.token() == token {
				t.Errorf("%q: the unreadable session was overwritten", data)
			}
		}
	})
	t.Run("a stale cookie of another path stands before the living one", func(t *testing.T) {
		store := newProbe()
		m, err := session.NewManager(store, session.Options{})
		if err != nil {
			t.Fatal(err)
		}
		token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(`{"team":"red"}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range []string{"red", "red", "red", "none"} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", strings.Repeat("sessionid=stale; ", n)+"sessionid="+token)
			w := httptest.NewRecorder()
			store.took()
			m.Handler(teamHandler(t)).ServeHTTP(w, r)
			if w.Body.String() != want {
				t.Errorf("%d stale cookies first: %q, want %q", n, w.Body, want)
			}
			if calls := strings.Fields(store.took()); len(calls) > 3 {
				t.Errorf("%d stale cookies cost %d queries", n, len(calls))
			}
		}
	})
}

// Log handlers and stores may ask for the session of the context that they are
// given, a log handler to tell the user for example.
func TestRule10_LoggingMayAskForTheSession(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{Logger: slog.New(askingHandler{slog.DiscardHandler}), IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: "garbage"})
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			w.WriteHeader(200)
			s.Set("a", 1)
			s.Save(r.Context())
		})).ServeHTTP(httptest.NewRecorder(), r)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the request waits for itself")
	}
}

type askingHandler struct{ slog.Handler }

func (askingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (askingHandler) Handle(ctx context.Context, r slog.Record) error {
	if s, err := session.FromContext(ctx); err == nil {
		session.Get[string](s, "user")
	}
	return nil
}

func TestRule11_NothingConfidentialIsLoggedOrPrinted(t *testing.T) {
	secrets := []string{"key-5ecret", "value-5ecret", "flash-5ecret"}
	store := newProbe()
	var printed strings.Builder
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			sess.Set("key-5ecret", "value-5ecret")
			sess.AddFlash("flash-5ecret")
			logger := slog.New(slog.NewJSONHandler(&printed, nil))
			rec := session.Record{Data: []byte("value-5ecret"), Version: "value-5ecret"}
			errs := []any{&session.ValueError{Key: "key-5ecret", Err: errors.New("value-5ecret")}, &session.TooLargeError{Largest: []session.KeySize{{Key: "key-5ecret"}}}}
			for _, v := range append(errs, sess, rec, &rec) {
				fmt.Fprintf(&printed, "%v %+v %#v %s %q %x %d %T\n", v, v, v, v, v, v, v, v)
				logger.Info("session", "s", v)
			}
			var n int
			fmt.Fprintln(&printed, sess.Decode("key-5ecret", &n))
			if store.fail != nil {
				sess.Set("key-5ecret", marshalFails{})
				fmt.Fprintln(&printed, sess.Err())
			}
		},
		"/load": func(w http.ResponseWriter, r *http.Request) { session.Load(r) },
		"/late": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			mustLoad(t, r).Set("key-5ecret", "value-5ecret2")
		},
	})
	s.get("/")
	secrets = append(secrets, s.token())
	s.get("/late")
	for _, err := range []error{session.ErrGone, session.ErrConflict, errors.New("down"), &session.TooLargeError{Size: 5000, Limit: 4096}} {
		store.failOn(err, "save", "touch")
		s.get("/")
		s.get("/late")
	}
	store.failOn(errors.New("down"), "load")
	s.get("/load")
	s.setToken("forged-5ecret")
	secrets = append(secrets, "forged-5ecret")
	store.failOn(session.ErrInvalidToken, "load")
	s.get("/")
	if !strings.Contains(printed.String(), "session.Session{…}") || !strings.Contains(s.logs.String(), "level=ERROR") {
		t.Fatalf("nothing was printed: %s %s", &printed, s.logs)
	}
	for _, secret := range secrets {
		for name, text := range map[string]string{"logs": s.logs.String(), "output": printed.String(), "server log": s.serverLog.String()} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s contain %q:\n%s", name, secret, text)
			}
		}
	}
}

// marshalFails cannot be marshaled, and says why with its value.
type marshalFails struct{}

func (marshalFails) MarshalJSON() ([]byte, error) { return nil, errors.New("value-5ecret is odd") }

func TestRule12_CookieRulesAreCheckedWhenTheManagerIsBuilt(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts session.Options
		want string // part of the error; "" for none
	}{
		{"defaults", session.Options{}, ""},
		{"host prefix", session.Options{Cookie: session.CookieOptions{Name: "__Host-id"}}, ""},
		{"host prefix with a path", session.Options{Cookie: session.CookieOptions{Name: "__Host-id", Path: "/a"}}, "Path"},
		{"host prefix with a domain", session.Options{Cookie: session.CookieOptions{Name: "__Host-id", Domain: "example.com"}}, "Domain"},
		{"host prefix over HTTP", session.Options{Cookie: session.CookieOptions{Name: "__Host-id", InsecureAllowHTTP: true}}, "Secure"},
		{"host prefix in other letters", session.Options{Cookie: session.CookieOptions{Name: "__hOST-id", InsecureAllowHTTP: true}}, "Secure"},
		{"secure prefix", session.Options{Cookie: session.CookieOptions{Name: "__Secure-id", Domain: "example.com"}}, ""},
		{"secure prefix over HTTP", session.Options{Cookie: session.CookieOptions{Name: "__Secure-id", InsecureAllowHTTP: true}}, "Secure"},
		{"http prefix for scripts", session.Options{Cookie: session.CookieOptions{Name: "__Http-id", InsecureAllowScript: true}}, "HttpOnly"},
		{"host-http prefix with a domain", session.Options{Cookie: session.CookieOptions{Name: "__Host-Http-id", Domain: "example.com"}}, "Domain"},
		{"SameSite=None", session.Options{Cookie: session.CookieOptions{SameSite: http.SameSiteNoneMode}}, ""},
		{"SameSite=None over HTTP", session.Options{Cookie: session.CookieOptions{SameSite: http.SameSiteNoneMode, InsecureAllowHTTP: true}}, "SameSite=None"},
		{"an unknown SameSite", session.Options{Cookie: session.CookieOptions{SameSite: 9}}, "SameSite"},
		{"Partitioned over HTTP", session.Options{Cookie: session.CookieOptions{Partitioned: true, InsecureAllowHTTP: true}}, "Partitioned"},
		{"a name with a space", session.Options{Cookie: session.CookieOptions{Name: "session id"}}, "Name"},
		{"a name with an equals sign", session.Options{Cookie: session.CookieOptions{Name: "a=b"}}, "Name"},
		{"a relative path", session.Options{Cookie: session.CookieOptions{Path: "app"}}, "path"},
		{"a path that browsers ignore", session.Options{Cookie: session.CookieOptions{Path: "/" + strings.Repeat("x", 1024)}}, "browsers ignore"},
		{"a path that ends the attribute", session.Options{Cookie: session.CookieOptions{Path: "/;Domain=evil"}}, "Path"},
		{"a domain with a newline", session.Options{Cookie: session.CookieOptions{Domain: "example.com\r\n"}}, "Domain"},
		{"a negative lifetime", session.Options{Lifetime: -1}, "Lifetime"},
		{"a lifetime below a second", session.Options{Lifetime: time.Millisecond}, "whole seconds"},
		{"a negative idle timeout", session.Options{IdleTimeout: -1}, "IdleTimeout"},
		{"a lifetime of a thousand years", session.Options{AbsoluteTimeout: 1 << 62}, "hundred years"},
		{"renewal without idle timeout", session.Options{RenewAfter: time.Second}, "IdleTimeout"},
		{"renewal after the idle timeout", session.Options{IdleTimeout: time.Minute, RenewAfter: time.Minute}, "below"},
		{"an unknown conflict policy", session.Options{Conflict: 7}, "Conflict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := session.NewManager(newProbe(), tc.opts)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "session: ") || m != nil {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
	if _, err := session.NewManager(nil, session.Options{}); err == nil {
		t.Error("a Manager without a store")
	}
}

func TestTheCookieHeaderIsReadAsNetHTTPDoes(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(`{"team":"red"}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range [][]string{
		{"sessionid=" + token},
		{"a=b; sessionid=" + token + "; c=d"},
		{"a=b;sessionid=" + token + ";"},
		{`sessionid="` + token + `"`},
		{"a=b", "sessionid=" + token},
		{"\tsessionid = " + token + " "},
		{";;=;sessionid;x=y=z;sessionid=" + token},
		{"xsessionid=" + token},
		{"sessionid_=" + token},
		{"Sessionid=" + token},
		{"sessionid=; sessionid=" + token},
		{"sessionid"},
		{`sessionid="`},
		{`a="; sessionid=` + token + `"`},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = header
		want := "none"
		for _, c := range r.CookiesNamed("sessionid") {
			if c.Value == token {
				want = "red"
			}
		}
		w := httptest.NewRecorder()
		m.Handler(teamHandler(t)).ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%q: %s, want %s", header, w.Body, want)
		}
	}
}
