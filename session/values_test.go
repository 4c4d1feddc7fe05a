package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// inRequest calls f with the session of data in a request of its own, and
// returns the response.
func inRequest(t testing.TB, m *session.Manager, token string, f func(*session.Session)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
	}
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			t.Errorf("Load: %v", err)
			return
		}
		f(s)
	})).ServeHTTP(w, r)
	return w
}

func manager(t testing.TB, store session.SessionStore, opts session.Options) *session.Manager {
	t.Helper()
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// stored saves data and returns its token.
func stored(t testing.TB, store session.SessionStore, data string) string {
	t.Helper()
	token, err := store.Save(context.Background(), "", &session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// after runs first in a request that has loaded the session before second is
// saved, so that second conflicts, and returns the status of second and what
// is stored in the end.
func after(t *testing.T, opts session.Options, data string, first, second func(*session.Session)) (status int, after string) {
	t.Helper()
	store := sessiontest.NewMemory()
	m := manager(t, store, opts)
	token := stored(t, store, data)
	w := inRequest(t, m, token, func(s *session.Session) {
		second(s)
		if w := inRequest(t, m, token, first); w.Code != 200 {
			t.Errorf("the first request: %d", w.Code)
		}
	})
	rec, err := store.Load(t.Context(), token)
	if err != nil {
		return w.Code, ""
	}
	return w.Code, string(rec.Data)
}

func TestWhatARequestAssertedHoldsAfterAConflict(t *testing.T) {
	for _, tc := range []struct {
		name          string
		first, second func(*session.Session)
		want          string
	}{
		{"Set of what is there",
			func(s *session.Session) { s.Set("tenant", 7); s.Set("role", "owner") },
			func(s *session.Session) { s.Set("tenant", 9); s.Set("role", "member") },
			`{"role":"member","tenant":9}`},
		{"Delete of what is not there",
			func(s *session.Session) { s.Set("admin", true) },
			func(s *session.Session) { s.Delete("admin"); s.Set("tenant", 9) },
			`{"role":"member","tenant":9}`},
		{"Clear of what is empty",
			func(s *session.Session) { s.Set("admin", true) },
			func(s *session.Session) { s.Delete("role"); s.Clear(); s.Set("tenant", 9) },
			`{"tenant":9}`},
		{"owner and label",
			func(s *session.Session) { s.SetOwner("bob"); s.SetLabel("b") },
			func(s *session.Session) { s.SetOwner(""); s.SetLabel(""); s.Set("tenant", 9) },
			`{"role":"member","tenant":9}`},
		{"ResetExpiry",
			func(s *session.Session) { s.SetExpiry(time.Minute) },
			func(s *session.Session) { s.ResetExpiry(); s.Set("tenant", 9) },
			`{"role":"member","tenant":9}`},
		{"Change that changes nothing",
			func(s *session.Session) { s.Set("n", 5) },
			func(s *session.Session) {
				session.Change(s, "role", func(role string) string { return role })
				session.Change(s, "n", func(n int) int { return n * 2 })
				session.Change(s, "n", func(n int) int { return n + 1 })
			},
			`{"role":"member","n":11}`},
		{"Change of what was set",
			func(s *session.Session) { s.Set("n", 5) },
			func(s *session.Session) { s.Set("n", 1); session.Change(s, "n", func(n int) int { return n + 1 }) },
			`{"role":"member","n":2}`},
	} {
		status, got := after(t, session.Options{}, `{"role":"member"}`, tc.first, tc.second)
		if status != 200 || got != tc.want {
			t.Errorf("%s: %d %s, want %s", tc.name, status, got, tc.want)
		}
	}
}

func TestWhatChangesNothingIsNotSaved(t *testing.T) {
	store := newProbe()
	token := stored(t, store, `{"role":"member"}`)
	store.took()
	inRequest(t, manager(t, store, session.Options{}), token, func(s *session.Session) {
		s.Set("role", "member")
		s.Delete("admin")
		s.SetOwner("")
		s.ResetExpiry()
		session.Change(s, "role", func(role string) string { return role })
		if s.Modified() {
			t.Error("modified")
		}
	})
	if got := store.took(); got != "load" {
		t.Errorf("calls: %s", got)
	}
}

func TestAValueIsGivenOnce(t *testing.T) {
	pop := func(want bool) func(*session.Session) {
		return func(s *session.Session) {
			if _, ok := session.Pop[string](s, "coupon"); ok != want {
				t.Errorf("Pop: %v", ok)
			}
		}
	}
	setDefault := func(s *session.Session) {
		if !s.SetDefault("job", "x") {
			t.Error("SetDefault: false")
		}
	}
	for _, tc := range []struct {
		name, data    string
		first, second func(*session.Session)
		want          int
	}{
		{"Pop", `{"user":1,"coupon":"a"}`, pop(true), pop(true), 409},
		{"Pop of the last value", `{"coupon":"a"}`, pop(true), pop(true), 400},
		{"Pop of what was changed", `{"coupon":"a"}`, func(s *session.Session) { s.Set("coupon", "b") }, pop(true), 409},
		{"Pop and Clear", `{"user":1,"coupon":"a"}`, pop(true), func(s *session.Session) { pop(true)(s); s.Clear(); s.Set("a", 1) }, 409},
		{"Pop of what was changed by itself", `{"coupon":"a"}`, func(s *session.Session) { s.Set("coupon", "c") }, func(s *session.Session) {
			session.Change(s, "coupon", func(string) string { return "b" })
			pop(true)(s)
		}, 409},
		{"Pop of what it set", `{"coupon":"a"}`, func(s *session.Session) { s.Set("coupon", "c") },
			func(s *session.Session) { s.Set("coupon", "b"); pop(true)(s); s.Set("x", 1) }, 200},
		{"Pop beside another key", `{"coupon":"a"}`, func(s *session.Session) { s.Set("x", "c") }, pop(true), 200},
		{"SetDefault", `{"user":1}`, setDefault, setDefault, 409},
		{"SetDefault beside another key", `{"user":1}`, func(s *session.Session) { s.Set("x", 1) }, setDefault, 200},
		{"SetDefault after Delete", `{"user":1,"job":"z"}`, func(s *session.Session) { s.Set("job", "y") },
			func(s *session.Session) { s.Delete("job"); setDefault(s) }, 200},
	} {
		for _, policy := range []session.ConflictPolicy{session.MergeChanges, session.LastWriteWins} {
			if got, _ := after(t, session.Options{Conflict: policy}, tc.data, tc.first, tc.second); got != tc.want {
				t.Errorf("%s, policy %d: %d, want %d", tc.name, policy, got, tc.want)
			}
		}
	}
}

func TestAFailedPopStaysFailed(t *testing.T) {
	store := sessiontest.NewMemory()
	m := manager(t, store, session.Options{})
	token := stored(t, store, `{"user":1,"coupon":"a"}`)
	w := inRequest(t, m, token, func(s *session.Session) {
		session.Pop[string](s, "coupon")
		inRequest(t, m, token, func(s *session.Session) { session.Pop[string](s, "coupon") })
		for range 2 {
			if err := s.Save(t.Context()); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Save: %v", err)
			}
		}
	})
	if w.Code != 409 {
		t.Errorf("%d, want 409", w.Code)
	}
}

func TestACartKeepsWhatParallelRequestsAdd(t *testing.T) {
	for _, tc := range []struct {
		name  string
		store session.SessionStore
	}{{"memory", sessiontest.NewMemory()}, {"rows", rowStore(t)}} {
		m := manager(t, tc.store, session.Options{CommitTimeout: time.Minute})
		token := stored(t, tc.store, `{"cart":["first"]}`)
		var loaded sync.WaitGroup
		loaded.Add(20)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				w := inRequest(t, m, token, func(s *session.Session) {
					loaded.Done()
					loaded.Wait()
					session.Change(s, "cart", func(cart []string) []string { return append(cart, fmt.Sprint(i)) })
				})
				if w.Code != 200 {
					t.Errorf("%s: %d", tc.name, w.Code)
				}
			})
		}
		all.Wait()
		inRequest(t, m, token, func(s *session.Session) {
			if cart, _ := session.Get[[]string](s, "cart"); len(cart) != 21 {
				t.Errorf("%s: %d of 21 items are left", tc.name, len(cart))
			}
		})
	}
}

