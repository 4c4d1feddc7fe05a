package bench

import (
	"fmt"
	"time"
)

// A Model turns what was measured of requests into what a page costs, from
// inputs that are a site's own. A page is one or more requests that use the
// session, and others that do not: images, scripts, calls of an API, which carry
// the cookie all the same.
type Model struct {
	// RoundTrip is the time between the web server and the database and back.
	// Each query takes one. 0 is a database in the same process.
	RoundTrip time.Duration `json:"round_trip_ns"`

	// Uplink and Downlink are the visitor's, in megabits per second.
	Uplink   float64 `json:"uplink_mbit_s"`
	Downlink float64 `json:"downlink_mbit_s"`

	// ReadsPerWrite is how many pages only read the session for each page that
	// changes it.
	ReadsPerWrite float64 `json:"reads_per_write"`

	// RequestsPerPage is how many requests of a page carry the cookie, and
	// SessionRequests how many of those use the session, one after the other: the
	// page itself, and calls of an API. On a page that changes the session, one of
	// them writes.
	RequestsPerPage int `json:"requests_per_page"`
	SessionRequests int `json:"session_requests"`

	// CacheHits is the share of requests, from 0 to 1, that find the session they
	// load in the near cache of an engine that has one. See [Model.NearCache].
	CacheHits float64 `json:"cache_hits"`

	// HTTP1 makes each request carry the whole cookie. With HTTP/2 and HTTP/3
	// the first request of a page does, and those after it refer to it in a
	// byte (RFC 7541, section 6.1; RFC 9204, section 4.5.2), unless it is larger
	// than [HeaderRoom].
	HTTP1 bool `json:"http1"`

	// MustLogOut and KeepChanges are what the site cannot do without: that a
	// logout ends a session, whoever has a copy of its cookie and whatever request
	// is under way; and that of two requests at once, which set different keys,
	// none loses its change. Engines with which it went wrong when it was tried
	// ([Behaviour]) are ruled out.
	MustLogOut  bool `json:"must_log_out,omitempty"`
	KeepChanges bool `json:"must_not_lose_changes,omitempty"`

	// Prices, in US dollars or whatever else.
	CPUHour        float64 `json:"price_cpu_hour"`        // of one core
	GBOut          float64 `json:"price_gb_out"`          // sent to visitors
	MillionQueries float64 `json:"price_million_queries"` // of the database
}

// DefaultModel returns inputs that stand for a usual site: a database in the
// same data centre, a visitor with a phone, HTTP/2. They are assumptions, and
// reports print them.
func DefaultModel() Model {
	return Model{
		RoundTrip:       500 * time.Microsecond,
		Uplink:          10,
		Downlink:        50,
		ReadsPerWrite:   9,
		RequestsPerPage: 20,
		SessionRequests: 1,
		CacheHits:       0.8, // a visit of ten pages, to two web servers that take turns: two do not have it yet
		CPUHour:         0.04,
		GBOut:           0.09,
		MillionQueries:  0.20,
	}
}

// Check returns what is wrong with the inputs.
func (m Model) Check() error {
	switch {
	case m.RoundTrip < 0:
		return fmt.Errorf("the round trip is negative: %v", m.RoundTrip)
	case !(m.Uplink > 0) || !(m.Downlink > 0):
		return fmt.Errorf("uplink and downlink have to be more than 0 Mbit/s")
	case !(m.ReadsPerWrite >= 0):
		return fmt.Errorf("reads per write cannot be %v", m.ReadsPerWrite)
	case m.RequestsPerPage < 1:
		return fmt.Errorf("requests per page have to be 1 at least")
	case m.SessionRequests < 1 || m.SessionRequests > m.RequestsPerPage:
		return fmt.Errorf("of the %d requests of a page, 1 to %d use the session, not %d", m.RequestsPerPage,
			m.RequestsPerPage, m.SessionRequests)
	case !(m.CacheHits >= 0 && m.CacheHits <= 1):
		return fmt.Errorf("a share of reads is from 0 to 1, not %v", m.CacheHits)
	case !(m.CPUHour >= 0) || !(m.GBOut >= 0) || !(m.MillionQueries >= 0):
		return fmt.Errorf("prices cannot be negative")
	}
	return nil
}

