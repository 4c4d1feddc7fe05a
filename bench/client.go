package bench

import (
	"context"
	"net/http"
	"strings"
)

// A recorder is the response writer of the measurements: a real header map and
// nothing else, so that it costs next to nothing. Not safe for concurrent use.
type recorder struct {
	header http.Header
	status int // 0 until the header is written
	body   []byte
}

func (r *recorder) reset() {
	r.header = make(http.Header) // a server makes one for each response, too
	r.status = 0
	r.body = r.body[:0]
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx responses are not final
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, p...)
	return len(p), nil
}

func (r *recorder) WriteString(s string) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, s...)
	return len(s), nil
}

// ok reports whether the response is the handler's own.
func (r *recorder) ok() bool { return r.status == 0 || r.status == http.StatusOK }

// A visitor is a browser that holds the cookie of one site.
type visitor struct {
	template *http.Request
	cookies  []string // the Cookie header; empty without a cookie
}

// newTemplate returns what all requests have in common. Their context can be
// cancelled, as a server's can.
func newTemplate(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://shop.example.com/account", nil)
	if err != nil {
		panic("bench: " + err.Error()) // the URL is the one above
	}
	return r
}

// cookie is the value of the Cookie header that the visitor sends, "" without
// a cookie.
func (v *visitor) cookie() string {
	if len(v.cookies) == 0 {
		return ""
	}
	return v.cookies[0]
}

func (v *visitor) setCookie(pair string) { v.cookies = []string{pair} }

// visit sends a request to h and does with the cookies of the response what a
// browser does.
func (v *visitor) visit(h http.Handler, rec *recorder) {
	rec.reset()
	r := v.template.WithContext(v.template.Context()) // a copy
	r.Header = make(http.Header)
	if len(v.cookies) > 0 {
		r.Header["Cookie"] = v.cookies
	}
	h.ServeHTTP(rec, r)
	if set := rec.header["Set-Cookie"]; len(set) > 0 {
		pair, attributes, _ := strings.Cut(set[0], ";")
		if strings.Contains(attributes, "Max-Age=0") {
			v.cookies = nil
		} else {
			v.setCookie(pair)
		}
	}
}
