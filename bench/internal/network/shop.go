package network

import (
	"net/http"
	"sync/atomic"
)

// A shop is the site of a trace: it expects the requests in their order, and
// answers with the headers that a shop's pages, images and calls have.
type shop struct {
	requests []request
	next     atomic.Int64
	handlers handlers
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.next.Add(1)) - 1
	if n >= len(s.requests) || s.requests[n].path != r.URL.RequestURI() {
		http.Error(w, "not the trace's next request", http.StatusNotFound)
		return
	}
	expected := s.requests[n]
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
	s.handlers[expected.use].ServeHTTP(w, r)
}