// A Load is what one request of some kind takes.
type Load struct {
	CPU      float64 // seconds of a core in the web server
	Wait     float64 // seconds of waiting for a disk or server, as it was measured
	Queries  float64
	Up, Down float64 // bytes of cookie
}

// A Page is what an average page takes for the sake of its session.
type Page struct {
	Server   float64 `json:"server_s"`   // seconds of a core in the web server
	Wait     float64 `json:"wait_s"`     // seconds of waiting for the database, as it was measured
	Database float64 `json:"database_s"` // seconds on the way to the database and back
	Wire     float64 `json:"wire_s"`     // seconds that cookies take on the visitor's line
	Queries  float64 `json:"queries"`
	Up       float64 `json:"up_bytes"`
	Down     float64 `json:"down_bytes"`
	Price    float64 `json:"price_per_million"` // of a million pages
}

// Seconds is how much later the page is complete because of its session.
func (p Page) Seconds() float64 { return p.Server + p.Wait + p.Database + p.Wire }

// refer is what a header that the connection has seen already takes with
// HTTP/2, in bytes.
const refer = 1

// HeaderRoom is the size of the largest cookie, in bytes of the Cookie header's
// value, that an HTTP/2 connection remembers: its table has 4096 bytes, counted
// with 32 more for each field (RFC 7541, section 4.1; RFC 9113, section 6.5.2), of
// which the other fields of Chrome's requests take a good 1000. A larger one pushes
// them out, and then itself, and is sent whole with most requests: a page of 21
// was measured to send cookies of 2997, 3097, 3197 and 3249 bytes 1, 4, 8 and 17
// times.
const HeaderRoom = 3000

// NearCache returns what requests take on average that read the session and that
// write it, with an engine that has a near cache: given what they take when the
// session is not there, and what a read takes that finds it there ([Again]). A
// request that writes loads the session first, and saves that load as a read does;
// the saving itself always goes to the database.
func (m Model) NearCache(read, write, hit Load) (onAverage, writing Load) {
	less := func(v *float64, missed, found float64) { *v = max(0, *v-m.CacheHits*(missed-found)) }
	onAverage, writing = read, write
	for _, l := range []*Load{&onAverage, &writing} {
		less(&l.CPU, read.CPU, hit.CPU)
		less(&l.Wait, read.Wait, hit.Wait)
		less(&l.Queries, read.Queries, hit.Queries)
	}
	return onAverage, writing
}

// Page returns what a page takes, given what a request takes that reads the
// session, that writes it, and that does not use it.
func (m Model) Page(read, write, untouched Load) Page {
	writes := 1 / (1 + m.ReadsPerWrite) // of the pages, and in each of those one request
	reads := float64(m.SessionRequests) - writes
	sum := func(read, write, untouched float64) float64 {
		return reads*read + writes*write + float64(m.RequestsPerPage-m.SessionRequests)*untouched
	}
	var p Page
	p.Server = sum(read.CPU, write.CPU, untouched.CPU)
	p.Queries = sum(read.Queries, write.Queries, untouched.Queries)
	p.Wait = sum(read.Wait, write.Wait, untouched.Wait)
	p.Database = p.Queries * m.RoundTrip.Seconds()
	p.Up = (1-writes)*read.Up + writes*write.Up
	if requests := float64(m.RequestsPerPage); m.HTTP1 || p.Up > HeaderRoom {
		p.Up *= requests
	} else {
		p.Up += (requests - 1) * refer
	}
	p.Down = sum(read.Down, write.Down, untouched.Down)
	p.Wire = p.Up*8/(m.Uplink*1e6) + p.Down*8/(m.Downlink*1e6)
	p.Price = 1e6 * (p.Server/3600*m.CPUHour + p.Down/1e9*m.GBOut + p.Queries/1e6*m.MillionQueries)
	return p
}
