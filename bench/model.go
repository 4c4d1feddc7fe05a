package bench

import (
	"fmt"
	"time"
)

// A Model turns what was measured of requests into what a page costs, from
// inputs that are a site's own. A page is one request that uses the session and
// others that do not: images, scripts, calls of an API, which carry the cookie
// all the same.
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

	// RequestsPerPage is how many requests of a page carry the cookie.
	RequestsPerPage int `json:"requests_per_page"`

	// HTTP1 makes each request carry the whole cookie. With HTTP/2 and HTTP/3
	// the first request of a page does, and those after it refer to it in a
	// byte (RFC 7541, section 6.1; RFC 9204, section 4.5.2).
	HTTP1 bool `json:"http1"`

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
	case !(m.CPUHour >= 0) || !(m.GBOut >= 0) || !(m.MillionQueries >= 0):
		return fmt.Errorf("prices cannot be negative")
	}
	return nil
}

// A Load is what one request of some kind takes.
type Load struct {
	Seconds  float64 // in the server
	Queries  float64
	Up, Down float64 // bytes of cookie
}

// A Page is what an average page takes for the sake of its session.
type Page struct {
	Server   float64 `json:"server_s"`   // seconds in the web server
	Database float64 `json:"database_s"` // seconds on the way to the database and back
	Wire     float64 `json:"wire_s"`     // seconds that cookies take on the visitor's line
	Queries  float64 `json:"queries"`
	Up       float64 `json:"up_bytes"`
	Down     float64 `json:"down_bytes"`
	Price    float64 `json:"price_per_million"` // of a million pages
}

// Seconds is how much later the page is complete because of its session.
func (p Page) Seconds() float64 { return p.Server + p.Database + p.Wire }

// refer is what a header that the connection has seen already takes with
// HTTP/2, in bytes.
const refer = 1

// Page returns what a page takes, given what a request takes that reads the
// session, that writes it, and that does not use it.
func (m Model) Page(read, write, untouched Load) Page {
	writes := 1 / (1 + m.ReadsPerWrite)
	mix := func(read, write float64) float64 { return (1-writes)*read + writes*write }
	others := float64(m.RequestsPerPage - 1)

	var p Page
	p.Server = mix(read.Seconds, write.Seconds) + others*untouched.Seconds
	p.Queries = mix(read.Queries, write.Queries) + others*untouched.Queries
	p.Database = p.Queries * m.RoundTrip.Seconds()
	cookie := mix(read.Up, write.Up)
	if m.HTTP1 {
		p.Up = (1 + others) * cookie
	} else {
		p.Up = cookie + others*refer
	}
	p.Down = mix(read.Down, write.Down) + others*untouched.Down
	p.Wire = p.Up*8/(m.Uplink*1e6) + p.Down*8/(m.Downlink*1e6)
	p.Price = 1e6 * (p.Server/3600*m.CPUHour + p.Down/1e9*m.GBOut + p.Queries/1e6*m.MillionQueries)
	return p
}
