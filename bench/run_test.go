package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessionengine/bench"
)

// toy is an engine that keeps sessions in a map, and makes the mistake it is
// told to.
type toy struct {
	fault string
	limit int                // of a session's size, if it is not 0
	log   func(bench.Action) // is told of each request, if it is not nil
	mu    sync.Mutex         // guards what follows
	rows  map[string]values  // by token
	next  int
}

// values are the entries of a session.
type values []bench.Entry

// with returns the values with another entry; v is left as it is.
func (v values) with(entry bench.Entry) values {
	v = slices.DeleteFunc(slices.Clone(v), func(e bench.Entry) bool { return e.Key == entry.Key })
	return append(v, entry)
}

// text is what a handler answers that reads the value under key.
func (v values) text(key string) string {
	for _, e := range v {
		if e.Key == key {
			if s, err := strconv.Unquote(string(e.Value)); err == nil {
				return s
			}
			return string(e.Value)
		}
	}
	return ""
}

func (e *toy) engine(name string) bench.Engine {
	return bench.Engine{Name: name, Open: func(context.Context, string, *bench.Counter) (bench.Site, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.rows == nil {
			e.rows = make(map[string]values)
		}
		return e, nil
	}}
}

func (e *toy) Close() error {
	if e.fault == "fails to close" {
		return errors.New("cannot close")
	}
	return nil
}

func (e *toy) Handler(a bench.Action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.log != nil {
			e.log(a)
		}
		if a.TouchesNothing() {
			if e.fault == "sets a cookie always" {
				w.Header().Set("Set-Cookie", r.Header.Get("Cookie")+"; Path=/")
			}
			return
		}
		e.serve(w, r, a)
	})
}

func (e *toy) serve(w http.ResponseWriter, r *http.Request, a bench.Action) {
	e.mu.Lock()
	token := strings.TrimPrefix(r.Header.Get("Cookie"), "toy=")
	v := e.rows[token]
	e.mu.Unlock()
	if a.Meanwhile != nil {
		a.Meanwhile()
	}
	e.mu.Lock()
	defer e.mu.Unlock()

	size := 0
	for _, entry := range a.Set {
		v = v.with(entry)
		size += len(entry.Value)
	}
	if e.limit > 0 && size > e.limit {
		http.Error(w, fmt.Sprintf("%d bytes are too many", size), http.StatusRequestEntityTooLarge)
		return
	}
	if a.Count != nil {
		n := a.Count.Add(1)
		if e.fault == "loses a write now and then" && n%50 == 0 {
			n--
		}
		v = v.with(bench.Entry{Key: bench.CountKey, Value: []byte(strconv.FormatInt(n, 10))})
	}
	if e.fault == "fails on a read" && a.Read.Key != "" {
		http.Error(w, "no database", http.StatusServiceUnavailable)
		return
	}
	text := v.text(a.Read.Key)
	if e.fault == "reads something else" && text != "" {
		text = "something else"
	}
	changed := len(a.Set) > 0 || a.Count != nil
	if e.fault == "forgets a value" && a.Count != nil {
		v = v[len(v)-1:]
	}
	switch {
	case a.Flush:
		delete(e.rows, token)
		if e.fault != "leaves the cookie after a logout" {
			w.Header().Set("Set-Cookie", "toy=; Max-Age=0")
		}
	case changed:
		if token == "" || a.Renew && e.fault != "keeps the token at a login" {
			delete(e.rows, token)
			e.next++
			token = strconv.Itoa(e.next)
		}
		e.rows[token] = v
		if e.fault != "sets no cookie" {
			w.Header().Set("Set-Cookie", "toy="+token+"; Path=/")
		}
	case e.fault == "gives everybody a session" && token == "":
		text = "hello"
	}
	io.WriteString(w, text)
}

func quickConfig(engines ...bench.Engine) bench.Config {
	return bench.Config{
		Engines:  engines,
		Sessions: []bench.Session{corpusSession("login")},
		Rounds:   2,
		Duration: time.Millisecond,
	}
}

func corpusSession(kind string) bench.Session {
	sessions, err := bench.Corpus(kind)
	if err != nil {
		panic(err)
	}
	return sessions[0]
}

func TestRunMeasuresEverythingInEveryRound(t *testing.T) {
	cfg := quickConfig(new(toy).engine("a"), new(toy).engine("b"))
	cfg.Sessions = []bench.Session{corpusSession("login"), corpusSession("visitor")}
	cfg.Rounds = 3
	steps, last := 0, 0
	cfg.Progress = func(done, total int) {
		if steps++; done != steps || last != 0 && total != last {
			t.Errorf("step %d was reported as %d of %d", steps, done, total)
		}
		last = total
	}
	results, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if steps != last {
		t.Errorf("%d steps of %d were made", steps, last)
	}
	if want := 2 * len(bench.Kinds()); results.Rounds != 3 || len(results.Empty) != want {
		t.Errorf("%d rounds, %d empty handlers, want 3 and %d", results.Rounds, len(results.Empty), want)
	}
	seen := make(map[string]bool)
	for _, r := range results.Requests {
		seen[fmt.Sprint(r.Engine, r.Session, r.Kind)] = true
		if len(r.Nanosec) != 3 || r.Allocs <= 0 || r.Bytes <= 0 || r.Iterations < 4 {
			t.Errorf("%s/%s/%s: %d rounds, %d iterations", r.Engine, r.Session, r.Kind, len(r.Nanosec), r.Iterations)
		}
		for _, other := range results.Requests {
			if other.Session == r.Session && other.Kind == r.Kind && other.Iterations != r.Iterations {
				t.Errorf("%s/%s: samples of %d and of %d requests", r.Session, r.Kind, r.Iterations, other.Iterations)
			}
		}
		for _, ns := range slices.Concat(r.Nanosec...) {
			if ns <= 0 {
				t.Errorf("%s/%s/%s took %v ns", r.Engine, r.Session, r.Kind, ns)
			}
		}
	}
	if want := 2 * 2 * len(bench.Kinds()); len(seen) != want {
		t.Errorf("%d cells, want %d", len(seen), want)
	}
}

