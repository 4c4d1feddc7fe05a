package network

// Bytes are what passed a connection, or a mean of that.
type Bytes struct {
	Up   float64 `json:"up"`   // from the visitor to the site
	Down float64 `json:"down"` // from the site to the visitor

	// The same without what TLS adds.
	UpInTLS   float64 `json:"up_in_tls"`
	DownInTLS float64 `json:"down_in_tls"`
}

func (b Bytes) plus(o Bytes) Bytes {
	return Bytes{b.Up + o.Up, b.Down + o.Down, b.UpInTLS + o.UpInTLS, b.DownInTLS + o.DownInTLS}
}

// Minus returns the difference, of a site with sessions to one without for
// example.
func (b Bytes) Minus(o Bytes) Bytes {
	return Bytes{b.Up - o.Up, b.Down - o.Down, b.UpInTLS - o.UpInTLS, b.DownInTLS - o.DownInTLS}
}

// over returns the mean of n, of which b is the sum. The mean of none is zero.
func (b Bytes) over(n int) Bytes {
	if n == 0 {
		return Bytes{}
	}
	f := float64(n)
	return Bytes{b.Up / f, b.Down / f, b.UpInTLS / f, b.DownInTLS / f}
}

// The protocols that are measured, as http.Request.Proto calls them.
const (
	HTTP1 = "HTTP/1.1"
	HTTP2 = "HTTP/2.0"
)

// Traffic is what [CountBytes] counted.
type Traffic struct {
	Trace Trace         `json:"trace"`
	Cells []TrafficCell `json:"cells"`
}

// A TrafficCell is one visitor's connection.
type TrafficCell struct {
	Engine   string `json:"engine"`
	Session  string `json:"session"`
	Protocol string `json:"protocol"` // HTTP1 or HTTP2

	// TooLarge, if it is not empty, is why the engine cannot carry the session;
	// then nothing was counted.
	TooLarge string `json:"too_large,omitempty"`

	Cookie int `json:"cookie"` // bytes of the Cookie header's value

	// Handshake is that of TLS, with the shortest of certificate chains.
	// Arrival is the first request, which puts the session's content into it,
	// and with HTTP/2 the settings that the two sides exchange.
	Handshake Bytes `json:"handshake"`
	Arrival   Bytes `json:"arrival"`

	// Page is the mean of the trace's pages, and Request that of its requests.
	Page    Bytes `json:"page"`
	Request Bytes `json:"request"`

	// Change is the mean of the requests that change the session, After that of
	// those that come next and do not change it again, and Other that of all
	// the rest. A cookie that changes with the session comes down with Change
	// and goes up for the first time with After. Both are zero for a trace
	// without changes.
	Change Bytes `json:"change"`
	After  Bytes `json:"after"`
	Other  Bytes `json:"other"`
}

// Cell returns the cell of an engine, a session and a protocol, or nil.
func (r *Traffic) Cell(engine, session, protocol string) *TrafficCell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Engine == engine && c.Session == session && c.Protocol == protocol {
			return c
		}
	}
	return nil
}

// Floor returns the cell of the visitor who has no session and for the rest
// does the same as c's.
func (r *Traffic) Floor(c *TrafficCell) *TrafficCell { return r.Cell(NoSession, c.Session, c.Protocol) }

// average sets the means from what each request of the trace moved.
func (c *TrafficCell) average(requests []request, pages int, moved []Bytes) {
	var sum, change, after, other Bytes
	var changed, followed int
	for i, b := range moved {
		sum = sum.plus(b)
		switch {
		case requests[i].use == changes:
			change = change.plus(b)
			changed++
		case i > 0 && requests[i-1].use == changes:
			after = after.plus(b)
			followed++
		default:
			other = other.plus(b)
		}
	}
	n := len(moved)
	c.Page, c.Request = sum.over(pages), sum.over(n)
	c.Change, c.After, c.Other = change.over(changed), after.over(followed), other.over(n-changed-followed)
}
