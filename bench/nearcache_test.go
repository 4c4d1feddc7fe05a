package bench

import (
	"strings"
	"testing"
	"time"
)

// madeWithNearCache adds an engine "row+nearcache" to made's: the same rows, and of a
// visitor who comes back nothing is asked.
func madeWithNearCache() *Results {
	results := made(12, 0.01)
	for _, q := range results.Requests {
		if q.Engine != "row" {
			continue
		}
		q.Engine = "row+nearcache"
		if q.Kind == Again {
			q.Queries = 0
			for _, c := range results.Requests {
				if c.Engine == "cookie" && c.Kind == Again && c.Session == "small" {
					q.Cell = c.Cell
				}
			}
		}
		results.Requests = append(results.Requests, q)
	}
	for _, b := range Behaviours() {
		results.Behaviours = append(results.Behaviours, BehaviourResult{"row+nearcache", b, false})
	}
	results.Settings.Engines = append(results.Settings.Engines, "row+nearcache")
	results.Settings.NearCaches = map[string]time.Duration{"row+nearcache": 5 * time.Second}
	return results
}

// The near cache is advised where it pays, with the bound of how old it may be, and
// not where it does not.
func TestAdviceOnANearCache(t *testing.T) {
	for _, tc := range []struct {
		hits float64
		want string
	}{
		{0.8, "The near cache pays: row+nearcache makes a page 0.41 ms quicker than row, if it has 80 % of the " +
			"sessions asked for (-cache-hits). With row+nearcache a web server may go on for up to 5 s with what another " +
			"one has changed or ended"},
		{0, "The near cache does not pay for any session of this run, if it has 0 % of the sessions asked for " +
			"(-cache-hits): leave it out. With row+nearcache"},
	} {
		model := DefaultModel()
		model.CacheHits = tc.hits
		report := Analyze(madeWithNearCache(), model)
		if said := strings.Join(report.Advice(), "\n"); !strings.Contains(said, tc.want) {
			t.Errorf("with %v hits:\n%s\nwant %s", tc.hits, said, tc.want)
		}
	}
}

// Only an engine that has a near cache depends on how often it has a session: it
// sends a query less for each hit, also where the request writes.
func TestHitsAreOfTheNearCacheOnly(t *testing.T) {
	queries := func(hits float64) (row, near float64) {
		model := DefaultModel()
		model.CacheHits = hits
		p := Analyze(madeWithNearCache(), model).at(model.RoundTrip)[0]
		return p.page("row").Queries, p.page("row+nearcache").Queries
	}
	if row, with := queries(0); !almost(row, 1.1) || !almost(with, 1.1) {
		t.Errorf("without hits: %v and %v queries, want 1.1", row, with)
	}
	if row, with := queries(0.5); !almost(row, 1.1) || !almost(with, 0.6) {
		t.Errorf("half of them hits: %v and %v queries, want 1.1 and 0.6", row, with)
	}
	if row, with := queries(1); !almost(row, 1.1) || !almost(with, 0.1) {
		t.Errorf("all of them hits: %v and %v queries, want 1.1 and 0.1", row, with)
	}
}

func almost(a, b float64) bool { return max(a-b, b-a) < 1e-9 }
