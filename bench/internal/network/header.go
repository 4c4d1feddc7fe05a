package network

import "net/http"

// The headers are those of Chrome 140 on Linux, without what it sends only with
// some version of HTTP (Connection, Priority).

// documentHeader returns what a browser sends with the request for a page that
// it comes to from the one at referer.
func documentHeader(referer string) http.Header {
	h := commonHeader(referer)
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7")
	h.Set("Upgrade-Insecure-Requests", "1")
	fetch(h, "navigate", "document")
	h.Set("Sec-Fetch-User", "?1")
	return h
}

// imageHeader returns what a browser sends with the request for an image of the
// page at referer.
func imageHeader(referer string) http.Header {
	h := commonHeader(referer)
	h.Set("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	fetch(h, "no-cors", "image")
	return h
}

// callHeader returns what a browser sends with a call of the site's API by a
// script of the page at referer.
func callHeader(referer string) http.Header {
	h := commonHeader(referer)
	h.Set("Accept", "application/json")
	fetch(h, "cors", "empty")
	return h
}

func commonHeader(referer string) http.Header {
	h := make(http.Header)
	h.Set("User-Agent",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	h.Set("Sec-Ch-Ua", `"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"`)
	h.Set("Sec-Ch-Ua-Mobile", "?0")
	h.Set("Sec-Ch-Ua-Platform", `"Linux"`)
	h.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	h.Set("Accept-Language", "en-US,en;q=0.9")
	h.Set("Referer", referer)
	return h
}

// fetch sets the header fields of Fetch Metadata.
func fetch(h http.Header, mode, dest string) {
	h.Set("Sec-Fetch-Site", "same-origin")
	h.Set("Sec-Fetch-Mode", mode)
	h.Set("Sec-Fetch-Dest", dest)
}
