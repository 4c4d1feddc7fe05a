package session

import (
	"encoding/json"
	"strings"
)

// changes is what one request has asked of its session since it was loaded or
// last saved, so that it can be asked again of a newer state. Entries are
// changed one by one, so that two requests which change different keys both
// keep their changes; of two changes of one key the later save counts. Flashes
// are added and taken one by one too.
//
// What was asked is noted also where it made no difference: that it makes none
// is true of the state that was loaded only.
type changes struct {
	effective bool // something differs from what was loaded
	expirySet bool // the life of its own begins anew

	cleared      bool
	keys         object              // key to its new value, or one of the marks below
	functions    map[string]function // of the keys that are markFunction
	taken        map[string]string   // what the handler acted on: key to the stored value, "" if there was none
	flashesTaken []string            // as they were loaded
}

// Marks in the place of a value, which no JSON text is.
const (
	markDeleted  = "-"
	markFunction = "+"
)

// function makes a new value of the stored one, as [Change] does.
type function struct {
	stored string // what the first of the steps was given, "" if there was no value
	steps  []func(raw string, ok bool) (string, error)
}

// knows reports whether the changes determine what is under key, whatever is
// stored.
func (c *changes) knows(key string) bool {
	raw, ok := c.keys.get(key)
	return ok && raw != markFunction || !ok && c.cleared
}

// stored returns what is stored under key, as far as it was loaded, given what
// the session holds now. It is for keys that the changes do not know.
func (c *changes) stored(key, now string) string {
	if f, ok := c.functions[key]; ok {
		return f.stored
	}
	return now
}

// act notes that the handler acts on what is under key: it got a value that is
// given only once, or learned that there is none.
func (c *changes) act(key, now string) {
	if c.knows(key) {
		return
	}
	if _, ok := c.taken[key]; ok {
		return
	}
	if c.taken == nil {
		c.taken = make(map[string]string)
	}
	c.taken[key] = c.stored(key, now)
}

// set notes a value, or that it was deleted.
func (c *changes) set(key, raw string) {
	c.keys.set(key, raw)
	delete(c.functions, key)
}

// change notes a step from the value that is there now, "" if there is none, to
// the value raw.
func (c *changes) change(key, now, raw string, step func(raw string, ok bool) (string, error)) {
	if c.knows(key) {
		c.set(key, raw)
		return
	}
	f, ok := c.functions[key]
	if !ok {
		f.stored = now
	}
	f.steps = append(f.steps, step)
	if c.functions == nil {
		c.functions = make(map[string]function)
	}
	c.functions[key] = f
	c.keys.set(key, markFunction)
}

// clear notes that everything was deleted.
func (c *changes) clear() {
	*c = changes{effective: c.effective, cleared: true, taken: c.taken}
}

// stillTrue reports whether what the handler acted on is in o as well.
func (c *changes) stillTrue(o *object) bool {
	for key, was := range c.taken {
		if now, _ := o.get(key); now != was {
			return false
		}
	}
	return true
}

// applyTo makes the changes in o. added are the flashes that were added.
func (c *changes) applyTo(o *object, added []string) error {
	if c.cleared {
		clearEntries(o)
	}
	for _, e := range c.keys.entries {
		switch e.raw {
		case markDeleted:
			o.delete(e.key)
		case markFunction:
			raw, ok := o.get(e.key)
			for _, step := range c.functions[e.key].steps {
				var err error
				if raw, err = step(raw, ok); err != nil {
					return err
				}
				ok = true
			}
			o.set(e.key, raw)
		default:
			o.set(e.key, e.raw)
		}
	}
	if len(added) > 0 || len(c.flashesTaken) > 0 {
		list := o.flashList()
		list.remove(c.flashesTaken)
		for _, raw := range added {
			list.add(raw)
		}
		o.noteFlashes()
	}
	return nil
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

// flashList are the flashes of an object, decoded as far as their list.
type flashList struct {
	items   []flash
	next    int  // the id of the next one
	changed bool // what the object holds is older
}

type flash struct {
	raw   string
	id    int  // grows along the list
	added bool // by this request, since the session was loaded or saved
}

// flashList returns the flashes of o. Call noteFlashes after changing them.
func (o *object) flashList() *flashList {
	if o.flashes != nil {
		return o.flashes
	}
	l := &flashList{}
	o.flashes = l
	raw, _ := o.get(flashesKey)
	var values []json.RawMessage
	if raw == "" || json.Unmarshal([]byte(raw), &values) != nil {
		return l // none, or not written by this package
	}
	l.items = make([]flash, len(values))
	for i, v := range values {
		l.items[i] = flash{raw: string(v), id: i}
	}
	l.next = len(values)
	return l
}

// add adds a flash. The oldest ones go when there are too many.
func (l *flashList) add(raw string) {
	l.items = append(l.items, flash{raw, l.next, true})
	l.next++
	if n := len(l.items) - MaxFlashes; n > 0 {
		l.items = l.items[n:]
	}
}

// remove removes the first flash that is equal to each of raws, if there is one.
func (l *flashList) remove(raws []string) {
	if len(raws) == 0 {
		return
	}
	count := make(map[string]int, len(raws))
	for _, raw := range raws {
		count[raw]++
	}
	kept := l.items[:0]
	for _, f := range l.items {
		if count[f.raw] > 0 {
			count[f.raw]--
		} else {
			kept = append(kept, f)
		}
	}
	l.items = kept
}

// added returns the flashes that this request has added.
func (o *object) addedFlashes() []string {
	if o.flashes == nil {
		return nil
	}
	var added []string
	for _, f := range o.flashes.items {
		if f.added {
			added = append(added, f.raw)
		}
	}
	return added
}

// noteFlashes sees to it that o has an entry for its flashes if there are some.
func (o *object) noteFlashes() {
	o.flashes.changed = true
	if len(o.flashes.items) == 0 {
		o.delete(flashesKey)
	} else if _, ok := o.get(flashesKey); !ok {
		o.set(flashesKey, "[]") // until writeFlashes
	}
}

// writeFlashes encodes the flashes, if they have changed.
func (o *object) writeFlashes() {
	l := o.flashes
	if l == nil || !l.changed {
		return
	}
	l.changed = false
	if len(l.items) == 0 {
		return
	}
	var b strings.Builder
	for i, f := range l.items {
		b.WriteByte("[,"[min(i, 1)])
		b.WriteString(f.raw)
	}
	b.WriteByte(']')
	o.set(flashesKey, b.String())
}
