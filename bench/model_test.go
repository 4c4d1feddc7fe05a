package bench_test

import (
	"math"
	"testing"
	"time"

	"sessionengine/bench"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

// The figures are worked out by hand for round inputs.
func TestModelPage(t *testing.T) {
	m := bench.Model{
		RoundTrip:       time.Millisecond,
		Uplink:          8,  // a megabyte a second
		Downlink:        80, // ten
		ReadsPerWrite:   3,  // a quarter of the pages write
		RequestsPerPage: 11,
		SessionRequests: 1,
		CPUHour:         3.6,
		GBOut:           1,
		MillionQueries:  2,
	}
	read := bench.Load{CPU: 10e-6, Queries: 1, Up: 1000}
	write := bench.Load{CPU: 50e-6, Queries: 2, Up: 1000, Down: 2000}
	untouched := bench.Load{CPU: 1e-6, Up: 1000}

	got := m.Page(read, write, untouched)
	want := bench.Page{
		Server:   20e-6 + 10e-6,                  // 3/4 x 10 + 1/4 x 50, and ten others
		Queries:  1.25,                           // 3/4 x 1 + 1/4 x 2
		Database: 1.25e-3,                        // a millisecond each
		Up:       1010,                           // once, and ten references
		Down:     500,                            // 1/4 x 2000
		Wire:     1010e-6 + 50e-6,                // at 1 and 10 bytes a microsecond
		Price:    1e6*30e-6*1e-3 + 500e-3 + 2.50, // a core costs 0.001 a second
	}
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"server", got.Server, want.Server},
		{"queries", got.Queries, want.Queries},
		{"database", got.Database, want.Database},
		{"up", got.Up, want.Up},
		{"down", got.Down, want.Down},
		{"wire", got.Wire, want.Wire},
		{"price", got.Price, want.Price},
		{"seconds", got.Seconds(), 30e-6 + 1.25e-3 + 1060e-6},
	} {
		if !near(f.got, f.want) {
			t.Errorf("%s: got %v, want %v", f.name, f.got, f.want)
		}
	}

	large := bench.Load{Up: bench.HeaderRoom + 1}
	if got := m.Page(large, large, large).Up; !near(got, 11*(bench.HeaderRoom+1)) {
		t.Errorf("a cookie that a connection does not remember: %v bytes up, want it eleven times", got)
	}
	m.HTTP1 = true
	if got := m.Page(read, write, untouched).Up; !near(got, 11000) {
		t.Errorf("HTTP/1.1: %v bytes up, want the cookie eleven times", got)
	}
	m.RequestsPerPage = 1
	if got := m.Page(read, write, untouched).Up; !near(got, 1000) {
		t.Errorf("one request: %v bytes up, want the cookie once", got)
	}
	m.ReadsPerWrite = 0
	if got := m.Page(read, write, untouched).Queries; !near(got, 2) {
		t.Errorf("writes only: %v queries, want 2", got)
	}

	// Three requests that use the session, in a page of four: one writes, two
	// read, and half of them find the session in a near cache, where a read takes 2 µs.
	m.RequestsPerPage, m.SessionRequests, m.CacheHits = 4, 3, 0.5
	read.Wait, write.Wait = 100e-6, 300e-6
	read, write = m.NearCache(read, write, bench.Load{CPU: 2e-6, Up: 1000})
	got = m.Page(read, write, untouched)
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"server", got.Server, 2*6e-6 + 46e-6 + 1e-6},
		{"queries", got.Queries, 2*0.5 + 1.5},
		{"waiting", got.Wait, 2*0.5*100e-6 + 250e-6},
		{"up", got.Up, 4000},
		{"down", got.Down, 2000},
	} {
		if !near(f.got, f.want) {
			t.Errorf("three requests: %s: got %v, want %v", f.name, f.got, f.want)
		}
	}
}

func TestModelCheck(t *testing.T) {
	if err := bench.DefaultModel().Check(); err != nil {
		t.Errorf("the default: %v", err)
	}
	for name, change := range map[string]func(*bench.Model){
		"negative round trip": func(m *bench.Model) { m.RoundTrip = -1 },
		"no uplink":           func(m *bench.Model) { m.Uplink = 0 },
		"not a number":        func(m *bench.Model) { m.Downlink = math.NaN() },
		"negative reads":      func(m *bench.Model) { m.ReadsPerWrite = -1 },
		"no requests":         func(m *bench.Model) { m.RequestsPerPage = 0 },
		"no use":              func(m *bench.Model) { m.SessionRequests = 0 },
		"more use":            func(m *bench.Model) { m.SessionRequests = m.RequestsPerPage + 1 },
		"too many hits":       func(m *bench.Model) { m.CacheHits = 1.1 },
		"negative price":      func(m *bench.Model) { m.GBOut = -0.01 },
	} {
		m := bench.DefaultModel()
		change(&m)
		if m.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
