package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
)

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
func look(s *session.Session)  { s.Has("user") }

func TestDictionary(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		s.Set("b", 1)
		s.Update(map[string]any{"z": true, "a": "x"})
		if !s.SetDefault("d", 4) || s.SetDefault("b", 9) {
			t.Error("SetDefault")
		}
	})
	v.visit(func(s *session.Session) {
		if got, want := s.Keys(), []string{"b", "a", "z", "d"}; !slices.Equal(got, want) {
			t.Errorf("keys %q, want %q", got, want)
		}
		if s.Len() != 4 || s.IsEmpty() || !s.Has("z") || s.Has("nope") {
			t.Error("Len, IsEmpty or Has")
		}
		var all []string
		for k, raw := range s.All() {
			all = append(all, k+"="+string(raw))
			raw[0] = '?' // ours to spoil
			s.Delete("d")
		}
		if got := strings.Join(all, " "); got != `b=1 a="x" z=true d=4` {
			t.Errorf("All: %s", got)
		}
		for k := range s.All() {
			if k != "b" {
				t.Errorf("the iteration went on to %s", k)
			}
			break
		}
		if n, ok := session.Pop[int](s, "b"); n != 1 || !ok || s.Has("b") {
			t.Error("Pop")
		}
		if _, ok := session.Pop[int](s, "a"); ok || !s.Has("a") {
			t.Error("Pop took a value of another type")
		}
		if _, ok := session.Get[int](s, "nope"); ok {
			t.Error("Get of nothing")
		}
		var text string
		if err := s.Decode("nope", &text); !errors.Is(err, session.ErrNoKey) {
			t.Errorf("Decode of nothing: %v", err)
		}
		var n int
		var ve *session.ValueError
		if err := s.Decode("a", &n); !errors.As(err, &ve) || ve.Key != "a" || ve.Err == nil {
			t.Errorf("Decode into the wrong type: %v", err)
		}
		if err := s.Decode("a", &text); err != nil || text != "x" {
			t.Errorf("Decode: %q, %v", text, err)
		}
	})
	v.visit(func(s *session.Session) {
		if got := s.Keys(); !slices.Equal(got, []string{"a", "z"}) {
			t.Errorf("left: %q", got)
		}
	})
}

func TestValuesSurvive(t *testing.T) {
	type cart struct {
		Items []string `json:"items"`
		Total float64  `json:"total"`
	}
	zone := time.FixedZone("Hanoi", 7*60*60)
	v := newVisitor(t, session.Options{})
	values := map[string]any{
		"int64":   int64(math.MaxInt64),
		"min":     int64(math.MinInt64),
		"uint64":  uint64(math.MaxUint64),
		"float":   math.SmallestNonzeroFloat64,
		"time":    time.Date(2026, 2, 3, 4, 5, 6, 7, zone),
		"bytes":   []byte("\x00\xff\x80"),
		"Tiếng":   "Việt 日本語 \u2028 <&> \" \\ \x00",
		"nested":  map[string][]int{"a": {1, 2}, "": nil},
		"struct":  cart{Items: []string{"a"}, Total: 1.5},
		"pointer": &cart{Total: 2},
		"nil":     nil,
		"bool":    true,
		"number":  json.Number("123456789012345678901234567890"),
		"raw":     json.RawMessage(`{"a": [1]}`),
		"":        "the empty key",
	}
	v.visit(func(s *session.Session) { s.Update(values) })
	v.visit(func(s *session.Session) {
		for key, want := range values {
			typ := reflect.TypeOf(want)
			if want == nil {
				if x, ok := session.Get[any](s, key); x != nil || !ok {
					t.Errorf("nil: %v, %v", x, ok)
				}
				continue
			}
			got := reflect.New(typ)
			if err := s.Decode(key, got.Interface()); err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			if tm, ok := want.(time.Time); ok {
				if !tm.Equal(*got.Interface().(*time.Time)) {
					t.Errorf("%s: %v", key, got.Elem())
				}
				continue
			}
			if raw, ok := want.(json.RawMessage); ok {
				want = json.RawMessage(strings.ReplaceAll(string(raw), " ", ""))
			}
			if !reflect.DeepEqual(got.Elem().Interface(), want) {
				t.Errorf("%s: %#v, want %#v", key, got.Elem(), want)
			}
		}
	})
	rec, err := v.store.Memory.Load(t.Context(), v.token)
	if err != nil || !json.Valid(rec.Data) {
		t.Errorf("what is stored is not JSON: %v", err)
	}
}

