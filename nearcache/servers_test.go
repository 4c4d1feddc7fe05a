package nearcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessionengine/internal/relay"
	"sessionengine/internal/testserver"
	"sessionengine/nearcache"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// backend is an engine on a server.
type backend struct {
	features sessiontest.Features
	server   *testserver.Server
	// open opens an engine on sessions that no other test uses, and another one on
	// the same each time it is called with the same name. What it does to watch
	// passes through the proxy, unless that is nil.
	open func(t testing.TB, name string, proxy *pushProxy) session.SessionStore
	// watches is true for what the client sends on a connection on which it watches,
	// and swallow for what the server pushes there.
	watches, swallow func(data []byte) bool
}

// pushProxy stands before a server, and does something to the connections that are
// watched.
type pushProxy struct {
	*relay.Relay
	mode    atomic.Int32
	watched sync.Map // of connections
}

// cut cuts the connections that are watched.
func (p *pushProxy) cut() {
	p.watched.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
	p.watched.Clear()
}

const (
	open    int32 = iota
	silent        // the server is not heard any more
	garbled       // what it pushes is something else
)

func newPushProxy(t testing.TB, target string, watches, swallow func([]byte) bool) *pushProxy {
	t.Helper()
	p := new(pushProxy)
	var err error
	p.Relay, err = relay.Listen(target, func(ctx context.Context, client, server *net.TCPConn) {
		var watched atomic.Bool
		pass := func(to, from net.Conn, toServer bool) {
			defer to.Close()
			defer from.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := from.Read(buf)
				switch data := buf[:n]; {
				case toServer:
					if watches(data) {
						watched.Store(true)
						p.watched.Store(from, true)
					}
				case watched.Load() && p.mode.Load() == silent:
					<-ctx.Done()
					return
				case watched.Load() && p.mode.Load() == garbled && swallow(data):
					for i := range min(8, n) {
						if c := &data[n-i-1]; *c > ' ' {
							*c ^= 1
						}
					}
				}
				if err == nil {
					_, err = to.Write(buf[:n])
				}
				if err != nil {
					return
				}
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { pass(server, client, true) })
		pass(client, server, false)
		wg.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

var names atomic.Int64

func newName() string { return fmt.Sprintf("near_%d", names.Add(1)) }

// nodes opens two nodes of one site, of which the first watches through the proxy.
func (b backend) nodes(t testing.TB, proxy *pushProxy, opts nearcache.Options) (first, second *nearcache.Store) {
	t.Helper()
	name := newName()
	return near(t, b.open(t, name, proxy), opts), near(t, b.open(t, name, nil), opts)
}

// settled is a node whose changes have arrived at the other ones when it returns.
type settled struct {
	*nearcache.Store
	t     testing.TB
	group *[]*nearcache.Store
}

// arrive ends a session that all nodes have in memory: when the last one has heard
// of that, it has heard of all before.
func (s settled) arrive() {
	ctx := context.Background()
	engine := nearcache.EngineOf(s.Store)
	token, _ := create(s.t, engine, "0")
	for _, node := range *s.group {
		holds(s.t, node, token, "0")
	}
	if err := engine.Delete(ctx, token); err != nil {
		s.t.Error(err)
	}
	for _, node := range *s.group {
		gone(s.t, node, token)
	}
}

func (s settled) Save(ctx context.Context, token string, rec *session.Record) (string, error) {
	defer s.arrive()
	return s.Store.Save(ctx, token, rec)
}

func (s settled) Renew(ctx context.Context, token string, rec *session.Record) (string, error) {
	defer s.arrive()
	return s.Store.Renew(ctx, token, rec)
}

func (s settled) Delete(ctx context.Context, token string) error {
	defer s.arrive()
	return s.Store.Delete(ctx, token)
}

func (s settled) Touch(ctx context.Context, token string, rec *session.Record) error {
	defer s.arrive()
	return s.Store.Touch(ctx, token, rec)
}

// undeleted is a node of an engine that deletes what is expired by itself.
type undeleted struct {
	session.SessionStore
	session.Toucher
	session.UnchangedDeleter
	session.CookieNamer
	io.Closer
}

// gone waits until a node does not know a session any more.
func gone(t testing.TB, node session.SessionStore, token string) {
	t.Helper()
	for range 20000 {
		if _, err := node.Load(context.Background(), token); errors.Is(err, session.ErrNotFound) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("a session that was ended on another node is still there")
}

// sees waits until a node knows what a session holds.
func sees(t testing.TB, node session.SessionStore, token, want string) {
	t.Helper()
	for range 20000 {
		if rec, err := node.Load(context.Background(), token); err == nil && string(rec.Data) == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	holds(t, node, token, want)
}

// A change that nobody tells of would not be seen within the time of a test.
var long = nearcache.Options{MaxStale: 10 * time.Minute}

func (b backend) run(t *testing.T) {
	t.Run("what another node does is seen", b.testOtherNode)
	t.Run("connections are cut", b.testCut)
	t.Run("pushes are swallowed", b.testSwallowed)
	t.Run("the server is killed", b.testKilled)
	t.Run("two nodes lose no update", b.testLoad)
}

// conformance runs beside that of other engines: most of its time it waits.
func (b backend) conformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	b.testConformance(t)
	sessiontest.RunRandom(t, 0, 300, sessiontest.Subject{Name: "near", Features: b.features,
		New: func(t *testing.T) session.SessionStore { return near(t, b.open(t, newName(), nil), long) }})
}

func (b backend) testConformance(t *testing.T) {
	var group []*nearcache.Store
	var name string
	f := b.features
	f.Peer = func(t *testing.T, s session.SessionStore) session.SessionStore {
		group = append(group, near(t, b.open(t, name, nil), long))
		return settled{group[1], t, &group}
	}
	if !f.ExpiredDeleter {
		f.Peer = nil
	}
	sessiontest.Run(t, func(t *testing.T) session.SessionStore {
		mine := newName()
		s := near(t, b.open(t, mine, nil), long)
		switch {
		case !b.features.ExpiredDeleter:
			return undeleted{s, s, s, s, s}
		case !strings.Contains(t.Name(), "processes_that_share"):
			return s
		}
		name, group = mine, []*nearcache.Store{s}
		return settled{s, t, &group}
	}, f)
}

func (b backend) testOtherNode(t *testing.T) {
	ctx := t.Context()
	here, there := b.nodes(t, nil, long)
	for range 50 {
		token, _ := create(t, there, "1")
		for range 3 {
			holds(t, here, token, "1")
		}
		change(t, there, token, "2")
		sees(t, here, token, "2")
		rec, err := there.Load(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		token2, err := there.Renew(ctx, token, rec)
		if err != nil {
			t.Fatal(err)
		}
		gone(t, here, token)
		holds(t, here, token2, "2")
		if err := there.Delete(ctx, token2); err != nil {
			t.Fatal(err)
		}
		gone(t, here, token2)
	}
	if st := here.Stats(); st.Hits < 50 || st.Changes < 150 {
		t.Errorf("%+v", st)
	}
	before := watching()
	here.Close()
	there.Close()
	if after := watching(); before < 2 || after > before-2 {
		t.Errorf("%d goroutines watch with two nodes, and %d without", before, after)
	}
}

// watching returns how many goroutines of the engines watch.
func watching() (n int) {
	stacks := make([]byte, 8<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		for _, f := range []string{"(*shared).watch", "(*shared).track", "(*shared).beat"} {
			if strings.Contains(stack, f) {
				n++
				break
			}
		}
	}
	return n
}

// staleAtMost ends a session on one node, and checks that no load of another one
// that begins later than the bound finds it.
func staleAtMost(t *testing.T, here, there session.SessionStore, token string, bound time.Duration) {
	t.Helper()
	if err := there.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	for {
		began := time.Now()
		_, err := here.Load(t.Context(), token)
		switch {
		case errors.Is(err, session.ErrNotFound):
			return
		case err != nil:
			t.Fatal(err)
		case began.Sub(ended) > bound:
			t.Fatalf("a session lives %v after it was ended; the bound is %v", began.Sub(ended), bound)
		}
		time.Sleep(time.Millisecond)
	}
}

func (b backend) testCut(t *testing.T) {
	proxy := newPushProxy(t, b.server.Start(t).Addr, b.watches, b.swallow)
	here, there := b.nodes(t, proxy, long)
	token, _ := create(t, there, "1")
	holds(t, here, token, "1")
	for range 5 {
		before := here.Stats().Flushes
		proxy.cut()
		for range 20000 {
			if here.Stats().Flushes > before {
				break
			}
			time.Sleep(time.Millisecond)
		}
		change(t, there, token, "2") // told or not: what was in memory is forgotten, and read again
		watches(t, here)
		for range 2 {
			holds(t, here, token, "2")
		}
		change(t, there, token, "1")
		sees(t, here, token, "1")
	}
}

// A proxy passes everything on but what matters; or nothing any more, and says
// nothing of it.
func (b backend) testSwallowed(t *testing.T) {
	for name, dead := range map[string]bool{"a dead connection": true, "pushes only": false} {
		t.Run(name, func(t *testing.T) {
			proxy := newPushProxy(t, b.server.Start(t).Addr, b.watches, b.swallow)
			opts := nearcache.Options{MaxStale: time.Second}
			here, there := b.nodes(t, proxy, opts)
			var tokens []string
			for range 5 {
				token, _ := create(t, there, "1")
				tokens = append(tokens, token)
			}
			mode := garbled
			if dead {
				mode = silent
			}
			proxy.mode.Store(mode)
			staleOnly(t, here, there, tokens, opts.MaxStale)
		})
	}
}

func staleOnly(t *testing.T, here, there session.SessionStore, tokens []string, bound time.Duration) {
	t.Helper()
	for _, token := range tokens {
		holds(t, here, token, "1")
		staleAtMost(t, here, there, token, bound)
	}
}

func (b backend) testKilled(t *testing.T) {
	b.server.Start(t)
	here, there := b.nodes(t, nil, long)
	token, _ := create(t, there, "1")
	holds(t, here, token, "1")
	b.server.Kill(t)
	for range 20000 {
		if !here.Stats().Watching {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if rec, err := here.Load(t.Context(), token); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("while the server is down: %v, %v; want a failure", rec, err)
	}
	b.server.Restart(t)
	watches(t, here)
	watches(t, there)
	token, _ = create(t, there, "1")
	for range 2 {
		holds(t, here, token, "1")
	}
	if err := there.Delete(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	gone(t, here, token)
}

// loadTime is the environment variable that says how long two nodes are under load,
// such as 3m.
const loadTime = "SESSIONENGINE_NEARCACHE_LOAD"

// testLoad increments counters in sessions through two nodes, reads them meanwhile,
// and cuts off what one of them hears.
func (b backend) testLoad(t *testing.T) {
	d := 2 * time.Second
	if s := os.Getenv(loadTime); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	proxy := newPushProxy(t, b.server.Start(t).Addr, b.watches, b.swallow)
	here, there := b.nodes(t, proxy, nearcache.Options{MaxStale: 2 * time.Second})
	handlers := []http.Handler{counter(t, here), counter(t, there)}
	const sessions = 8
	var cookies []*http.Cookie
	counts := make([]atomic.Int64, sessions)
	for i := range sessions {
		cookies = append(cookies, get(t, handlers[0], nil).Result().Cookies()[0])
		counts[i].Add(1)
	}
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				get(t, handlers[i%2], cookies[i/2%sessions])
				counts[i/2%sessions].Add(1)
			}
		})
	}
	for worker := range 2 {
		wg.Go(func() {
			node := []*nearcache.Store{here, there}[worker]
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := node.Load(ctx, cookies[i%sessions].Value); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				time.Sleep(50 * time.Microsecond)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(d / 10)
			proxy.mode.Store(garbled)
			time.Sleep(d / 10)
			proxy.mode.Store(open)
			proxy.cut()
		}
	})
	wg.Wait()
	total := int64(0)
	for i, cookie := range cookies {
		rec, err := nearcache.EngineOf(here).Load(t.Context(), cookie.Value)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`"n":%d`, counts[i].Load()); !strings.Contains(string(rec.Data), want) {
			t.Errorf("%s, want %s", rec.Data, want)
		}
		total += counts[i].Load()
	}
	t.Logf("%d changes in %v; here %+v, there %+v", total, d, here.Stats(), there.Stats())
}

// latencies ends sessions on one node, and reports how long another one has them
// after the end was acknowledged.
func (b backend) latencies(tb *testing.B) {
	here, there := b.nodes(tb, nil, long)
	var all []time.Duration
	for tb.Loop() {
		token, _ := create(tb, there, "1")
		holds(tb, here, token, "1")
		if err := there.Delete(tb.Context(), token); err != nil {
			tb.Fatal(err)
		}
		ended := time.Now()
		for {
			_, err := here.Load(tb.Context(), token)
			if errors.Is(err, session.ErrNotFound) {
				break
			}
			time.Sleep(20 * time.Microsecond) // this processor is not for looking only
		}
		all = append(all, time.Since(ended))
	}
	slices.Sort(all)
	for _, p := range []int{50, 99} {
		tb.ReportMetric(float64(all[len(all)*p/100].Nanoseconds()), fmt.Sprintf("p%d-ns/op", p))
	}
}

// logOf is a logger, and what it has logged.
func logOf() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var b bytes.Buffer
	write := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	})
	return slog.New(slog.NewTextHandler(write, nil)), func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
