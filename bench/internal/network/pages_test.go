package network_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
)

// distant returns the cookie engine and dbstore, whose database is on the other
// side of a pause.
func distant(t *testing.T) []bench.Engine { return engines(t, "signedcookie", "dbstore") }

// grid is one that takes little time.
func grid(t *testing.T, engines []bench.Engine, kinds ...string) network.Grid {
	g := network.DefaultGrid(engines, sessions(t, kinds...))
	g.RoundTrips = []time.Duration{0}
	g.Visitors = []network.Link{{}}
	g.RequestsPerPage = 3
	g.Pages = 1
	g.Rounds = 2
	return g
}

func cell(t *testing.T, m *network.PageResult, engine string, s network.Scenario) *network.PageCell {
	t.Helper()
	i := slices.IndexFunc(m.Cells, func(c network.PageCell) bool { return c.Engine == engine && c.Scenario == s })
	if i < 0 {
		t.Fatalf("no cell of %s, %s", engine, s)
	}
	return &m.Cells[i]
}

func TestScenariosAreMeasuredWithAllEngines(t *testing.T) {
	g := grid(t, distant(t), "login", "cart")
	g.RoundTrips = []time.Duration{0, time.Millisecond}
	g.Visitors = []network.Link{{}, {Up: 50, Down: 50}}
	steps := 0
	g.Progress = func(done, total int) {
		if steps++; done != steps || total != 2*2*2*2*2*3 {
			t.Errorf("progress is %d of %d; want %d of 96", done, total, steps)
		}
	}
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * 2 * 2 * 2 * 3; len(m.Cells) != want || m.Rounds != 2 {
		t.Fatalf("got %d cells in %d rounds; want %d in 2", len(m.Cells), m.Rounds, want)
	}
	for _, c := range m.Cells {
		if c.Read.N != 2 || c.Write.N != 2 || c.Untouched.N != 8 || len(c.ReadPages) != 2 || len(c.WritePages) != 2 {
			t.Errorf("%s, %s: %+v", c.Engine, c.Scenario, c)
		}
		if sends := c.Engine != network.NoSession; sends != (c.Cookie > 20) {
			t.Errorf("%s, %s: a cookie of %d bytes", c.Engine, c.Scenario, c.Cookie)
		}
		if away := c.Engine != network.NoSession; away && c.Added < c.RoundTrip || !away && c.Added != 0 {
			t.Errorf("%s, %s: the database is %v away", c.Engine, c.Scenario, c.Added)
		}
	}
}

func TestAPageTakesAsLongAsItsRequests(t *testing.T) {
	g := grid(t, distant(t)[:1], "login")
	g.Rounds = 1
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cells {
		sum := float64(c.Read.Mean*time.Duration(c.Read.N)+c.Write.Mean*time.Duration(c.Write.N)+
			c.Untouched.Mean*time.Duration(c.Untouched.N)) / 1e9
		if got := c.ReadPages[0] + c.WritePages[0]; math.Abs(got-sum) > 0.01*sum {
			t.Errorf("%s: pages of %v s, and requests of %v s", c.Engine, got, sum)
		}
		if got, want := c.Page(3)[0], 0.75*c.ReadPages[0]+0.25*c.WritePages[0]; math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: with three reads per write a page takes %v s; want %v", c.Engine, got, want)
		}
	}
}

func TestTheDistanceOfTheDatabaseIsPaidForEachQuery(t *testing.T) {
	const trip = 30 * time.Millisecond
	g := grid(t, distant(t), "login")
	g.RoundTrips, g.HTTP1 = []time.Duration{trip}, []bool{false}
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	scenario := network.Scenario{Session: "login", RoundTrip: trip}
	c := cell(t, m, "dbstore", scenario)
	if c.Read.P50 < trip || c.Write.P50 < 2*trip {
		t.Errorf("a read takes %v and a write %v with the database %v away", c.Read.P50, c.Write.P50, trip)
	}
	for _, other := range []time.Duration{c.Untouched.P50, cell(t, m, "signedcookie", scenario).Write.P50} {
		if other >= trip {
			t.Errorf("a request without a query takes %v with the database %v away", other, trip)
		}
	}
}

func TestTheVisitorsLineIsPaidForByEveryRequest(t *testing.T) {
	const trip = 30 * time.Millisecond
	g := grid(t, distant(t)[:1], "login")
	g.Visitors, g.HTTP1, g.Rounds = []network.Link{{RoundTrip: trip}, {Up: 0.5}}, []bool{true}, 1
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []string{network.NoSession, "signedcookie"} {
		c := cell(t, m, engine, network.Scenario{Session: "login", HTTP1: true, Visitor: g.Visitors[0]})
		if c.Untouched.P50 < trip || c.ReadPages[0] < 3*trip.Seconds() {
			t.Errorf("%s: a request takes %v and a page %v s with the site %v away", engine, c.Untouched.P50,
				c.ReadPages[0], trip)
		}
		// Chrome's headers are 500 bytes at least.
		c = cell(t, m, engine, network.Scenario{Session: "login", HTTP1: true, Visitor: g.Visitors[1]})
		if least := 8 * time.Millisecond; c.Untouched.P50 < least {
			t.Errorf("%s: a request takes %v at 0.5 Mbit/s; want %v at least", engine, c.Untouched.P50, least)
		}
	}
}