func TestSetTakesACopyAtOnce(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		list := []string{"a"}
		s.Set("list", list)
		list[0] = "spoiled"
	})
	v.visit(func(s *session.Session) {
		got, _ := session.Get[[]string](s, "list")
		if !slices.Equal(got, []string{"a"}) {
			t.Errorf("%q", got)
		}
		got[0] = "spoiled"
		if again, _ := session.Get[[]string](s, "list"); again[0] != "a" {
			t.Error("what Get returned is shared with the session")
		}
		if s.Modified() {
			t.Error("a read marks the session as modified")
		}
	})
}

func TestStateOfASession(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		if s.Accessed() || s.Modified() || s.Token() != "" || !s.IsEmpty() || !s.Accessed() {
			t.Error("a new session")
		}
		s.Set("user", 1)
		if !s.Modified() {
			t.Error("not modified by Set")
		}
		if err := s.Save(t.Context()); err != nil || s.Modified() || s.Token() == "" {
			t.Errorf("after Save: %v", err)
		}
	})
	v.visit(func(s *session.Session) {
		if s.Token() != v.token || s.Modified() {
			t.Error("a loaded session")
		}
		s.Set("user", 1)
		if s.Modified() {
			t.Error("modified by setting what is there")
		}
		s.Flush()
		if !s.Modified() || s.Token() != "" {
			t.Error("after Flush")
		}
	})
}

func TestTestCookie(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		if s.TestCookieWorked() {
			t.Error("worked before it was set")
		}
		s.SetTestCookie()
	})
	v.visit(func(s *session.Session) {
		if !s.TestCookieWorked() {
			t.Error("did not work")
		}
		s.DeleteTestCookie()
		if s.TestCookieWorked() {
			t.Error("works after it was deleted")
		}
	})
	if v.max != "-1" {
		t.Errorf("the cookie of the empty session stays: Max-Age %s", v.max)
	}
}

func TestFlashes(t *testing.T) {
	type notice struct{ Level, Text string }
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		s.AddFlash("one")
		s.AddFlash(notice{"info", "two"})
		s.AddFlash("three")
		s.Set("user", 1)
		if slices.Contains(s.Keys(), "_session_flashes") || s.Len() != 1 {
			t.Error("flashes are seen among the keys")
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[string](s); !slices.Equal(got, []string{"one", "three"}) {
			t.Errorf("%q", got)
		}
		s.AddFlash("four")
		if got := session.Flashes[string](s); !slices.Equal(got, []string{"four"}) {
			t.Errorf("again: %q", got)
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[notice](s); !slices.Equal(got, []notice{{"info", "two"}}) {
			t.Errorf("%v", got)
		}
	})
	v.visit(func(s *session.Session) {
		if got := session.Flashes[any](s); got != nil {
			t.Errorf("shown twice: %v", got)
		}
	})
}