func TestMistakesOfChange(t *testing.T) {
	m := manager(t, sessiontest.NewMemory(), session.Options{})
	inRequest(t, m, "", func(s *session.Session) {
		session.Change(s, "_session_x", func(n int) int { return n })
		if !errors.Is(s.Err(), session.ErrReservedKey) {
			t.Errorf("Err: %v", s.Err())
		}
	})
	inRequest(t, m, "", func(s *session.Session) {
		var value *session.ValueError
		session.Change(s, "x", func(func()) func() { return func() {} })
		if !errors.As(s.Err(), &value) {
			t.Errorf("Err: %v", s.Err())
		}
	})
	inRequest(t, m, "", func(s *session.Session) {
		s.Set("x", "no number")
		session.Change(s, "x", func(n int) int { return n + 1 })
		if n, _ := session.Get[int](s, "x"); n != 1 {
			t.Errorf("got %d, want 1", n)
		}
	})
}

type (
	badText struct{}
	ownJSON struct{ text string }
)

func (badText) MarshalText() ([]byte, error) { return []byte("J\xfcrgen"), nil }
func (o ownJSON) MarshalJSON() ([]byte, error) {
	return []byte(o.text), nil
}

func TestTextThatIsNotUTF8IsRefusedWhereverItIs(t *testing.T) {
	const bad = "J\xfcrgen"
	m := manager(t, sessiontest.NewMemory(), session.Options{})
	for name, v := range map[string]any{
		"string": bad, "slice": []string{"a", bad}, "array": [1]string{bad}, "key": map[string]int{bad: 1}, "value": map[int]string{1: bad},
		"field": struct{ A string }{bad}, "pointer": &struct{ A *string }{new(bad)}, "any": []any{map[string]any{"a": []any{bad}}},
		"text": badText{}, "text as a key": map[badText]int{{}: 1}, "raw": json.RawMessage(`"` + bad + `"`), "raw inside": []json.RawMessage{[]byte(`"` + bad + `"`)},
		"own": ownJSON{`"` + bad + `"`}, "own beside": []any{ownJSON{`"\ufffd"`}, bad},
	} {
		inRequest(t, m, "", func(s *session.Session) {
			var value *session.ValueError
			if s.Set("k", v); !errors.As(s.Err(), &value) {
				t.Errorf("%s: %v", name, s.Err())
			}
		})
		inRequest(t, m, "", func(s *session.Session) {
			if s.AddFlash(v); s.Err() == nil {
				t.Errorf("%s as a flash: no error", name)
			}
		})
	}
	for name, v := range map[string]any{
		"replacement character": "\ufffd", "inside": []string{"\ufffd"}, "escaped": json.RawMessage(`"\ufffd"`), "escaped inside": []any{json.RawMessage(`"\ufffd"`), "ü"},
		"own": ownJSON{`"\ufffd"`}, "a backslash": []string{`\ufffd`}, "half a pair": json.RawMessage(`"\ud83d"`),
		"bytes": struct {
			A []byte
			B string `json:"-"`
			C string
			D any
		}{[]byte(bad), bad, `\ufffd`, nil},
	} {
		inRequest(t, m, "", func(s *session.Session) {
			if s.Set("k", v); s.Err() != nil {
				t.Errorf("%s: %v", name, s.Err())
			}
		})
	}
}

