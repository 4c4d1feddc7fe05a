package session

import (
	"net/http"
	"strings"
)

// headerCopy is a copy of a header, cheaper than a map.
type headerCopy []headerField

type headerField struct {
	name   string
	values []string
}

func copyHeader(h http.Header) headerCopy {
	if len(h) == 0 {
		return nil
	}
	n := 0
	for _, values := range h {
		n += len(values)
	}
	c, all := make(headerCopy, 0, len(h)), make([]string, 0, n)
	for name, values := range h {
		start := len(all)
		all = append(all, values...)
		c = append(c, headerField{name, all[start:len(all):len(all)]})
	}
	return c
}

// restore makes h what was copied. It can be called once.
func (c headerCopy) restore(h http.Header) {
	clear(h)
	for _, f := range c {
		h[f.name] = f.values
	}
}

// takeField takes a field out of h, whatever the case of its letters, and
// returns its lines. name is in canonical form.
func takeField(h http.Header, name string) []string {
	lines := h[name]
	delete(h, name)
	for field, more := range h {
		if strings.EqualFold(field, name) {
			lines = append(lines, more...)
			delete(h, field)
		}
	}
	return lines
}

// addVary adds Cookie to the Vary header field (RFC 9110, section 12.5.5),
// unless it is there.
func addVary(h http.Header) {
	values := h["Vary"]
	for _, line := range values {
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "*" || strings.EqualFold(field, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(values, "Cookie")
}

// makePrivate keeps shared caches from storing a response that sets a session's
// cookie (RFC 9111, sections 5.2.2 and 7.3). Of what the handler says of caching
// only that is left which cannot take private back: must-understand would (it
// overrides no-store, section 5.2.2.3), public and s-maxage would, and an
// extension may (section 5.2.3). It is rewritten, since caches disagree
// about what is wrongly quoted.
func makePrivate(h http.Header) {
	const field = "Cache-Control"
	kept := "private"
	for _, line := range takeField(h, field) {
		for directive := range strings.SplitSeq(line, ",") { // inside quotes too, where there are but names of fields
			name, value, _ := strings.Cut(directive, "=")
			name = strings.ToLower(strings.TrimSpace(name))
			switch name {
			case "no-cache", "no-store", "no-transform", "must-revalidate", "immutable":
				kept = addDirective(kept, name, "")
			case "max-age", "stale-while-revalidate", "stale-if-error":
				value = strings.Trim(value, `" \t`)
				if value != "" && strings.Trim(value, "0123456789") == "" {
					kept = addDirective(kept, name, "="+value)
				}
			}
		}
	}
	h[field] = []string{kept}
	deleteTargeted(h)
}

// addDirective adds a directive to a list that makePrivate wrote, unless there
// is one of that name: of several the first counts (RFC 9111, section 4.2.1).
func addDirective(list, name, value string) string {
	for directive := range strings.SplitSeq(list, ", ") {
		if have, _, _ := strings.Cut(directive, "="); have == name {
			return list
		}
	}
	return list + ", " + name + value
}

// deleteTargeted deletes what would override Cache-Control in caches of a
// certain kind: the targeted fields of RFC 9213, whose names end alike, and
// older ones.
func deleteTargeted(h http.Header) {
	for field := range h {
		switch name := strings.ToLower(field); {
		case strings.HasSuffix(name, "-cache-control"), name == "surrogate-control", name == "edge-control",
			name == "x-accel-expires":
			delete(h, field)
		}
	}
}
