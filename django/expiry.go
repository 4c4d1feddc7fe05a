package django

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// expiryKey is where set_expiry of django/contrib/sessions/backends/base.py
// keeps a session's own expiry: a number of seconds from the last save, or since
// Django 4.1 a time in ISO 8601. What Python takes for false (None, 0) is none.
const expiryKey = "_session_expiry"

// ownExpiry returns when a session that was signed at a Unix time ends by its
// own expiry, if it has one.
func ownExpiry(data []byte, signed int64) (end int64, ok bool) {
	if !bytes.Contains(data, []byte(`"`+expiryKey+`"`)) {
		return 0, false
	}
	var entries map[string]json.RawMessage
	if json.Unmarshal(data, &entries) != nil {
		return 0, false
	}
	raw := string(entries[expiryKey])
	if seconds, err := strconv.ParseFloat(raw, 64); err == nil || seconds != 0 { // or out of range
		const bound = float64(maxCookieAge / time.Second)
		seconds = max(-bound, min(seconds, bound))
		return signed + int64(seconds), seconds != 0
	}
	if t, ok := isoTime(raw); ok {
		return t.Unix(), true
	}
	return 0, false
}

// isoTime parses what datetime.isoformat writes, as a JSON string. A time
// without an offset, as Django without USE_TZ has them, is taken as UTC.
func isoTime(raw string) (time.Time, bool) {
	if !strings.HasPrefix(raw, `"`) {
		return time.Time{}, false
	}
	var text string
	if json.Unmarshal([]byte(raw), &text) != nil {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} { // both with or without a fraction
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