func TestSetExpiryInEachRequestBeginsAnew(t *testing.T) {
	for _, tc := range []struct {
		name  string
		store func(*testing.T) session.SessionStore
	}{
		{"memory", func(*testing.T) session.SessionStore { return sessiontest.NewMemory() }},
		{"cookie", cookieStore},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manager(t, tc.store(t), session.Options{})
				token := ""
				for i := range 4 {
					w := inRequest(t, m, token, func(s *session.Session) {
						if (i > 0) == s.IsEmpty() {
							t.Errorf("request %d: empty is %v", i, s.IsEmpty())
						}
						if i == 0 {
							s.Set("a", 1)
						}
						s.SetExpiry(30 * time.Minute)
					})
					cookies := w.Result().Cookies()
					if len(cookies) != 1 || cookies[0].MaxAge != 1800 {
						t.Fatalf("request %d: %v", i, cookies)
					}
					token = cookies[0].Value
					time.Sleep(20 * time.Minute)
				}
			})
		})
	}
}

func TestSetExpiryAgainHoldsAfterAConflict(t *testing.T) {
	_, got := after(t, session.Options{}, `{"a":1,"_session_expiry":1800}`,
		func(s *session.Session) { s.SetExpiry(5 * time.Minute) },
		func(s *session.Session) { s.SetExpiry(30 * time.Minute) })
	if got != `{"a":1,"_session_expiry":1800}` {
		t.Errorf("got %s", got)
	}
}

func TestAConflictThatCannotEndIsAFailureOfTheStore(t *testing.T) {
	store := newProbe()
	token := stored(t, store, `{"a":1}`)
	store.failOn(session.ErrConflict, "save")
	start := time.Now()
	inRequest(t, manager(t, store, session.Options{CommitTimeout: time.Hour}), token, func(s *session.Session) {
		s.Set("a", 2)
		if err := s.Save(t.Context()); err == nil || errors.Is(err, session.ErrConflict) || session.ErrorStatus(err) != 503 {
			t.Errorf("Save: %v", err)
		}
	})
	if time.Since(start) > time.Minute {
		t.Error("it took as long as it could")
	}
}

