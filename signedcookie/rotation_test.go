package signedcookie_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"sessionengine/combined"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// The tests of this file are what ROTATION.md says.

// A fleet is the machines of a site, each with the settings that it was started
// with last.
type fleet struct {
	t     *testing.T
	rand  *rand.Rand
	nodes []http.Handler
	start []func() session.SessionStore // how each machine was started last
}

func newFleet(t *testing.T, seed uint64, size int, start func() session.SessionStore) *fleet {
	f := &fleet{t: t, rand: rand.New(rand.NewPCG(seed, 0)), nodes: make([]http.Handler, size),
		start: make([]func() session.SessionStore, size)}
	for i := range f.nodes {
		f.deploy(i, start)
	}
	return f
}

// deploy kills a machine and starts it with other settings.
func (f *fleet) deploy(i int, start func() session.SessionStore) {
	f.start[i] = start
	f.restart(i)
}

// restart kills a machine and starts it again: nothing in its memory is left.
func (f *fleet) restart(i int) {
	m, err := session.NewManager(f.start[i](), session.Options{Lifetime: time.Hour})
	if err != nil {
		f.t.Fatal(err)
	}
	f.nodes[i] = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Load(r)
		if err != nil {
			f.t.Errorf("Load: %v", err)
			return
		}
		n, _ := session.Get[int](s, "n")
		if r.URL.Path == "/write" {
			n++
			s.Set("n", n)
		}
		fmt.Fprint(w, n)
	}))
}

// A client holds a cookie and knows what the session must hold.
type client struct {
	cookie string
	n      int
}

func (f *fleet) visit(v *client, path string) {
	f.t.Helper()
	i := f.rand.IntN(len(f.nodes))
	if f.rand.IntN(4) == 0 {
		f.restart(f.rand.IntN(len(f.nodes)))
	}
	r := httptest.NewRequest("GET", path, nil)
	if v.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: v.cookie})
	}
	w := httptest.NewRecorder()
	f.nodes[i].ServeHTTP(w, r)
	if path == "/write" {
		v.n++
	}
	if got := w.Body.String(); got != fmt.Sprint(v.n) {
		f.t.Fatalf("a visitor lost the session: machine %d says %s, want %d", i, got, v.n)
	}
	for _, c := range w.Result().Cookies() {
		v.cookie = c.Value
	}
}

// rollOut deploys the settings on one machine after another, while clients
// come to all of them.
func (f *fleet) rollOut(clients []*client, start func() session.SessionStore) {
	f.t.Helper()
	for _, i := range f.rand.Perm(len(f.nodes)) {
		f.traffic(clients)
		f.deploy(i, start)
	}
	f.traffic(clients)
}

func (f *fleet) traffic(clients []*client) {
	f.t.Helper()
	for range 3 * len(clients) {
		v := clients[f.rand.IntN(len(clients))]
		if v.n == 0 || f.rand.IntN(3) == 0 {
			f.visit(v, "/write")
		} else {
			f.visit(v, "/read")
		}
	}
}

func randomSecret(r *rand.Rand) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return []byte(base64.StdEncoding.EncodeToString(b))
}

func stores(t *testing.T, opts signedcookie.Options, secret []byte, fallback ...[]byte) func() session.SessionStore {
	return func() session.SessionStore {
		opts.FallbackSecrets = fallback
		s, err := signedcookie.New(secret, opts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestRotationLogsNobodyOut(t *testing.T) {
	for _, scheme := range []signedcookie.Scheme{signedcookie.Signed, signedcookie.Encrypted, signedcookie.Sealed} {
		t.Run(scheme.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := signedcookie.Options{Scheme: scheme}
				seeds, rotations := uint64(3), 10
				if testing.Short() {
					seeds, rotations = 1, 3
				}
				for seed := range seeds {
					r := rand.New(rand.NewPCG(seed, 1))
					current := randomSecret(r)
					f := newFleet(t, seed, 4, stores(t, opts, current))
					clients := make([]*client, 12)
					for i := range clients {
						clients[i] = new(client)
					}
					f.traffic(clients)
					size := 0
					for rotation := range rotations {
						next := randomSecret(r)
						f.rollOut(clients, stores(t, opts, current, next)) // 1. all know the new one
						f.rollOut(clients, stores(t, opts, next, current)) // 2. all use the new one
						for _, v := range clients {
							f.visit(v, "/write")
						}
						time.Sleep(30 * time.Minute) // every session was saved meanwhile
						f.traffic(clients)
						time.Sleep(30*time.Minute - time.Second)
						for _, v := range clients { // who was away for so long is logged out anyway
							f.visit(v, "/write")
						}
						f.rollOut(clients, stores(t, opts, next)) // 3. the old one is forgotten
						current = next
						if got := len(clients[0].cookie); size == 0 {
							size = got
						} else if got > size+4 { // the number in it may have got a digit more
							t.Fatalf("rotation %d: the cookie has grown from %d to %d bytes", rotation, size, got)
						}
					}
				}
			})
		})
	}
}

// A fleet that skips the first step logs clients out: this is what the step is
// for.
func TestRotationWithoutTheFirstStepLogsOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	current, next := randomSecret(r), randomSecret(r)
	newer, older := stores(t, signedcookie.Options{}, next, current)(), stores(t, signedcookie.Options{}, current)()
	token, err := newer.Save(t.Context(), "",
		&session.Record{Data: []byte(`{"n":1}`), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.Load(t.Context(), token); err == nil {
		t.Error("a machine accepts a cookie made with a secret that it does not know")
	}
}

func TestDictionaryRotationLogsNobodyOut(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	secret := randomSecret(r)
	var dictionaries [][]byte
	for i := range 3 {
		var d []byte
		for range 40 {
			d = fmt.Appendf(d, `"k%d":%d,"n":`, i, r.IntN(1000))
		}
		dictionaries = append(dictionaries, d)
	}
	with := func(current []byte, fallback ...[]byte) func() session.SessionStore {
		return stores(t, signedcookie.Options{Dictionary: current, FallbackDictionaries: fallback}, secret)
	}
	f := newFleet(t, 3, 4, with(nil))
	clients := []*client{{}, {}, {}, {}}
	f.traffic(clients)
	var old []byte
	for _, next := range dictionaries {
		f.rollOut(clients, with(old, next))
		if old == nil {
			f.rollOut(clients, with(next))
		} else {
			f.rollOut(clients, with(next, old))
		}
		for _, v := range clients {
			f.visit(v, "/write")
		}
		f.rollOut(clients, with(next))
		old = next
	}
}

// From one scheme to another: a combined.Switch reads both.
func TestSchemeChangeLogsNobodyOut(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	secret := randomSecret(r)
	signed := stores(t, signedcookie.Options{}, secret)
	sealed := stores(t, signedcookie.Options{Scheme: signedcookie.Sealed}, secret)
	both := func(from, to func() session.SessionStore) func() session.SessionStore {
		return func() session.SessionStore {
			s, err := combined.NewSwitch(from(), to(), combined.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	f := newFleet(t, 5, 4, signed)
	clients := []*client{{}, {}, {}, {}, {}}
	f.traffic(clients)
	f.rollOut(clients, both(sealed, signed)) // 1. all read both, and write the old one
	f.rollOut(clients, both(signed, sealed)) // 2. all write the new one
	for _, v := range clients {
		f.visit(v, "/write")
	}
	f.rollOut(clients, sealed) // 3. the old one is forgotten
}
