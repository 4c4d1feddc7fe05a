package bench_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
)

// What our engines do is the same on every machine, but for the times.
func TestEnginesDoTheSameEverywhere(t *testing.T) {
	sessions, err := bench.Corpus("login", "token-cache")
	if err != nil {
		t.Fatal(err)
	}
	engines := bench.Engines()
	for i := range engines {
		engines[i].Cache = 0 // few visitors will do
	}
	results, err := bench.Run(t.Context(), bench.Config{
		Engines: engines, Sessions: sessions, Rounds: 1, Duration: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("requests", func(t *testing.T) { checkRequests(t, results) })
	t.Run("behaviours", func(t *testing.T) { checkBehaviours(t, results) })
}

func rows(engine string) bool { return strings.HasPrefix(engine, "dbstore") }

const revocable = "signedcookie+revocation"

func checkRequests(t *testing.T, results *bench.Results) {

	for _, r := range results.Requests {
		name := r.Engine + "/" + r.Session + "/" + string(r.Kind)
		if rows(r.Engine) || r.Session == "login" || r.Kind == bench.Anonymous {
			if r.TooLarge != "" || len(r.Nanosec) != 1 {
				t.Errorf("%s was not measured: %s", name, r.TooLarge)
			}
		} else if r.TooLarge == "" {
			t.Errorf("%s: 8.7 kB fit into a cookie", name)
		}
		if r.TooLarge != "" {
			continue
		}

		wantQueries := 0.0
		if rows(r.Engine) || r.Engine == revocable {
			switch r.Kind {
			case bench.Read, bench.Again:
				wantQueries = 1
			case bench.Write, bench.Login:
				wantQueries = 2
				if r.Engine == revocable && r.Kind == bench.Login {
					wantQueries = 3 // the id of before goes on the list
				}
			case bench.Logout:
				wantQueries = r.Queries // asserted below
				if r.Queries < 1 || r.Queries > 2 {
					t.Errorf("%s: %v queries, want one or two", name, r.Queries)
				}
			}
		}
		if r.Queries != wantQueries {
			t.Errorf("%s: %v queries, want %v", name, r.Queries, wantQueries)
		}

		if sent := r.CookieUp > 0; sent != (r.Kind != bench.Anonymous) {
			t.Errorf("%s: %v bytes of cookie", name, r.CookieUp)
		}
		switch r.Kind {
		case bench.Untouched, bench.Anonymous, bench.Read, bench.Again:
			if r.CookieDown != 0 {
				t.Errorf("%s: %v bytes of Set-Cookie though nothing changed", name, r.CookieDown)
			}
		case bench.Login, bench.Logout:
			if r.CookieDown == 0 {
				t.Errorf("%s: no Set-Cookie", name)
			}
		}
		if rows(r.Engine) && r.CookieUp > 64 {
			t.Errorf("%s: %v bytes of cookie for a key", name, r.CookieUp)
		}
	}
}

// A cookie is all there is of a session in the cookie engine, so that the
// behaviours are true of it; of rows none may be. With a revocation list a session
// stays ended.
func checkBehaviours(t *testing.T, results *bench.Results) {
	if want := len(results.Settings.Engines) * len(bench.Behaviours()); len(results.Behaviours) != want {
		t.Errorf("%d behaviours were tried, want %d", len(results.Behaviours), want)
	}
	for _, b := range results.Behaviours {
		ends := b.Engine == revocable && (b.Behaviour == "replay" || b.Behaviour == "undone logout")
		if b.Observed == (rows(b.Engine) || ends) {
			t.Errorf("%s: %s: %v", b.Engine, b.Behaviour.Meaning(), b.Observed)
		}
	}
}

func TestEnginesThatRememberAreMeasuredWithMoreVisitorsThanTheyDo(t *testing.T) {
	engines, err := bench.EnginesNamed("signedcookie")
	if err != nil {
		t.Fatal(err)
	}
	results, err := bench.Run(t.Context(), bench.Config{
		Engines: engines, Sessions: []bench.Session{corpusSession("large-cart")}, Rounds: 1, Duration: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	allocs := make(map[bench.Kind]float64)
	for _, r := range results.Requests {
		allocs[r.Kind] = r.Allocs
	}
	if allocs[bench.Again] >= allocs[bench.Read]-5 {
		t.Errorf("%v allocations for a visitor who comes back at once, %v for others: both were remembered",
			allocs[bench.Again], allocs[bench.Read])
	}
}

// A name stands in lists, in names of benchmarks, and in a table's column.
func TestNamesOfEnginesAreWords(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+([-+][a-z]+)?$`)
	for _, e := range bench.Engines() {
		if !word.MatchString(e.Name) {
			t.Errorf("%q", e.Name)
		}
	}
}

func TestEnginesNamed(t *testing.T) {
	engines, err := bench.EnginesNamed(bench.DefaultEngines()...)
	if err != nil || len(engines) != 2 || engines[0].Name != "signedcookie" || engines[1].Name != "dbstore" {
		t.Errorf("the default: got %v, %v", engines, err)
	}
	for _, names := range [][]string{{"memcached"}, {"dbstore", "dbstore"}, {""}} {
		if _, err := bench.EnginesNamed(names...); err == nil {
			t.Errorf("%q: accepted", names)
		}
	}
}