func TestExpiry(t *testing.T) {
	day := 24 * time.Hour
	for _, tc := range []struct {
		name   string
		opts   session.Options
		do     func(*session.Session)
		maxAge string
		life   time.Duration
	}{
		{"the default is two weeks", session.Options{}, func(*session.Session) {}, "1209600", 14 * day},
		{"a lifetime of the site", session.Options{Lifetime: time.Hour}, func(*session.Session) {}, "3600", time.Hour},
		{"a life of its own", session.Options{Lifetime: time.Hour}, func(s *session.Session) { s.SetExpiry(time.Minute) }, "60", time.Minute},
		{"a life of its own is rounded up", session.Options{}, func(s *session.Session) { s.SetExpiry(1500 * time.Millisecond) }, "2", 2 * time.Second},
		{"a moment", session.Options{}, func(s *session.Session) { s.SetExpiryTime(time.Now().Add(90 * time.Second)) }, "90", 90 * time.Second},
		{"with the browser, this session", session.Options{}, func(s *session.Session) { s.ExpireAtBrowserClose() }, "", 14 * day},
		{"with the browser, all sessions", session.Options{ExpireAtBrowserClose: true}, func(*session.Session) {}, "", 14 * day},
		{"not with the browser, this session", session.Options{ExpireAtBrowserClose: true}, func(s *session.Session) { s.SetExpiry(time.Hour) }, "3600", time.Hour},
		{"for ever is a hundred years", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) { s.SetExpiry(math.MaxInt64) }, "3600", time.Hour},
		{"a moment that no calendar has", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) { s.SetExpiryTime(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)) }, "3600", time.Hour},
		{"the session's expiry taken back", session.Options{}, func(s *session.Session) { s.SetExpiry(1 * time.Second); s.ResetExpiry() }, "1209600", 14 * day},
		{"the absolute timeout bounds the lifetime", session.Options{AbsoluteTimeout: time.Hour}, func(*session.Session) {}, "3600", time.Hour},
		{"the absolute timeout bounds a session's own life", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) { s.SetExpiry(day) }, "3600", time.Hour},
		{"the absolute timeout bounds a moment", session.Options{AbsoluteTimeout: time.Hour}, func(s *session.Session) { s.SetExpiryTime(time.Now().Add(day)) }, "3600", time.Hour},
		{"the idle timeout takes the lifetime's place", session.Options{IdleTimeout: time.Minute}, func(*session.Session) {}, "60", time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(300 * time.Millisecond) // sessions need not begin on a whole second
				v := newVisitor(t, tc.opts)
				v.visit(func(s *session.Session) {
					login(s)
					tc.do(s)
					if at := s.ExpiresAtBrowserClose(); at != (tc.maxAge == "") {
						t.Errorf("ExpiresAtBrowserClose: %v", at)
					}
				})
				if v.max != tc.maxAge {
					t.Errorf("Max-Age %q, want %q", v.max, tc.maxAge)
				}
				v.visit(func(s *session.Session) {
					if d := s.ExpiryAge() - tc.life; d < 0 || d >= time.Second {
						t.Errorf("ExpiryAge %v, want %v", s.ExpiryAge(), tc.life)
					}
					if !s.ExpiryTime().Equal(time.Now().Add(s.ExpiryAge())) || s.ExpiryTime().Location() != time.UTC {
						t.Errorf("ExpiryTime %v", s.ExpiryTime())
					}
				})
				if tc.opts.IdleTimeout > 0 {
					return
				}
				time.Sleep(tc.life - time.Millisecond)
				if !v.alive() {
					t.Error("over too early")
				}
				time.Sleep(time.Second)
				if v.alive() {
					t.Error("alive after its end")
				}
			})
		})
	}
}

func TestLifetimeCountsFromTheLastChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{Lifetime: time.Hour})
		v.visit(login)
		time.Sleep(40 * time.Minute)
		v.visit(func(s *session.Session) { s.Set("n", 1) })
		time.Sleep(40 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("a read writes: %s", calls)
		}
		time.Sleep(19 * time.Minute)
		if !v.alive() {
			t.Error("the change did not extend the life")
		}
		time.Sleep(time.Minute)
		if v.alive() {
			t.Error("reading extended the life")
		}
	})
}

func TestIdleTimeoutSlidesWithReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, AbsoluteTimeout: 2 * time.Hour})
		v.visit(login)
		begin := time.Now()
		time.Sleep(2 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("written before a tenth of the life was over: %s", calls)
		}
		for range 5 {
			time.Sleep(20 * time.Minute)
			if calls := v.visit(look); calls != "load touch" {
				t.Fatalf("after %v: %s", time.Since(begin), calls)
			}
		}
		time.Sleep(2*time.Hour - time.Since(begin) - time.Second)
		if !v.alive() {
			t.Error("over before the absolute timeout")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Error("alive after the absolute timeout")
		}
	})
}

func TestIdleTimeoutEndsAnIdleSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, RenewAfter: 10 * time.Minute})
		v.visit(login)
		time.Sleep(9 * time.Minute)
		if calls := v.visit(look); calls != "load" {
			t.Errorf("renewed before RenewAfter: %s", calls)
		}
		time.Sleep(time.Minute)
		if calls := v.visit(look); calls != "load touch" {
			t.Errorf("not renewed after RenewAfter: %s", calls)
		}
		time.Sleep(30*time.Minute - time.Second)
		if !v.alive() {
			t.Fatal("over too early")
		}
		time.Sleep(30 * time.Minute)
		if v.alive() {
			t.Error("alive though idle")
		}
	})
}

func TestIdleTimeoutOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: 30 * time.Minute, RenewAfter: 10 * time.Minute})
		v.visit(func(s *session.Session) { login(s); s.SetExpiry(2 * time.Minute) })
		for range 10 { // RenewAfter is longer than this session's life, and must not end it
			time.Sleep(100 * time.Second)
			if !v.alive() {
				t.Fatal("over though in use")
			}
		}
		time.Sleep(2 * time.Minute)
		if v.alive() {
			t.Error("alive though idle")
		}
	})
}

func TestAbsoluteTimeoutThatComesLater(t *testing.T) {
	// The site turns the absolute timeout on while sessions are alive: they
	// get it from their next request on.
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		var err error
		if v.m, err = session.NewManager(v.store, session.Options{IdleTimeout: time.Hour, AbsoluteTimeout: 2 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		v.visit(look)
		for range 3 {
			time.Sleep(30 * time.Minute)
			if !v.alive() {
				t.Fatal("over too early")
			}
		}
		time.Sleep(30 * time.Minute)
		if v.alive() {
			t.Error("alive after the absolute timeout")
		}
	})
}

func TestAbsoluteTimeoutThatIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{AbsoluteTimeout: 10 * time.Hour})
		v.visit(login)
		var err error
		if v.m, err = session.NewManager(v.store, session.Options{AbsoluteTimeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		if !v.alive() {
			t.Error("over too early")
		}
		time.Sleep(time.Second)
		if v.alive() {
			t.Error("the stored expiry wins over the shorter timeout")
		}
	})
}

func TestClearAndFlushAndTheAbsoluteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{AbsoluteTimeout: time.Hour})
		v.visit(login)
		time.Sleep(30 * time.Minute)
		v.visit(func(s *session.Session) { s.Clear(); login(s) })
		time.Sleep(20 * time.Minute)
		v.visit(func(s *session.Session) { s.Renew() })
		time.Sleep(10*time.Minute - time.Second)
		if !v.alive() {
			t.Error("over too early")
		}
		v.visit(func(s *session.Session) { s.Flush(); login(s) })
		time.Sleep(2 * time.Second)
		if !v.alive() {
			t.Error("Flush begins a new session, whose time begins anew")
		}
		v.visit(func(s *session.Session) { s.Flush(); login(s) })
		time.Sleep(40 * time.Minute)
		v.visit(func(s *session.Session) { s.Clear(); login(s) })
		if v.max != "1200" {
			t.Errorf("the cookie outlives the absolute timeout: Max-Age %s, want 1200", v.max)
		}
		time.Sleep(20 * time.Minute)
		if v.alive() {
			t.Error("Clear set the absolute timeout back")
		}
	})
}

func TestTouchExtendsWithoutRewriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{Lifetime: time.Hour})
		v.visit(login)
		time.Sleep(59 * time.Minute)
		if calls := v.visit(func(s *session.Session) { s.Touch() }); calls != "load touch" {
			t.Errorf("the store was asked: %s", calls)
		}
		if v.max != "3600" {
			t.Errorf("the cookie's Max-Age: %s", v.max)
		}
		time.Sleep(59 * time.Minute)
		if !v.alive() {
			t.Error("not extended")
		}
	})
}

func TestAFailedExtensionIsNoFailedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		for _, err := range []error{errors.New("down"), session.ErrGone, session.ErrConflict} {
			time.Sleep(10 * time.Minute)
			v.store.failOn(err, "touch")
			if calls := v.visit(look); calls != "load touch" { // and status 200, says visit
				t.Errorf("%v: the store was asked: %s", err, calls)
			}
		}
	})
}

func TestTwoRequestsThatChangeDifferentKeysKeepBoth(t *testing.T) {
	type step = func(*session.Session)
	set := func(k string, val any) step { return func(s *session.Session) { s.Set(k, val) } }
	del := func(k string) step { return func(s *session.Session) { s.Delete(k) } }
	for _, tc := range []struct {
		name          string
		policy        session.ConflictPolicy
		first, second step // both load the session {"a":1,"b":2,flash "x"}; then first is saved, then second
		status        int  // of the second
		want          string
	}{
		{"set and set", session.MergeChanges, set("c", 3), set("d", 4), 200, `{"a":1,"b":2,"_session_flashes":["x"],"c":3,"d":4}`},
		{"set and delete", session.MergeChanges, set("a", 9), del("b"), 200, `{"a":9,"_session_flashes":["x"]}`},
		{"delete and set", session.MergeChanges, del("a"), set("b", 9), 200, `{"b":9,"_session_flashes":["x"]}`},
		{"of one key the later save counts", session.MergeChanges, set("a", 8), set("a", 9), 200, `{"a":9,"b":2,"_session_flashes":["x"]}`},
		{"clear and set", session.MergeChanges, func(s *session.Session) { s.Clear(); s.Set("n", 1) }, set("b", 9), 200, `{"n":1,"b":9}`},
		{"set and clear", session.MergeChanges, set("c", 3), func(s *session.Session) { s.Clear(); s.Set("n", 1) }, 200, `{"n":1}`},
		{"set and empty", session.MergeChanges, set("c", 3), func(s *session.Session) { s.Delete("a"); s.Delete("b"); session.Flashes[string](s) }, 200, `{"c":3}`},
		{"empty and set", session.MergeChanges, func(s *session.Session) { s.Clear() }, set("b", 9), 400, ``},
		{"flash and flash", session.MergeChanges, func(s *session.Session) { s.AddFlash("y") }, func(s *session.Session) { s.AddFlash("z") }, 200, `{"a":1,"b":2,"_session_flashes":["x","y","z"]}`},
		{"flash and taking", session.MergeChanges, func(s *session.Session) { s.AddFlash("y") }, func(s *session.Session) { session.Flashes[string](s) }, 200, `{"a":1,"b":2,"_session_flashes":["y"]}`},
		{"taking and taking", session.MergeChanges, func(s *session.Session) { session.Flashes[string](s) }, func(s *session.Session) { session.Flashes[string](s); s.Set("n", 1) }, 200, `{"a":1,"b":2,"n":1}`},
		{"an expiry and set", session.MergeChanges, func(s *session.Session) { s.SetExpiry(time.Hour) }, set("c", 3), 200, `{"a":1,"b":2,"_session_flashes":["x"],"_session_expiry":3600,"c":3}`},
		{"set and renew", session.MergeChanges, set("c", 3), func(s *session.Session) { s.Renew(); s.Set("d", 4) }, 200, `{"a":1,"b":2,"_session_flashes":["x"],"c":3,"d":4}`},
		{"renew and set", session.MergeChanges, func(s *session.Session) { s.Renew() }, set("d", 4), 400, ``},
		{"logout and set", session.MergeChanges, func(s *session.Session) { s.Flush() }, set("d", 4), 400, ``},
		{"set and logout", session.MergeChanges, set("d", 4), func(s *session.Session) { s.Flush() }, 200, ``},
		{"set and extension", session.MergeChanges, set("d", 4), func(s *session.Session) { s.Touch() }, 200, `{"a":1,"b":2,"_session_flashes":["x"],"d":4}`},
		{"the last write wins, if asked for", session.LastWriteWins, set("c", 3), set("d", 4), 200, `{"a":1,"b":2,"_session_flashes":["x"],"d":4}`},
		{"the last write does not undo a logout", session.LastWriteWins, func(s *session.Session) { s.Flush() }, set("d", 4), 400, ``},
		{"a conflict fails, if asked for", session.FailOnConflict, set("c", 3), set("d", 4), 409, `{"a":1,"b":2,"_session_flashes":["x"],"c":3}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newProbe()
			m, err := session.NewManager(store, session.Options{Conflict: tc.policy})
			if err != nil {
				t.Fatal(err)
			}
			token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(`{"a":1,"b":2,"_session_flashes":["x"]}`), Expires: time.Now().Add(time.Hour).Truncate(time.Second)})
			if err != nil {
				t.Fatal(err)
			}
			serve := func(do step) *httptest.ResponseRecorder {
				r := httptest.NewRequest("GET", "/", nil)
				r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
				w := httptest.NewRecorder()
				m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					do(mustLoad(t, r))
					io.WriteString(w, "the handler's body")
				})).ServeHTTP(w, r)
				return w
			}
			first := 0
			w := serve(func(s *session.Session) {
				tc.second(s)
				first = serve(tc.first).Code
			})
			if first != 200 || w.Code != tc.status {
				t.Errorf("status %d and %d, want 200 and %d", first, w.Code, tc.status)
			}
			if tc.status != 200 && strings.Contains(w.Body.String(), "handler") {
				t.Errorf("the body of a failed request: %q", w.Body)
			}
			for _, c := range w.Result().Cookies() {
				token = c.Value
			}
			got := ""
			if rec, err := store.Memory.Load(t.Context(), token); err == nil {
				got = string(rec.Data)
			}
			if got != tc.want {
				t.Errorf("stored: %s\n  want: %s", got, tc.want)
			}
		})
	}
}

func TestFiftyParallelWritersKeepTheirKeys(t *testing.T) {
	store := newProbe()
	var ready sync.WaitGroup
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/key": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			ready.Done()
			ready.Wait() // all have loaded the same state
			sess.Set(r.FormValue("k"), true)
		},
		"/keys": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, mustLoad(t, r).Len()) },
	})
	s.get("/set")
	const n = 50
	ready.Add(n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if res := s.get("/key?k=" + strconv.Itoa(i)); res.StatusCode != 200 {
				t.Errorf("writer %d: %d %s", i, res.StatusCode, res.body)
			}
		})
	}
	all.Wait()
	if got := s.get("/keys").body; got != "51" {
		t.Errorf("%s keys, want 51", got)
	}
}

// A session that changes and is deleted between a request's save and its next
// try is not begun anew.
func TestLogoutBetweenTwoTriesIsNotUndone(t *testing.T) {
	store := newProbe()
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set": setHandler(t),
		"/b":   func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).Set("b", 1) },
	})
	s.get("/set")
	token := s.token()
	store.mu.Lock()
	store.fail = func(op string) error {
		if op != "save" {
			return nil
		}
		store.Memory.Delete(context.Background(), token)
		return session.ErrConflict
	}
	store.mu.Unlock()
	store.took()
	if res := s.get("/b"); res.StatusCode != 400 || res.sessionCookies() != nil {
		t.Errorf("%d %q %q", res.StatusCode, res.body, res.sessionCookies())
	}
	if calls := store.took(); calls != "load save load" {
		t.Errorf("the store was asked: %s", calls)
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
		token, err := store.Memory.Save(t.Context(), "", &session.Record{Data: []byte(`{"user":1}`), Expires: time.Now().Add(time.Hour)})
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

// What cannot be read again, or breaks what Record promises to engines, is an
// error at Set and not a lost session.
func TestValuesThatCouldNotBeReadAgainAreRefused(t *testing.T) {
	for name, value := range map[string]any{
		"raw bytes":     json.RawMessage("\"\xff\""),
		"deep nesting":  json.RawMessage(strings.Repeat("[", 10000) + strings.Repeat("]", 10000)),
		"a bad method":  badJSON{},
		"nested string": map[string]json.RawMessage{"a": json.RawMessage("\"\xfe\"")},
	} {
		v := newVisitor(t, session.Options{ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {}})
		v.visit(func(s *session.Session) {
			s.Set("x", value)
			var ve *session.ValueError
			if err := s.Err(); !errors.As(err, &ve) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return []byte("\"\xc3\""), nil }

func TestLogoutDuringASlowRequestIsNotUndone(t *testing.T) {
	store := newProbe()
	loaded, loggedOut := make(chan struct{}), make(chan struct{})
	s := newSite(t, store, session.Options{}, map[string]http.HandlerFunc{
		"/set":    setHandler(t),
		"/logout": logoutHandler(t),
		"/team":   teamHandler(t),
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			close(loaded)
			<-loggedOut
			sess.Set("cart", []int{1, 2, 3})
			io.WriteString(w, "the cart of the visitor")
		},
	})
	s.get("/set")
	token := s.token()
	slow := make(chan answer)
	go func() { slow <- s.get("/slow") }()
	<-loaded
	s.get("/logout")
	close(loggedOut)
	if res := <-slow; res.StatusCode != 400 || strings.Contains(res.body, "cart") || res.sessionCookies() != nil {
		t.Errorf("the slow request got %d %q %q", res.StatusCode, res.body, res.sessionCookies())
	}
	s.setToken(token)
	if got := s.get("/team").body; got != "none" {
		t.Errorf("the session is alive again: %q", got)
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

func TestTooLargeNamesTheLargestEntriesButDoesNotPrintThem(t *testing.T) {
	store := newProbe()
	store.failOn(fmt.Errorf("engine: %w", &session.TooLargeError{Size: 5000, Limit: 4096}), "create")
	var tooLarge *session.TooLargeError
	s := newSite(t, store, session.Options{ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
		if !errors.As(err, &tooLarge) || session.ErrorStatus(err) != 500 {
			t.Errorf("error %v", err)
		}
	}}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) {
			sess := mustLoad(t, r)
			for i := range 9 {
				sess.Set(fmt.Sprint("key", i), strings.Repeat("x", 10*i))
			}
		},
	})
	s.get("/")
	if tooLarge == nil {
		t.Fatal("no error")
	}
	if got := fmt.Sprint(tooLarge.Largest); got != "[{key8 82} {key7 72} {key6 62} {key5 52} {key4 42}]" {
		t.Errorf("largest: %s", got)
	}
	if text := tooLarge.Error(); strings.Contains(text, "key8") || !strings.Contains(text, "5000") || !strings.Contains(text, "4096") {
		t.Errorf("text: %s", text)
	}
}

func TestWhatDjangoStoredIsUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			expiry string
			life   time.Duration
			close  bool
		}{
			{`60`, time.Minute, false},
			{`60.5`, 61 * time.Second, false},
			{`0`, 14 * 24 * time.Hour, true},
			{`"2000-01-01T01:00:00.500000"`, time.Hour + time.Second, false},
			{`"2000-01-01T03:00:00+02:00"`, time.Hour, false},
			{`"nonsense"`, 14 * 24 * time.Hour, false},
			{`null`, 14 * 24 * time.Hour, false},
			{`9223372036854775807`, 100 * 365 * 24 * time.Hour, false},
		} {
			v := newVisitor(t, session.Options{})
			var err error
			v.token, err = v.store.Memory.Save(t.Context(), "", &session.Record{
				Data:    []byte(`{"_auth_user_id": "7", "_session_expiry": ` + tc.expiry + `}`),
				Expires: time.Now().Add(time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
			v.visit(func(s *session.Session) {
				if at := s.ExpiresAtBrowserClose(); at != tc.close {
					t.Errorf("%s: at browser close: %v", tc.expiry, at)
				}
				s.Set("x", 1)
				if got := s.ExpiryAge(); got != tc.life {
					t.Errorf("%s: %v, want %v", tc.expiry, got, tc.life)
				}
			})
		}
	})
}

func TestOwnerAndLabel(t *testing.T) {
	store := &ownerStore{probe: newProbe()}
	m, err := session.NewManager(store, session.Options{IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, m: m, store: store.probe}
	v.visit(func(s *session.Session) { s.SetOwner("user 7"); s.SetLabel("Firefox \U0001F98A") })
	if v.token != "" {
		t.Error("an owner alone makes no session")
	}
	v.visit(func(s *session.Session) { login(s); s.SetOwner("user 7"); s.SetLabel("Firefox \U0001F98A") })
	v.visit(func(s *session.Session) {
		if s.Owner() != "user 7" || s.Label() != "Firefox \U0001F98A" || s.Len() != 1 {
			t.Errorf("%q %q", s.Owner(), s.Label())
		}
		s.Set("n", 1)
	})
	v.visit(func(s *session.Session) { s.SetOwner("") })
	if got := strings.Join(store.owners, ", "); got != "user 7/Firefox \U0001F98A, user 7/Firefox \U0001F98A, /Firefox \U0001F98A" {
		t.Errorf("the engine was told: %s", got)
	}
	s := newSite(t, newProbe(), session.Options{}, map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) { mustLoad(t, r).SetOwner("\xff") },
	})
	if res := s.get("/"); res.StatusCode != 500 {
		t.Errorf("an owner that is not UTF-8: %d", res.StatusCode)
	}
	v.visit(func(s *session.Session) {
		if s.SetLabel("UA \xff!"); s.Label() != "UA !" || s.Err() != nil {
			t.Errorf("a label that is not UTF-8: %q, %v", s.Label(), s.Err())
		}
	})
}

// ownerStore notes the owners that it is told.
type ownerStore struct {
	*probe
	owners []string
}

func (o *ownerStore) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	o.owners = append(o.owners, rec.Owner+"/"+rec.Label)
	return o.probe.Save(ctx, token, rec)
}

func TestAnEngineThatCanTouchAndDeleteOnlySome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, session.Options{IdleTimeout: time.Hour})
		v.visit(login)
		v.store.failOn(errors.ErrUnsupported, "touch", "delete-unchanged")
		time.Sleep(10 * time.Minute)
		if calls := v.visit(look); calls != "load touch save" {
			t.Errorf("the store was asked: %s", calls)
		}
		if calls := v.visit(func(s *session.Session) { s.Clear() }); calls != "load delete-unchanged delete" {
			t.Errorf("the store was asked: %s", calls)
		}
	})
}

// A type of the application's may use the session while it is encoded or
// decoded.
type nosy struct{ s *session.Session }

func (n nosy) MarshalJSON() ([]byte, error) {
	n.s.Set("seen", true)
	return []byte(`"nosy"`), nil
}

var nosySession *session.Session

func (n *nosy) UnmarshalJSON([]byte) error {
	nosySession.Has("seen")
	return nil
}

func TestValuesMayUseTheSession(t *testing.T) {
	v := newVisitor(t, session.Options{})
	v.visit(func(s *session.Session) {
		nosySession = s
		s.Set("a", nosy{s})
		s.SetDefault("b", nosy{s})
		s.Update(map[string]any{"c": nosy{s}})
		s.AddFlash(nosy{s})
		session.Get[nosy](s, "a")
		session.Pop[nosy](s, "b")
		s.Decode("c", &nosy{})
		if n := len(session.Flashes[nosy](s)); n != 1 || s.Has("b") || !s.Has("seen") {
			t.Errorf("%d flashes, keys %q", n, s.Keys())
		}
	})
}

// A late extension must not give a token that the client does not learn.
func TestALateExtensionKeepsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &moving{probe: newProbe(), cannot: true}
		m, err := session.NewManager(store, session.Options{Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		v := &visitor{t: t, m: m, store: store.probe}
		v.visit(login)
		time.Sleep(30 * time.Minute)
		store.failOn(errors.ErrUnsupported, "touch")
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: v.token})
		m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := mustLoad(t, r)
			w.WriteHeader(200)
			s.Touch()
			if err := s.Save(r.Context()); !errors.Is(err, session.ErrHeadersSent) {
				t.Errorf("Save: %v", err)
			}
		})).ServeHTTP(w, r)
		if !v.alive() {
			t.Error("the session has moved without the client")
		}
	})
}
