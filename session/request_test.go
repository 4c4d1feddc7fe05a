package session_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/session"
)

// net/http removes the files of its own request's form.
func TestFilesOfAnUploadAreRemoved(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		for _, end := range []string{"returns", "panics", "fails to save"} {
			t.Run(end, func(t *testing.T) {
				tmp := t.TempDir()
				t.Setenv("TMPDIR", tmp)
				store := newProbe()
				var during int
				s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
					"/": func(w http.ResponseWriter, r *http.Request) {
						if loaded {
							mustLoad(t, r).Set("a", 1)
						}
						if err := r.ParseMultipartForm(1 << 10); err != nil {
							t.Error(err)
						}
						files, _ := filepath.Glob(filepath.Join(tmp, "multipart-*"))
						during = len(files)
						switch end {
						case "panics":
							panic(http.ErrAbortHandler)
						case "fails to save":
							store.failOn(os.ErrInvalid, "create")
						}
					},
				})
				var body bytes.Buffer
				form := multipart.NewWriter(&body)
				f, _ := form.CreateFormFile("file", "a.bin")
				f.Write(make([]byte, 11<<20)) // beyond the 10 MiB that net/http keeps in memory as well
				form.Close()
				res, err := s.client.Post(s.url, form.FormDataContentType(), &body)
				if err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				s.close()
				if files, _ := filepath.Glob(filepath.Join(tmp, "multipart-*")); during == 0 || len(files) != 0 {
					t.Errorf("%d files while the handler ran, %d afterwards", during, len(files))
				}
			})
		}
	}
}

// Middleware around the Manager sees in its request what it would see without
// the Manager.
func TestTheRequestOutsideHasWhatWasNotedInside(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /teams/{team}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		r.RemoteAddr, r.Method, r.Host = "192.0.2.7:1", "DELETE", "example.org"
		if r.PathValue("team") == "panic" {
			panic("boom")
		}
	})
	for _, h := range []http.Handler{mux, m.Handler(mux), m.Handler(m.Handler(mux))} {
		for _, team := range []string{"red", "panic"} {
			r := httptest.NewRequest("POST", "/teams/"+team+"/a/b?q=1", strings.NewReader("n=2"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			func() {
				defer func() { recover() }()
				h.ServeHTTP(httptest.NewRecorder(), r)
			}()
			if r.Pattern != "POST /teams/{team}/{rest...}" || r.PathValue("team") != team ||
				r.PathValue("rest") != "a/b" {
				t.Errorf("pattern %q, values %q and %q", r.Pattern, r.PathValue("team"), r.PathValue("rest"))
			}
			if r.Form.Get("q") != "1" || r.PostForm.Get("n") != "2" {
				t.Errorf("form %v, %v", r.Form, r.PostForm)
			}
			if r.RemoteAddr != "192.0.2.7:1" || r.Method != "DELETE" || r.Host != "example.org" {
				t.Errorf("%s %s %s", r.RemoteAddr, r.Method, r.Host)
			}
			if _, err := session.Load(r); err == nil {
				t.Error("the session is to be had outside")
			}
		}
	}
}

// A request whose handler has returned may still be read, by a goroutine that
// the handler or middleware around it left.
func TestTheRequestIsNotWrittenWhileOthersReadIt(t *testing.T) {
	m, err := session.NewManager(newProbe(), session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var left sync.WaitGroup
	read := func(r *http.Request) {
		left.Go(func() {
			for range 100 {
				_ = r.URL.Path + r.RemoteAddr + r.Method + r.Host + r.Header.Get("Cookie")
				_ = r.Context()
			}
		})
	}
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read(r)
		r.FormValue("q")
	}))
	for range 20 {
		r := httptest.NewRequest("GET", "/?q=1", nil)
		read(r)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	left.Wait()
}

