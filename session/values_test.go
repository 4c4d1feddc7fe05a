package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
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
	return inRequestOf(t, m, token, func(_ http.ResponseWriter, s *session.Session) { f(s) })
}

// inRequestOf is inRequest for an f that writes the response.
func inRequestOf(t testing.TB, m *session.Manager, token string,
	f func(http.ResponseWriter, *session.Session)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		r.Header.Set("Cookie", "sessionid="+token)
	}
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			t.Errorf("Load: %v", err)
			return
		}
		f(w, s)
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
	token, err := store.Save(context.Background(), "",
		&session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// after runs first in a request that has loaded the session before second is
// saved, so that second conflicts, and returns the status of second and what
// is stored in the end.
func after(t *testing.T, opts session.Options, data string, first,
	second func(*session.Session)) (status int, after string) {
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
		{"label", // another owner would renew the session, and this request be too late
			func(s *session.Session) { s.SetLabel("b") },
			func(s *session.Session) { s.SetLabel(""); s.Set("tenant", 9) },
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
		{"Pop of what was changed", `{"coupon":"a"}`, func(s *session.Session) { s.Set("coupon", "b") },
			pop(true), 409},
		{"Pop and Clear", `{"user":1,"coupon":"a"}`, pop(true), func(s *session.Session) {
			pop(true)(s)
			s.Clear()
			s.Set("a", 1)
		}, 409},
		{"Pop of what was changed by itself", `{"coupon":"a"}`, func(s *session.Session) { s.Set("coupon", "c") },
			func(s *session.Session) {
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
		"string": bad, "slice": []string{"a", bad}, "array": [1]string{bad}, "key": map[string]int{bad: 1},
		"value": map[int]string{1: bad},
		"field": struct{ A string }{bad}, "pointer": &struct{ A *string }{new(bad)},
		"any":  []any{map[string]any{"a": []any{bad}}},
		"text": badText{}, "text as a key": map[badText]int{{}: 1}, "raw": json.RawMessage(`"` + bad + `"`),
		"raw inside": []json.RawMessage{[]byte(`"` + bad + `"`)},
		"own":        ownJSON{`"` + bad + `"`}, "own beside": []any{ownJSON{`"\ufffd"`}, bad},
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
		"replacement character": "\ufffd", "inside": []string{"\ufffd"}, "escaped": json.RawMessage(`"\ufffd"`),
		"escaped inside": []any{json.RawMessage(`"\ufffd"`), "ü"},
		"own":            ownJSON{`"\ufffd"`}, "a backslash": []string{`\ufffd`},
		"half a pair": json.RawMessage(`"\ud83d"`),
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
		if err := s.Save(t.Context()); err == nil || errors.Is(err, session.ErrConflict) ||
			session.ErrorStatus(err) != 503 {
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
			strings.Repeat("x", 255): 255, strings.Repeat("x", 1<<20): 255, strings.Repeat("é", 200): 254,
			"\xff" + strings.Repeat("€", 90): 255,
			strings.Repeat("x", 253) + "😀":   253,
		} {
			if s.SetLabel(text); len(s.Label()) != want ||
				!strings.HasPrefix(strings.TrimPrefix(text, "\xff"), s.Label()) {
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
		w := inRequest(t, manager(t, store, session.Options{CommitTimeout: time.Second}), token,
			func(s *session.Session) {
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
