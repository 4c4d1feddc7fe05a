package wire

import (
	"net/http"
	"sync/atomic"

	"sessionengine/bench"
	"sessionengine/bench/internal/loopback"
)

// A handler is the site: it expects requests in their order, the arrival first,
// and answers with the headers that a shop's pages, images and calls have.
type handler struct {
	requests             []request
	next                 atomic.Int64
	arrive, read, change http.Handler
	ignore               http.Handler
}

// firstNumber is where the numbers begin that changes set: they are as long as
// a moment in Unix time.
const firstNumber = 1_767_225_600

func newHandler(site bench.Site, s bench.Session, requests []request) *handler {
	number := new(atomic.Int64)
	number.Store(firstNumber)
	// The number is there from the start, so that no change makes the session
	// longer.
	return &handler{
		requests: requests,
		arrive:   site.Handler(bench.Action{Set: s.Entries, Count: number}),
		read:     site.Handler(bench.Action{Read: loopback.ReadEntry(s)}),
		change:   site.Handler(bench.Action{Count: number}),
		ignore:   site.Handler(bench.Action{}),
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(h.next.Add(1)) - 1
	if n >= len(h.requests) || h.requests[n].path != r.URL.RequestURI() {
		http.Error(w, "not the trace's next request", http.StatusNotFound)
		return
	}
	expected := h.requests[n]
	header := w.Header()
	header.Set("Date", expected.at.Format(http.TimeFormat))
	header.Set("Server", "nginx")
	header.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case expected.use == ignores:
		header.Set("Content-Type", "image/webp")
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		header.Set("Etag", `"68c1a2f4-5d3e"`)
		header.Set("Last-Modified", "Wed, 10 Sep 2025 16:03:16 GMT")
		header.Set("Accept-Ranges", "bytes")
	case r.Header.Get("Sec-Fetch-Dest") == "document":
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Cache-Control", "no-cache, private")
		header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		header.Set("X-Frame-Options", "DENY")
	default:
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "no-cache, private")
	}
	switch {
	case n == 0:
		h.arrive.ServeHTTP(w, r)
	case expected.use == reads:
		h.read.ServeHTTP(w, r)
	case expected.use == changes:
		h.change.ServeHTTP(w, r)
	default:
		h.ignore.ServeHTTP(w, r)
	}
}
