package session

import "sessionengine/session/internal/jsonobject"

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
	expirySet bool // the life of its own restarts

	cleared      bool
	keys         jsonobject.Object   // key to its new value, or one of the marks below
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
	raw, ok := c.keys.Get(key)
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
	c.keys.Set(key, raw)
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
	c.keys.Set(key, markFunction)
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
	for key, raw := range c.keys.All() {
		switch raw {
		case markDeleted:
			o.delete(key)
		case markFunction:
			raw, ok := o.get(key)
			for _, step := range c.functions[key].steps {
				var err error
				if raw, err = step(raw, ok); err != nil {
					return err
				}
				ok = true
			}
			o.set(key, raw)
		default:
			o.set(key, raw)
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
