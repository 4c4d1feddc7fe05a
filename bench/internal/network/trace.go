package network

import (
	"fmt"
	"time"
)

// A Trace is what a visitor's browser requests: pages, each a document and its
// sub-requests, one after the other over one connection.
type Trace struct {
	Pages int `json:"pages"`

	// Of the sub-requests of each page, Calls ask the site for something that
	// depends on the session, and Assets do not use it: images, scripts.
	// Browsers send the cookie with all of them.
	Calls  int `json:"calls"`
	Assets int `json:"assets"`

	// ChangeEvery makes each request whose number, counted from 1, it divides
	// change the session; where that would be an asset's, a call is in its
	// place. 0 means that no request does.
	ChangeEvery int `json:"change_every"`
}

// DefaultTrace returns ten pages of a document and twenty sub-requests, a fifth
// of which are calls, and of all requests every tenth changes the session.
func DefaultTrace() Trace { return Trace{Pages: 10, Calls: 4, Assets: 16, ChangeEvery: 10} }

// arrival is the visitor's first request, before those of the trace.
var arrival = request{path: "/login/callback", header: documentHeader(origin + "/login"), use: arrives,
	at: traceStart.Add(-pageTime)}

// origin is the site's address as it appears in headers.
const origin = "https://" + host

// requests returns those of the trace, in order.
func (t Trace) requests() []request {
	var all []request
	add := func(r request) {
		if t.ChangeEvery > 0 && (len(all)+1)%t.ChangeEvery == 0 {
			if r.use == ignores {
				r.path, r.header = "/api/v1/cart/items?quantity=1", callHeader(r.header.Get("Referer"))
			}
			r.use = changes
		}
		all = append(all, r)
	}
	referer := origin + "/"
	subrequests := t.Calls + t.Assets
	for page := range t.Pages {
		at := traceStart.Add(time.Duration(page) * pageTime)
		path := fmt.Sprintf("/products/%05d-trail-shoe", 10473+31*page)
		add(request{path, documentHeader(referer), reads, at})
		referer = origin + path
		for i := range subrequests {
			// The calls are spread evenly over the page.
			if (i+1)*t.Calls/subrequests > i*t.Calls/subrequests {
				add(request{fmt.Sprintf("/api/v1/stock?sku=%05d-%02d", 10473+31*page, i), callHeader(referer), reads,
					at.Add(time.Second)})
			} else {
				add(request{fmt.Sprintf("/static/images/%05d-%02d.webp", 10473+31*page, i), imageHeader(referer),
					ignores, at.Add(time.Second)})
			}
		}
	}
	return all
}

// The server's clock. Its Date header is one more header that header
// compression can or cannot shorten, so it moves on as it does for a visitor,
// who needs seconds for a page, and not as fast as the trace is run.
const pageTime = 37 * time.Second

var traceStart = time.Date(2026, time.March, 3, 9, 14, 26, 0, time.UTC)