func TestAScenarioWhoseSessionDoesNotFitIsReported(t *testing.T) {
	g := grid(t, distant(t), "token-cache")
	g.HTTP1 = []bool{false}
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cells {
		fits := c.Engine != "signedcookie"
		if (c.TooLarge == "") != fits || (c.Read.N > 0) != fits || (len(c.ReadPages) > 0) != fits {
			t.Errorf("%s: %+v", c.Engine, c)
		}
	}
	observations, err := m.Observe(results("dbstore", "token-cache"), bench.DefaultModel())
	if err != nil || len(observations) != 1 || observations[0].Engine != "dbstore" {
		t.Errorf("got %+v, %v; want an observation of dbstore alone", observations, err)
	}
}

// results are those of one engine and one session in one round: 1, 2 and 3 ms
// over an empty handler's 1 ms, 0, 1 and 2 queries, and cookies of 1000 bytes.
func results(engine, session string) *bench.Report {
	cell := func(ns float64) bench.Cell { return bench.Cell{Iterations: 1, Nanosec: [][]float64{{ns}}} }
	r := &bench.Results{Rounds: 1, Settings: bench.Settings{Engines: []string{engine}, Rounds: 1}}
	for i, kind := range []bench.Kind{bench.Untouched, bench.Read, bench.Write} {
		r.Requests = append(r.Requests, bench.RequestResult{
			Engine: engine, Session: session, Kind: kind,
			Cell:    cell(float64(i+2) * 1e6),
			Queries: float64(i), CookieUp: 1000,
		})
	}
	for _, kind := range bench.Kinds() {
		r.Empty = append(r.Empty, bench.EmptyResult{Session: session, Kind: kind, Cell: cell(1e6)})
	}
	r.Requests[2].CookieDown = 1000
	return bench.Analyze(r, bench.DefaultModel())
}

func TestObservationsHoldTheModelAgainstMeasurements(t *testing.T) {
	scenario := network.Scenario{Session: "login", HTTP1: true, RoundTrip: 4 * time.Millisecond,
		Visitor: network.Link{Up: 1, Down: 4}}
	m := &network.PageResult{RequestsPerPage: 3, Cells: []network.PageCell{
		{Scenario: scenario, Engine: network.NoSession, ReadPages: []float64{0.2}, WritePages: []float64{0.4}},
		{Scenario: scenario, Engine: "engine", Added: 5 * time.Millisecond, Cookie: 2000, ReadPages: []float64{0.5},
			WritePages: []float64{0.9}},
	}}
	model := bench.DefaultModel()
	model.ReadsPerWrite = 1
	observations, err := m.Observe(results("engine", "login"), model)
	if err != nil || len(observations) != 1 {
		t.Fatalf("got %+v, %v; want one", observations, err)
	}
	o := observations[0]
	want := 0.3 + // without a session
		(0.002+0.003)/2 + 2*0.001 + // in the server
		(1.+2)/2*0.005 + // to the database and back
		3*8*2000/1e6 + 8*1000/2/4e6 // on the visitor's line
	if o.Engine != "engine" || math.Abs(o.Without-0.3) > 1e-9 || math.Abs(o.Measured.Value-
		0.7) > 1e-9 || math.Abs(o.Predicted-want) > 1e-9 {
		t.Errorf("got %+v; want a prediction of %v", o, want)
	}
	if want := "login, HTTP/1.1, database 4ms away, uplink 1 Mbit/s, downlink 4 Mbit/s"; o.Scenario != want {
		t.Errorf("the scenario is %q; want %q", o.Scenario, want)
	}
	if _, err := m.Observe(results("another", "login"), model); err == nil ||
		!strings.Contains(err.Error(), "engine/login") {
		t.Errorf("got %v; want an error that names what is missing", err)
	}
}

func TestTheModelTellsWhichEngineIsAheadOfADistantDatabase(t *testing.T) {
	g := grid(t, distant(t), "login")
	g.RoundTrips, g.HTTP1, g.Rounds = []time.Duration{30 * time.Millisecond}, []bool{false}, 3
	m, err := network.MeasurePages(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Run(t.Context(), bench.Config{Engines: g.Engines, Sessions: g.Sessions, Rounds: 1,
		Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	observations, err := m.Observe(bench.Analyze(r, bench.DefaultModel()), bench.DefaultModel())
	if err != nil {
		t.Fatal(err)
	}
	v := network.Validate(observations)
	if len(observations) != 2 || v.Scenarios != 1 || v.Right != v.Told {
		t.Errorf("got %+v", v)
	}
	cookie, row := observations[0], observations[1]
	if cookie.Engine != "signedcookie" || cookie.Predicted >= row.Predicted ||
		cookie.Measured.Value >= row.Measured.Value {
		t.Errorf("the cookie is not ahead: %+v, %+v", cookie, row)
	}
}

func TestAnInterruptedMeasurementReturnsTheRoundsThatAreComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := grid(t, distant(t)[:1], "login")
	g.Rounds = 50
	g.Progress = func(done, total int) {
		if done > total/g.Rounds {
			cancel()
		}
	}
	m, err := network.MeasurePages(ctx, g)
	if !errors.Is(err, context.Canceled) || m == nil || m.Rounds != 1 {
		t.Fatalf("got %+v, %v; want one round, and %v", m, err, context.Canceled)
	}
	for _, c := range m.Cells {
		if c.Read.N != 1 || len(c.ReadPages) != 1 {
			t.Errorf("%s: %+v", c.Engine, c)
		}
	}
}

func TestMeasurementsSurviveJSON(t *testing.T) {
	m, err := network.MeasurePages(t.Context(), grid(t, distant(t)[:1], "login"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var decoded network.PageResult
	if err := json.Unmarshal(encoded, &decoded); err != nil || decoded.Cells[3].Read != m.Cells[3].Read ||
		!slices.Equal(decoded.Cells[3].ReadPages, m.Cells[3].ReadPages) {
		t.Errorf("%v: %s", err, encoded)
	}
}