func TestWhatEndsASessionAndCannotBeReadEndsIt(t *testing.T) {
	now := time.Now().Unix()
	for _, tc := range []struct {
		entry string
		lives bool
	}{
		{fmt.Sprintf(`"_session_start":%d`, now), true},
		{fmt.Sprintf(`"_session_start":%d.5`, now-10), true},
		{fmt.Sprintf(`"_session_start":%d.5`, now-7200), false},
		{`"_session_start":1700000000.5`, false},
		{`"_session_start":-1`, false},
		{`"_session_start":1e300`, false},
		{`"_session_start":1e999`, false},
		{fmt.Sprintf(`"_session_start":%d`, now+10*24*3600), false},
		{`"_session_start":"today"`, false},
		{`"_session_start":null`, false},
		{`"_session_start":[1]`, false},
		{`"_session_expiry":1700000000.5`, true},
		{`"_session_expiry":1e300`, true}, // a hundred years
		{`"_session_expiry":0`, true},
		{`"_session_expiry":null`, true}, // as in Django
		{`"_session_expiry":"2999-01-02T03:04:05.678"`, true},
		{`"_session_expiry":1e999`, false},
		{`"_session_expiry":"soon"`, false},
		{`"_session_expiry":""`, false},
		{`"_session_expiry":{}`, false},
		{`"_session_expiry":false`, false},
		{`"_session_owner":"alice"`, true},
		{`"_session_owner":7`, false},
		{`"_session_owner":["alice"]`, false},
		{`"_session_label":7`, true}, // ends nothing
		{`"_session_flashes":7`, true},
	} {
		store := sessiontest.NewMemory()
		token := stored(t, store, `{"a":1,`+tc.entry+`}`)
		inRequest(t, manager(t, store, session.Options{AbsoluteTimeout: time.Hour}), token, func(s *session.Session) {
			if s.Has("a") != tc.lives {
				t.Errorf("%s: lives is %v", tc.entry, s.Has("a"))
			}
			if !s.Has("a") && !s.IsEmpty() {
				t.Errorf("%s: something is left", tc.entry)
			}
		})
	}
}

func TestOwnersAndLabelsAreBounded(t *testing.T) {
	m := manager(t, sessiontest.NewMemory(), session.Options{})
	inRequest(t, m, "", func(s *session.Session) {
		s.SetOwner(strings.Repeat("x", session.MaxOwnerBytes))
		if s.Err() != nil {
			t.Error(s.Err())
		}
		for text, want := range map[string]int{
			strings.Repeat("x", 255): 255, strings.Repeat("x", 1<<20): 255, strings.Repeat("é", 200): 254, "\xff" + strings.Repeat("€", 90): 255,
			strings.Repeat("x", 253) + "😀": 253,
		} {
			if s.SetLabel(text); len(s.Label()) != want || !strings.HasPrefix(strings.TrimPrefix(text, "\xff"), s.Label()) {
				t.Errorf("a label of %d bytes has %d, want %d", len(text), len(s.Label()), want)
			}
		}
		s.SetOwner(strings.Repeat("x", session.MaxOwnerBytes+1))
		if !errors.Is(s.Err(), session.ErrMisuse) {
			t.Errorf("Err: %v", s.Err())
		}
	})
}

func TestTheOldestFlashesGo(t *testing.T) {
	store := sessiontest.NewMemory()
	m := manager(t, store, session.Options{})
	token := stored(t, store, `{"a":1}`)
	for i := range session.MaxFlashes + 7 {
		inRequest(t, m, token, func(s *session.Session) { s.AddFlash(i) })
	}
	inRequest(t, m, token, func(s *session.Session) {
		got := session.Flashes[int](s)
		if len(got) != session.MaxFlashes || got[0] != 7 || !slices.IsSorted(got) {
			t.Errorf("%d flashes: %v", len(got), got)
		}
	})
}

func TestAConflictThatGoesOnEndsWithTheCommitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newProbe()
		token := stored(t, store, `{"a":1}`)
		n := 0
		store.fail = func(op string) error { // another request is faster each time
			if op != "save" {
				return nil
			}
			n++
			rec, err := store.Memory.Load(t.Context(), token)
			if err != nil {
				return err
			}
			rec.Data = fmt.Appendf(nil, `{"a":1,"n":%d}`, n)
			_, err = store.Memory.Save(t.Context(), token, rec)
			return err
		}
		w := inRequest(t, manager(t, store, session.Options{CommitTimeout: time.Second}), token, func(s *session.Session) {
			s.Set("b", 2)
			start := time.Now()
			if err := s.Save(t.Context()); !errors.Is(err, session.ErrConflict) {
				t.Errorf("Save: %v", err)
			}
			if took := time.Since(start); took != time.Second {
				t.Errorf("it took %v, want CommitTimeout", took)
			}
		})
		if w.Code != 409 {
			t.Errorf("%d, want 409", w.Code)
		}
		if n < 30 {
			t.Errorf("only %d tries", n)
		}
	})
}
