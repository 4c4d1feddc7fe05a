package session

import (
	"encoding/json"
	"slices"
	"strings"
)

// changes is what one request has done to its session since it was loaded or
// last saved, so that it can be done again to a newer state. Entries are
// changed one by one, so that two requests which change different keys both
// keep their changes; of two changes of one key the later save counts. Flashes
// are added and taken one by one too.
type changes struct {
	cleared      bool
	keys         object // key to its new value, "" if it was deleted
	flashesAdded []string
	flashesTaken []string // as they were loaded
}

func (c *changes) any() bool {
	return c.cleared || len(c.keys.entries) > 0 || len(c.flashesAdded) > 0 || len(c.flashesTaken) > 0
}

// applyTo makes the changes in o.
func (c *changes) applyTo(o *object) {
	if c.cleared {
		clearEntries(o)
	}
	for _, e := range c.keys.entries {
		if e.raw == "" {
			o.delete(e.key)
		} else {
			o.set(e.key, e.raw)
		}
	}
	if len(c.flashesAdded) == 0 && len(c.flashesTaken) == 0 {
		return
	}
	list := flashList(o)
	for _, raw := range c.flashesTaken {
		if i := slices.Index(list, raw); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
	}
	setFlashList(o, append(list, c.flashesAdded...))
}

// Keys of a session that are the package's own. Django knows the first one
// (django/contrib/sessions/backends/base.py).
const (
	reservedPrefix = "_session_"
	expiryKey      = "_session_expiry"  // seconds, 0 for "when the browser closes", or an ISO 8601 time
	startKey       = "_session_start"   // Unix seconds of the session's creation
	flashesKey     = "_session_flashes" // array of values
	ownerKey       = "_session_owner"   // string
	labelKey       = "_session_label"   // string
)

func reserved(key string) bool { return strings.HasPrefix(key, reservedPrefix) }

// clearEntries deletes everything but the moment of the session's creation,
// which clearing must not set back.
func clearEntries(o *object) {
	start, ok := o.get(startKey)
	o.clear()
	if ok {
		o.set(startKey, start)
	}
}

// flashList returns the flashes that o holds.
func flashList(o *object) []string {
	raw, ok := o.get(flashesKey)
	if !ok {
		return nil
	}
	var values []json.RawMessage
	if json.Unmarshal([]byte(raw), &values) != nil {
		return nil // not a list: not written by this package
	}
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}

func setFlashList(o *object, list []string) {
	if len(list) == 0 {
		o.delete(flashesKey)
		return
	}
	o.set(flashesKey, "["+strings.Join(list, ",")+"]")
}