func TestRunRefusesToMeasureWhatDoesNotWork(t *testing.T) {
	for _, fault := range []string{
		"sets a cookie always",
		"sets no cookie",
		"reads something else",
		"loses a write now and then",
		"forgets a value",
		"keeps the token at a login",
		"leaves the cookie after a logout",
		"gives everybody a session",
		"fails on a read",
		"fails to close",
	} {
		t.Run(fault, func(t *testing.T) {
			results, err := bench.Run(t.Context(), quickConfig((&toy{fault: fault}).engine("toy")))
			if err == nil || results != nil {
				t.Fatalf("got results %v and error %v, want an error", results != nil, err)
			}
		})
	}
	if _, err := bench.Run(t.Context(), quickConfig(new(toy).engine("toy"))); err != nil {
		t.Errorf("without a fault: %v", err)
	}
}

func TestRunGoesOnWithoutSessionsThatAreTooLarge(t *testing.T) {
	cfg := quickConfig((&toy{limit: 1000}).engine("toy"))
	cfg.Sessions = []bench.Session{corpusSession("login"), corpusSession("token-cache")}
	results, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results.Requests {
		tooLarge := r.Session == "token-cache" && r.Kind != bench.Anonymous // which has no session
		if got := strings.Contains(r.TooLarge, "too many"); got != tooLarge {
			t.Errorf("%s/%s: too large: %q", r.Session, r.Kind, r.TooLarge)
		}
		if measured := len(r.Nanosec) > 0; measured == tooLarge {
			t.Errorf("%s/%s: measured: %v", r.Session, r.Kind, measured)
		}
	}
}

func TestRunStopsBetweenRoundsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := quickConfig(new(toy).engine("toy"))
	cfg.Rounds = 50
	groups := len(bench.Kinds())
	cfg.Progress = func(done, total int) {
		if done == groups+4*groups+2*groups+3 { // tried, calibrated, two rounds, three groups
			cancel()
		}
	}
	results, err := bench.Run(ctx, cfg)
	if !errors.Is(err, context.Canceled) || results == nil {
		t.Fatalf("got %v, %v", results, err)
	}
	if results.Rounds != 2 || results.Settings.Rounds != 50 {
		t.Errorf("%d of %d rounds, want 2 of 50", results.Rounds, results.Settings.Rounds)
	}
	for _, r := range results.Requests {
		if len(r.Nanosec) != 2 {
			t.Errorf("%s: %d times, want those of the two complete rounds", r.Kind, len(r.Nanosec))
		}
	}
}

func TestRunThatIsInterruptedAtOnceHasNoFigures(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := bench.Run(ctx, quickConfig(new(toy).engine("toy")))
	if !errors.Is(err, context.Canceled) || results == nil {
		t.Fatalf("got %v, %v", results, err)
	}
	if _, err := json.Marshal(bench.Analyze(results, bench.DefaultModel())); err != nil {
		t.Error(err)
	}
}

func TestRunOrderFollowsFromTheSeed(t *testing.T) {
	order := func(seed uint64) []string {
		var kinds []string
		log := func(a bench.Action) {
			kind := fmt.Sprint(a.TouchesNothing(), len(a.Set), a.Count != nil, a.Renew, a.Read.Key, a.Flush)
			if len(kinds) == 0 || kinds[len(kinds)-1] != kind {
				kinds = append(kinds, kind)
			}
		}
		cfg := quickConfig((&toy{log: log}).engine("toy"))
		cfg.Seed, cfg.Rounds = seed, 5
		if _, err := bench.Run(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		return kinds
	}
	if a, b := order(1), order(2); slices.Equal(a, b) {
		t.Error("two seeds gave the same order")
	}
}

func TestRunLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	engines, err := bench.EnginesNamed("dbstore")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	if _, err := bench.Run(t.Context(), quickConfig(engines...)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunRefusesConfigurationsThatMakeNoSense(t *testing.T) {
	good := quickConfig(new(toy).engine("toy"))
	for name, change := range map[string]func(*bench.Config){
		"no engines":      func(c *bench.Config) { c.Engines = nil },
		"an engine twice": func(c *bench.Config) { c.Engines = append(c.Engines, c.Engines[0]) },
		"no sessions":     func(c *bench.Config) { c.Sessions = nil },
		"a session twice": func(c *bench.Config) { c.Sessions = append(c.Sessions, c.Sessions[0]) },
		"no rounds":       func(c *bench.Config) { c.Rounds = 0 },
		"a negative time": func(c *bench.Config) { c.Duration = -1 },
		"an engine that won't open": func(c *bench.Config) {
			c.Engines = []bench.Engine{{Name: "x", Open: func(context.Context, string, *bench.Counter) (bench.Site,
				error) {
				return nil, errors.New("no")
			}}}
		},
	} {
		cfg := good
		cfg.Engines, cfg.Sessions = slices.Clone(good.Engines), slices.Clone(good.Sessions)
		change(&cfg)
		if _, err := bench.Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