// The same Manager on a router and on a group of its routes.
func TestOneManagerTwiceIsOneSession(t *testing.T) {
	for name, store := range map[string]session.SessionStore{"memory": newProbe(), "cookie": cookieStore(t),
		"row": rowStore(t)} {
		t.Run(name, func(t *testing.T) {
			m, err := session.NewManager(store, session.Options{})
			if err != nil {
				t.Fatal(err)
			}
			csrf := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mustLoad(t, r).SetDefault("csrf", "1")
					next.ServeHTTP(w, r)
				})
			}
			mux := http.NewServeMux()
			mux.HandleFunc("/set", func(w http.ResponseWriter, r *http.Request) {
				mustLoad(t, r).Renew()
				setHandler(t)(w, r)
			})
			mux.HandleFunc("/team", teamHandler(t))
			jar := ""
			for _, path := range []string{"/team", "/set", "/team"} {
				r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
				r.Header.Set("Cookie", jar)
				m.Handler(csrf(m.Handler(mux))).ServeHTTP(w, r)
				lines := w.Header().Values("Set-Cookie")
				if len(lines) > 1 || w.Code != 200 {
					t.Errorf("%s: %d %q", path, w.Code, lines)
				}
				if len(lines) > 0 {
					jar, _, _ = strings.Cut(lines[0], ";")
				} else if w.Body.String() != "red" {
					t.Errorf("after the login the team is %q", w.Body)
				}
			}
		})
	}
}

