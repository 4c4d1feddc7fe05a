package session

import (
	"fmt"
	"slices"
)

// AddFlash adds a message for the visitor that is shown once, by whichever
// request takes it with [Flashes], usually the next page. The value is encoded
// as [Session.Set] does it, with the same errors.
func (s *Session) AddFlash(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessed = true
	raw, err := marshal(v)
	if err != nil {
		s.fail(&ValueError{Key: flashesKey, Type: fmt.Sprintf("%T", v), Err: err})
		return
	}
	setFlashList(&s.obj, append(flashList(&s.obj), raw))
	s.changes.flashesAdded = append(s.changes.flashesAdded, raw)
	s.changed()
}

// Flashes takes the flashes that can be decoded as a T out of the session, in
// the order in which they were added. Others stay.
func Flashes[T any](s *Session) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessed = true
	var taken []T
	var left []string
	c := &s.changes
	for _, raw := range flashList(&s.obj) {
		var v T
		if unmarshal(raw, &v) != nil {
			left = append(left, raw)
			continue
		}
		taken = append(taken, v)
		if i := slices.Index(c.flashesAdded, raw); i >= 0 {
			c.flashesAdded = slices.Delete(c.flashesAdded, i, i+1)
		} else {
			c.flashesTaken = append(c.flashesTaken, raw)
		}
	}
	if len(taken) > 0 {
		setFlashList(&s.obj, left)
		s.changed()
	}
	return taken
}
