package session

import (
	"errors"
	"strings"
	"unsafe"

	"sessionengine/session/internal/jsonobject"
)

// Keys of a session that are the package's own. Django knows the first one
// (django/contrib/sessions/backends/base.py).
const (
	reservedPrefix = "_session_"
	expiryKey      = "_session_expiry"  // seconds, 0 for "when the browser closes", or an ISO 8601 time
	startKey       = "_session_start"   // Unix seconds of the session's creation
	flashesKey     = "_session_flashes" // array of values
	ownerKey       = "_session_owner"   // string
	labelKey       = "_session_label"   // string
	bindingKey     = "_session_binding" // string, of the Guard's
	authKey        = "_session_auth"    // array of Unix seconds and the method of the last authentication
)

func reserved(key string) bool { return strings.HasPrefix(key, reservedPrefix) }

// object is what a session holds: the JSON object that is stored, with the number
// of the application's entries in it, and its flashes, which are added to and
// taken from one by one.
type object struct {
	json    jsonobject.Object
	own     int        // entries of the application's
	flashes *flashList // nil until they are asked for
}

var (
	errNotObject     = errors.New("session: stored data is not a JSON object")
	errNotUnderstood = errors.New("session: stored data has an owner, a binding or an expiry that cannot be read")
)

// parseObject returns the object that data is. It keeps data, which nobody
// changes: see [Record].
func parseObject(data []byte) (object, error) {
	json, ok := jsonobject.Parse(unsafe.String(unsafe.SliceData(data), len(data)))
	if !ok {
		return object{}, errNotObject
	}
	o := object{json: json}
	for key := range json.All() {
		if !reserved(key) {
			o.own++
		}
	}
	return o, nil
}

// understood reports whether the entries of the package's own that end a session,
// or let it be ended, can be read. One in which they cannot counts as expired.
func (o *object) understood() bool {
	if raw, ok := o.get(ownerKey); ok && raw[0] != '"' && raw != "null" {
		return false
	}
	if raw, ok := o.get(expiryKey); ok {
		_, _, _, ok = parseExpiry(raw)
		return ok
	}
	return true
}

// text returns the string under a reserved key.
func (o *object) text(key string) string {
	var text string
	if raw, ok := o.get(key); ok && jsonobject.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

func (o *object) get(key string) (raw string, ok bool) { return o.json.Get(key) }

func (o *object) set(key, raw string) {
	if o.json.Set(key, raw) && !reserved(key) {
		o.own++
	}
}

func (o *object) delete(key string) bool {
	deleted := o.json.Delete(key)
	if deleted && !reserved(key) {
		o.own--
	}
	return deleted
}

func (o *object) clear() { *o = object{} }

// clearEntries deletes everything but the moment of the session's creation,
// which clearing must not set back.
func clearEntries(o *object) {
	start, ok := o.get(startKey)
	o.clear()
	if ok {
		o.set(startKey, start)
	}
}

// encode returns the object as it is stored.
func (o *object) encode() []byte {
	o.writeFlashes()
	return o.json.Encode()
}
