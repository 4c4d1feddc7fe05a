package django_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"sessionengine/django"
	"sessionengine/internal/testserver"
	"sessionengine/session"
)

// randomSessions is the number of random sessions that go each way through each
// engine.
const randomSessions = 1000

// numberOfSessions is randomSessions, or fewer with -short.
func numberOfSessions() int {
	if testing.Short() {
		return randomSessions / 5
	}
	return randomSessions
}

// randomAnswer is what the op random_sessions of peer.py answers.
type randomAnswer struct {
	Sessions []struct {
		Session string
		Keys    map[string]string // by engine
	}
}

// seed makes the random sessions the same every time.
const seed = 20261123

// A site is a Manager whose visitors are called one request at a time.
type site struct {
	t testing.TB
	m *session.Manager
}

func newSite(t testing.TB, store session.SessionStore, opts session.Options) *site {
	t.Helper()
	m, err := session.NewManager(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, m}
}

// visit lets a visitor with a token do something with the session. It returns
// the token that the visitor has afterwards, "" if none.
func (s *site) visit(token string, do func(*session.Session)) (newToken string) {
	s.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: token})
	}
	w := httptest.NewRecorder()
	s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, err := session.Load(r)
		if err != nil {
			s.t.Errorf("load: %v", err)
			return
		}
		do(sess)
		if err := sess.Save(r.Context()); err != nil {
			s.t.Errorf("save: %v", err)
		}
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == "sessionid" {
			if c.MaxAge < 0 {
				return ""
			}
			token = c.Value
		}
	}
	return token
}

// entries returns what a visitor's session holds, still encoded.
func (s *site) entries(token string) map[string]json.RawMessage {
	s.t.Helper()
	var all map[string]json.RawMessage
	s.visit(token, func(sess *session.Session) { all = maps.Collect(sess.All()) })
	return all
}

// decode returns JSON as Go values, numbers as they are written.
func decode(t testing.TB, text string) (v map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatal("there is something after the JSON value")
	}
	return v
}

func encode(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhatDjangoWritesIsReadByGo(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		var answer randomAnswer
		count := numberOfSessions()
		p.do("random_sessions", ask{"seed": seed, "count": count}, &answer)
		if len(answer.Sessions) != count {
			t.Fatalf("Django wrote %d sessions", len(answer.Sessions))
		}
		for _, engine := range []string{cookies, rows} {
			s := newSite(t, open(t, engine, secretKey, file, django.Options{}), session.Options{})
			for i, sent := range answer.Sessions {
				token := sent.Keys[engine]
				want := decode(t, sent.Session)
				got := decode(t, encode(t, s.entries(token)))
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: session %d:\ngot  %q\nwant %q", engine, i, encode(t, got), sent.Session)
				}
				// Django gets back what it has written, with what Go adds.
				if i%10 == 0 {
					token = s.visit(token, func(sess *session.Session) { sess.Set("added", "in Go ✓") })
					want["added"] = "in Go ✓"
					if got := p.read(engine, token, encode(t, want)); !got.Equal {
						t.Fatalf("%s: session %d back at Django:\ngot  %q\nwant %q", engine, i, got.Session,
							encode(t, want))
					}
				}
			}
		}
	})
}

func TestWhatGoWritesIsReadByDjango(t *testing.T) {
	eachDjango(t, func(t *testing.T, d testserver.Django) {
		file := databaseFile(t, d)
		p := newPeer(t, d, ask{"database": file})
		r := rand.New(rand.NewPCG(seed, 0))
		sites := make(map[string]*site)
		for _, engine := range []string{cookies, rows} {
			sites[engine] = newSite(t, open(t, engine, secretKey, file, django.Options{}), session.Options{})
		}
		for i := range numberOfSessions() {
			values := randomObject(r, 3)
			want := encode(t, values)
			for engine, s := range sites {
				token := s.visit("", func(sess *session.Session) { sess.Update(values) })
				if token == "" {
					if len(values) > 0 {
						t.Fatalf("%s: session %d was not saved", engine, i)
					}
					continue
				}
				if got := p.read(engine, token, want); !got.Equal {
					t.Fatalf("%s: session %d:\ngot  %q\nwant %q", engine, i, got.Session, want)
				}
			}
		}
	})
}

func randomObject(r *rand.Rand, depth int) map[string]any {
	o := make(map[string]any)
	for range []int{0, 1, 1, 2, 3, 5}[r.IntN(6)] {
		o[randomText(r)] = randomValue(r, depth-1)
	}
	return o
}

func randomValue(r *rand.Rand, depth int) any {
	kinds := 12
	if depth <= 0 {
		kinds = 9
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return []any{"", []any{}, map[string]any{}, 0, math.Copysign(0, -1), 1e21, 5e-324, 1<<53 + 1, math.MinInt64,
			uint64(math.MaxUint64)}[r.IntN(10)]
	case 3:
		return r.IntN(2000) - 1000
	case 4:
		n := new(big.Int)
		for range 1 + r.IntN(4) {
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(r.Uint64()))
		}
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		return n
	case 5:
		for {
			if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
				return f
			}
		}
	case 6:
		return float64(r.IntN(2e8)-1e8) / 100
	case 7, 8:
		return randomText(r)
	case 9, 10:
		return randomObject(r, depth)
	default:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	}
}

var ranges = [][2]rune{
	{0x20, 0x7f}, {0x20, 0x7f}, {0x20, 0x7f}, {0x00, 0x20}, {0x7f, 0xa1}, {0xa1, 0x250}, {0x370, 0x500},
	{0x1e00, 0x1f00}, {0x2020, 0x2030}, {0x3040, 0x3100}, {0x4e00, 0xa000}, {0xd7f0, 0xd800}, {0xe000, 0xe010},
	{0xfff0, 0x10000}, {0x10000, 0x10010}, {0x1f300, 0x1f700}, {0x10fff0, 0x110000},
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range []int{0, 1, 3, 8, 20}[r.IntN(5)] {
		in := ranges[r.IntN(len(ranges))]
		b.WriteRune(in[0] + r.Int32N(in[1]-in[0]))
	}
	return b.String()
}

func TestTheRandomSessionsAreOfAllKinds(t *testing.T) {
	r := rand.New(rand.NewPCG(seed, 0))
	var all strings.Builder
	empty := 0
	for range randomSessions {
		o := randomObject(r, 3)
		if len(o) == 0 {
			empty++
		}
		fmt.Fprint(&all, encode(t, o))
	}
	text := all.String()
	for _, part := range []string{`null`, `true`, `[]`, `{}`, `""`, `\u0000`, `\u2028`, "\x7f", "𐀀", "\uffff", "é",
		`e-324`, `1e+21`, `9007199254740993`, `18446744073709551615`} {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in any of the random sessions", part)
		}
	}
	if empty < 50 {
		t.Errorf("%d empty sessions", empty)
	}
}
