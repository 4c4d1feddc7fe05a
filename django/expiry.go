package django

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sessionengine/session"
)

// expiryKey is where set_expiry of django/contrib/sessions/backends/base.py
// keeps a session's own expiry: a number of seconds from the last save, or since
// Django 4.1 a time in ISO 8601. What Python takes for false (None, 0) is none.
const expiryKey = "_session_expiry"

// findExpiry returns the session's own expiry as it is written in data, a JSON
// object, and where; ok is false if there is none. Of several the last one
// counts, for Python as for package session.
func findExpiry(data []byte) (raw []byte, at int, ok bool) {
	// A name can be written with escapes, which only few sessions have.
	if !bytes.Contains(data, []byte(expiryKey)) && !bytes.Contains(data, []byte(`\u`)) {
		return nil, 0, false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil { // the bracket
		return nil, 0, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, 0, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, 0, false
		}
		if key == expiryKey {
			raw, at, ok = value, int(d.InputOffset())-len(value), true
		}
	}
	return raw, at, ok
}

// ownExpiry returns when a session that was signed at a Unix time ends by its
// own expiry, if it has one. One that cannot be read has ended.
func ownExpiry(data []byte, signed int64) (end int64, ok bool) {
	value, _, ok := findExpiry(data)
	if !ok {
		return 0, false
	}
	switch raw := string(value); raw {
	case "null", "false", `""`, "[]", "{}": // what Python takes for false, but for numbers
		return 0, false
	default:
		if seconds, err := strconv.ParseFloat(raw, 64); err == nil || seconds != 0 { // or out of range
			const bound = float64(maxCookieAge / time.Second)
			seconds = max(-bound, min(seconds, bound))
			return signed + int64(seconds), seconds != 0
		}
		if t, _, ok := isoTime(value, time.UTC); ok {
			return t.Unix(), true
		}
		return 0, true
	}
}

// isoTime parses what datetime.isoformat writes, as a JSON string, and reports
// whether it is local, without an offset: a time in the zone that is given.
func isoTime(raw []byte, zone *time.Location) (t time.Time, local, ok bool) {
	var text string
	if !bytes.HasPrefix(raw, []byte{'"'}) || json.Unmarshal(raw, &text) != nil {
		return time.Time{}, false, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z07:00:00"} { // with or without a fraction
		if t, err := time.Parse(layout, text); err == nil {
			return t, false, true
		}
	}
	if t, err := time.ParseInLocation("2006-01-02T15:04:05", text, zone); err == nil {
		return t, true, true
	}
	return time.Time{}, false, false
}

// errNoTimeZone says that a time cannot be understood.
var errNoTimeZone = fmt.Errorf("django: %w: a session's expiry is a local time, since the site has USE_TZ = False; "+
	"set Options.TimeZone to its TIME_ZONE", session.ErrMisuse)

// fromLocalTime returns data with the session's own expiry as package session
// reads and writes it: a time that Django wrote without USE_TZ, in its
// TIME_ZONE, gets an offset. zone is nil for a site with USE_TZ.
func fromLocalTime(data []byte, zone *time.Location) ([]byte, error) {
	raw, at, ok := findExpiry(data)
	if !ok {
		return data, nil
	}
	known := zone
	if known == nil {
		known = time.UTC
	}
	t, local, ok := isoTime(raw, known)
	switch {
	case !ok || !local:
		return data, nil
	case zone == nil:
		return nil, errNoTimeZone
	}
	return replace(data, raw, at, isoFormat(t.UTC())+`+00:00`), nil
}

// toLocalTime is the way back. Django compares the expiry with the present and
// fails when only one of them has an offset.
func toLocalTime(data []byte, zone *time.Location) []byte {
	if zone == nil {
		return data
	}
	raw, at, ok := findExpiry(data)
	if !ok {
		return data
	}
	t, local, ok := isoTime(raw, zone)
	if !ok || local {
		return data
	}
	if t = t.In(zone); t.Year() > maxYear {
		t = time.Date(maxYear, 12, 31, 23, 59, 59, 0, zone)
	}
	return replace(data, raw, at, isoFormat(t))
}

// maxYear is the last one that datetime has.
const maxYear = 9999

// isoFormat is datetime.isoformat, without the offset.
func isoFormat(t time.Time) string {
	if t.Nanosecond() < int(time.Microsecond) {
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000000")
}

// replace returns data with another text in the place of the string raw.
func replace(data, raw []byte, at int, text string) []byte {
	return []byte(strings.Join([]string{string(data[:at]), text, string(data[at+len(raw):])}, `"`))
}
