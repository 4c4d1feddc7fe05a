package session

import (
	"encoding/json"
	"strings"

	"sessionengine/session/internal/jsonobject"
)

// MaxFlashes is how many flashes a session holds at most. When another one is
// added, the oldest one goes: a visitor whose pages never show them, or who
// never looks at those that do, does not make the session grow without end.
const MaxFlashes = 100

// AddFlash adds a message for the visitor that is shown once, by whichever
// request takes it with [Flashes], usually the next page. The value is encoded
// as [Session.Set] does it, with the same errors. Beyond [MaxFlashes] the oldest
// go.
func (s *Session) AddFlash(v any) {
	raw, err := encodeValue(flashesKey, v)
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	if err != nil {
		s.fail(err)
		return
	}
	s.obj.flashList().add(raw)
	s.obj.noteFlashes()
	s.modify()
}

// Flashes takes the flashes that can be decoded as a T out of the session, in
// the order in which they were added. Others stay. Two requests at the same
// moment may both get a flash, and show it twice, as in Django: a message is no
// reason to fail one of them. What must be had once only is for [Pop].
func Flashes[T any](s *Session) []T {
	var values []T
	var found []flash
	for _, f := range s.flashes() {
		var v T
		if jsonobject.Unmarshal(f.raw, &v) == nil {
			values = append(values, v)
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return nil
	}
	got := s.takeFlashes(found)
	taken := values[:0]
	for i, v := range values {
		if got[i] {
			taken = append(taken, v)
		}
	}
	return taken
}

// flashes returns a copy of the flashes, which are decoded without a lock.
func (s *Session) flashes() []flash {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	s.accessed = true
	return append([]flash(nil), s.obj.flashList().items...)
}

// takeFlashes takes flashes out of the session, and reports for each whether it
// was still there: another goroutine may have taken it.
func (s *Session) takeFlashes(found []flash) []bool {
	s.req.mu.Lock()
	defer s.req.mu.Unlock()
	got := make([]bool, len(found))
	list := s.obj.flashList()
	kept := list.items[:0]
	i, any := 0, false
	for _, f := range list.items {
		for i < len(found) && found[i].id < f.id {
			i++
		}
		if i == len(found) || found[i].id != f.id || found[i].raw != f.raw {
			kept = append(kept, f)
			continue
		}
		got[i], any = true, true
		if !f.added {
			s.changes.flashesTaken = append(s.changes.flashesTaken, f.raw)
		}
	}
	if any {
		list.items = kept
		s.obj.noteFlashes()
		s.modify()
	}
	return got
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
