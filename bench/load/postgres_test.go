package load_test

import (
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/load"
)

func TestPostgresBehindALink(t *testing.T) {
	server := postgres.Start(t)
	engine, err := load.Postgres("postgres", server.URL, load.Relay)
	if err != nil {
		t.Fatal(err)
	}
	const trip = 20 * time.Millisecond
	g := grid(t, []load.Engine{engine}, "login")
	g.RoundTrips, g.HTTP1 = []time.Duration{trip}, []bool{false}
	m, err := load.Measure(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	c := cell(t, m, "postgres", load.Scenario{Session: "login", RoundTrip: trip})
	if c.Distance != "relay" || c.Added < trip*9/10 || c.Read.P50 < trip || c.Write.P50 < 2*trip || c.Untouched.P50 >= trip {
		t.Errorf("with the database %v away: %+v", trip, c)
	}

	var tables int
	err = server.Open(t).QueryRow("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'sessionengine%'").Scan(&tables)
	if err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v", tables, err)
	}
}

func TestPostgresIsCounted(t *testing.T) {
	engine, err := load.Postgres("postgres", postgres.Start(t).URL, load.Relay)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Run(t.Context(), bench.Config{
		Engines: []bench.Engine{engine.Engine}, Sessions: sessions(t, "login"), Rounds: 1, Duration: time.Millisecond, Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[bench.Kind]float64{bench.Untouched: 0, bench.Anonymous: 0, bench.Read: 1, bench.Again: 1, bench.Write: 2}
	for _, q := range r.Requests {
		if n, ok := want[q.Kind]; ok && q.Queries != n {
			t.Errorf("%s: %v queries; want %v", q.Kind, q.Queries, n)
		}
	}
}

func TestADatabaseThatIsNoURLIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, url := range []string{"", "host=localhost password=geheim", "postgres://u:geheim@/db", "postgres://u:geheim@host:port/db"} {
		if _, err := load.Postgres("postgres", url, load.Relay); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