// A request that a handler makes itself, in its own request's context, is
// another visitor's if it brings other cookies, and a request of its own once
// the handler has returned.
func TestARequestInARequestIsAnother(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := store.Memory.Save(t.Context(), "",
		&session.Record{Data: []byte(`{"team":"blue"}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	sub := func(r *http.Request, path, cookie string) *httptest.ResponseRecorder {
		w, inner := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil).WithContext(r.Context())
		inner.Header.Set("Cookie", cookie)
		mux := http.NewServeMux()
		mux.HandleFunc("/set", setHandler(t))
		mux.HandleFunc("/team", teamHandler(t))
		m.Handler(mux).ServeHTTP(w, inner)
		return w
	}
	var left *http.Request
	r := httptest.NewRequest("GET", "/", nil)
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left = r
		mustLoad(t, r).Set("team", "green")
		if got := sub(r, "/team", "sessionid="+token).Body.String(); got != "blue" {
			t.Errorf("with a cookie of its own: %q", got)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if w := sub(left, "/set", ""); w.Header().Get("Set-Cookie") == "" {
		t.Error("a request after the handler's return has no session of its own")
	}
}

// What a session costs a request that does not use it.
func TestAnUntouchedRequestAllocatesTwice(t *testing.T) {
	m, err := session.NewManager(newProbe(), session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header(); w.WriteHeader(200) }))
	r, w := httptest.NewRequest("GET", "/", nil), &discardResponse{http.Header{}}
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func TestEndLogsOutWithoutLoading(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set":  setHandler(t),
		"/team": teamHandler(t),
		"/end": func(w http.ResponseWriter, r *http.Request) {
			if err := session.End(r); err != nil {
				t.Errorf("End: %v", err)
			}
			io.WriteString(w, "bye")
		},
		"/anew": func(w http.ResponseWriter, r *http.Request) {
			session.End(r)
			sess := mustLoad(t, r)
			if !sess.IsEmpty() || sess.Token() != "" {
				t.Error("the session is loaded after its end")
			}
			sess.Set("team", "blue")
		},
		"/loaded": func(w http.ResponseWriter, r *http.Request) {
			mustLoad(t, r).Set("team", "green")
			session.End(r)
		},
		"/late": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			session.End(r)
		},
	})
	s.get("/end")
	if calls := store.took(); calls != "" {
		t.Errorf("nothing to end: the store was asked: %s", calls)
	}
	for _, tc := range []struct{ path, calls, team string }{
		{"/end", "delete", "none"},
		{"/anew", "delete create", "blue"},
		{"/loaded", "load delete", "none"},
		{"/late", "delete", "none"},
	} {
		s.get("/set")
		token := s.token()
		store.took()
		res := s.get(tc.path)
		if calls := store.took(); calls != tc.calls {
			t.Errorf("%s: the store was asked: %s, want %s", tc.path, calls, tc.calls)
		}
		if tc.path != "/late" && (len(res.sessionCookies()) != 1 || res.Header.Get("Vary") != "Cookie") {
			t.Errorf("%s: %v", tc.path, res.Header)
		}
		if team := s.get("/team").body; team != tc.team {
			t.Errorf("%s: team %q, want %q", tc.path, team, tc.team)
		}
		if _, err := store.Memory.Load(t.Context(), token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: the session is alive: %v", tc.path, err)
		}
	}
	if !strings.Contains(s.logs.String(), "level=ERROR") {
		t.Errorf("the late end, whose cookie stays, is not logged: %s", s.logs)
	}
	s.get("/set")
	store.failOn(errors.New("down"), "delete")
	if res := s.get("/end"); res.StatusCode != 503 || strings.Contains(res.body, "bye") {
		t.Errorf("the store is down: %d %q", res.StatusCode, res.body)
	}
	if err := session.End(httptest.NewRequest("GET", "/", nil)); !errors.Is(err, session.ErrNoMiddleware) {
		t.Errorf("without the middleware: %v", err)
	}
}

// A browser may send several cookies of our name; a logout ends them all.
func TestFlushEndsAllSessionsThatTheRequestBrought(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for range 2 {
		token, err := store.Memory.Save(t.Context(), "",
			&session.Record{Data: []byte(`{"user":1}`), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "sessionid="+tokens[0]+"; sessionid="+tokens[1])
	m.Handler(logoutHandler(t)).ServeHTTP(httptest.NewRecorder(), r)
	for i, token := range tokens {
		if _, err := store.Memory.Load(t.Context(), token); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("session %d is alive: %v", i, err)
		}
	}
}

func TestOneSessionForAllGoroutinesOfARequest(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(login)
	v.visit(func(s *session.Session) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				key := strconv.Itoa(i)
				s.Set(key, i)
				session.Get[int](s, key)
				s.AddFlash(i)
				for range s.All() {
				}
				s.ExpiryTime()
				if i%5 == 0 {
					s.Save(context.Background())
				}
			})
		}
		wg.Wait()
	})
	v.visit(func(s *session.Session) {
		if n := len(session.Flashes[int](s)); s.Len() != 21 || n != 20 {
			t.Errorf("%d keys, %d flashes", s.Len(), n)
		}
	})
}

func TestASessionIsLoadedOncePerRequest(t *testing.T) {
	store := newProbe()
	m, err := session.NewManager(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: "x"})
	type key int
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		sessions := make([]*session.Session, 10)
		for i := range sessions {
			wg.Go(func() { sessions[i] = mustLoad(t, r.WithContext(context.WithValue(r.Context(), key(i), i))) })
		}
		wg.Wait()
		for _, s := range sessions {
			if s != sessions[0] {
				t.Error("two sessions in one request")
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if calls := store.took(); calls != "load" {
		t.Errorf("the store was asked: %s", calls)
	}
}

func TestWithoutTheMiddleware(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if s, err := session.Load(r); s != nil || !errors.Is(err, session.ErrNoMiddleware) {
		t.Errorf("%v, %v", s, err)
	}
	m, err := session.NewManager(newProbe(), session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := m.Load(r); s != nil || !errors.Is(err, session.ErrNoMiddleware) {
		t.Errorf("%v, %v", s, err)
	}
}

func TestTwoManagersOneInTheOther(t *testing.T) {
	manager := func(name string) *session.Manager {
		m, err := session.NewManager(newProbe(), session.Options{Cookie: session.CookieOptions{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	outer, inner, stranger := manager("outer"), manager("inner"), manager("stranger")
	h := outer.Handler(inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mustLoad(t, r).Set("of", "inner")
		s, err := outer.Load(r)
		if err != nil {
			t.Fatal(err)
		}
		s.Set("of", "outer")
		if _, err := stranger.Load(r); !errors.Is(err, session.ErrNoMiddleware) {
			t.Errorf("a Manager that is not around the handler: %v", err)
		}
		io.WriteString(w, "ok")
	})))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	var names []string
	for _, c := range w.Result().Cookies() {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"inner", "outer"}) || len(w.Header().Values("Vary")) != 1 {
		t.Errorf("cookies %q, Vary %q", names, w.Header().Values("Vary"))
	}
}

func TestTheRequestsContextStaysItself(t *testing.T) {
	type key struct{}
	m, err := session.NewManager(newProbe(), session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		child, stop := context.WithTimeout(r.Context(), time.Hour)
		defer stop()
		if child.Value(key{}) != "value" {
			t.Error("values of outer middleware are lost")
		}
		cancel()
		<-child.Done()
		if _, err := session.FromContext(child); err != nil {
			t.Errorf("FromContext: %v", err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}
