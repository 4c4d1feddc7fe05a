package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// leader returns the engine that is ahead for a session with another model.
func (r *Report) leader(session string, m Model) string {
	best, least := "", math.Inf(1)
	for _, p := range r.Pages {
		for _, e := range p.Engines {
			if t := e.page(m).Seconds(); p.Session == session && t < least {
				best, least = e.Engine, t
			}
		}
	}
	return best
}

// Whatever the inputs are, another engine is ahead beyond each turn and the same
// one short of it; and where there is no turn, none anywhere in the range.
func TestVerdictTurnsWhereTheSensitivitySaysAndNowhereElse(t *testing.T) {
	results := made(12, 0)
	r := rand.New(rand.NewPCG(1, 2))
	turns := 0
	for range 20 {
		m := DefaultModel()
		m.RoundTrip = time.Duration(r.ExpFloat64() * float64(time.Millisecond))
		m.Uplink = 20 * r.ExpFloat64()
		m.ReadsPerWrite = 10 * r.ExpFloat64()
		m.RequestsPerPage = 1 + r.IntN(50)
		m.HTTP1 = r.IntN(2) == 0
		report := Analyze(results, m)
		for _, s := range report.Sensitivity {
			for _, input := range Inputs() {
				lo, hi := input.Range()
				low, high := lo, hi // between which nothing changes
				for _, turn := range s.Turns {
					if turn.Input != input {
						continue
					}
					turns++
					at := turn.At.Value
					short, beyond := at-1e-4*at, at+1e-4*at
					if input == RequestsInput {
						short, beyond = math.Floor(at), math.Ceil(at)
					}
					if turn.Above {
						high = short
					} else {
						short, beyond = beyond, short
						low = short
					}
					if got := report.leader(s.Session, m.with(input, beyond)); got != turn.Ahead {
						t.Errorf("%s: %s %v instead of %v: %s is ahead, want %s", s.Session, input, beyond,
							m.Value(input), got, turn.Ahead)
					}
					if turn.At.Lo > at || turn.At.Hi < at {
						t.Errorf("%s: %s turns at %+v", s.Session, input, turn.At)
					}
				}
				for _, value := range []float64{low, high} {
					if input == uplinkInput && m.Uplink < lo {
						continue // it is out of the range already
					}
					if got := report.leader(s.Session, m.with(input, value)); got != s.Ahead {
						t.Errorf("%s: %s %v instead of %v: %s is ahead, want %s still", s.Session, input, value,
							m.Value(input), got, s.Ahead)
					}
				}
			}
			other := m
			other.HTTP1 = !m.HTTP1
			if got := report.leader(s.Session, other); got != s.OtherHTTP {
				t.Errorf("%s: with the other version of HTTP %s is ahead, want %s", s.Session, got, s.OtherHTTP)
			}
		}
	}
	if turns < 15 {
		t.Errorf("%d turns only", turns)
	}
}

// For every round trip the leads name the engine that the pages name.
func TestLeadsAreThoseOfThePages(t *testing.T) {
	results := made(12, 0)
	// A third engine, which sends more queries and is quicker otherwise.
	for _, q := range results.Requests {
		if q.Engine == "row" {
			q.Engine = "chatty"
			q.Queries *= 2
			q.Nanosec = slices.Clone(q.Nanosec)
			for i, samples := range q.Nanosec {
				q.Nanosec[i] = slices.Clone(samples)
				for j, ns := range samples {
					q.Nanosec[i][j] = 300 + (ns-300)/2
				}
			}
			results.Requests = append(results.Requests, q)
		}
	}
	results.Settings.Engines = append(results.Settings.Engines, "chatty")
	report := Analyze(results, DefaultModel())
	all := report.Sensitivity
	if len(all) != 3 {
		t.Fatalf("leads of %d sessions", len(all))
	}
	for _, leads := range all {
		if leads.Leads[0].From != nil {
			t.Errorf("%s: the first lead begins at %v", leads.Session, leads.Leads[0].From)
		}
		for trip := time.Microsecond; trip < 100*time.Millisecond; trip += 1 + trip/7 {
			want := leads.Leads[0].Engine
			for _, lead := range leads.Leads[1:] {
				if float64(trip) > lead.From.Value {
					want = lead.Engine
				}
			}
			m := DefaultModel()
			m.RoundTrip = trip
			if got := report.leader(leads.Session, m); got != want {
				t.Fatalf("%s: with a round trip of %v %s is ahead of the pages, %s of the leads", leads.Session, trip,
					got, want)
			}
		}
	}
}

func TestEnginesThatCannotBeToldApartShareTheLead(t *testing.T) {
	results := made(12, 0.01)
	again := made(13, 0.01) // other noise
	for _, q := range again.Requests {
		if q.Engine == "cookie" {
			q.Engine = "twin"
			q.truncate(12)
			results.Requests = append(results.Requests, q)
		}
	}
	results.Settings.Engines = append(results.Settings.Engines, "twin")
	for _, leads := range Analyze(results, DefaultModel()).Sensitivity {
		last := leads.Leads[len(leads.Leads)-1]
		if leads.Session == "huge" {
			continue
		}
		if len(last.Ties) != 1 || last.Engine == "row" || last.Ties[0] == "row" {
			t.Errorf("%s: far from the database %s is ahead, together with %q", leads.Session, last.Engine, last.Ties)
		}
	}
}
