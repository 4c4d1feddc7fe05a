package dbsc

import (
	"net/http"
	"strings"
)

// Header fields of the draft, "DBSC Formats".
const (
	headerRegistration = "Secure-Session-Registration"
	headerChallenge    = "Secure-Session-Challenge"
	headerResponse     = "Secure-Session-Response"
	headerID           = "Sec-Secure-Session-Id"
	headerSkipped      = "Secure-Session-Skipped"
)

// text returns the value of a field that is a string of structured fields (RFC
// 9651, section 3.3.3), with or without the quotes that Chromium leaves out, and
// with or without parameters. The values that we ask for have no character that
// would be escaped, or that ends a bare one.
func text(h http.Header, field string) string {
	lines := h[field]
	if len(lines) != 1 {
		return ""
	}
	value, _, _ := strings.Cut(lines[0], ";")
	return unquote(value)
}

func unquote(value string) string {
	value = strings.Trim(value, " \t")
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return value
}

// skipped returns why the browser says that it has not refreshed the session of
// that id for this request, or "": a list of reasons, each with the id of a
// session as its parameter.
func skipped(h http.Header, id string) string {
	for _, line := range h[headerSkipped] {
		for item := range strings.SplitSeq(line, ",") {
			reason, parameters, _ := strings.Cut(item, ";")
			for parameter := range strings.SplitSeq(parameters, ";") {
				name, value, _ := strings.Cut(parameter, "=")
				if strings.Trim(name, " \t") != "session_identifier" || unquote(value) != id {
					continue
				}
				switch reason = strings.Trim(reason, " \t"); reason {
				case "unreachable", "server_error", "quota_exceeded":
					return reason
				}
				return "another reason"
			}
		}
	}
	return ""
}

// cookies yields the values of a request's cookies of a name, up to three of
// them (RFC 6265, section 4.2.1).
func cookies(h http.Header, name string, yield func(value string) bool) {
	tried := 0
	for _, line := range h["Cookie"] {
		for line != "" && tried < maxCookiesTried {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			n, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || n != name {
				continue
			}
			if tried++; !yield(value) {
				return
			}
		}
	}
}

// maxCookiesTried bounds the work for a request with many cookies of our name.
// With the prefix __Host- a browser has one of them at most.
const maxCookiesTried = 3
