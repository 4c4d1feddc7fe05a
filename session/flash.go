package session

import "slices"

// AddFlash adds a message for the visitor that is shown once, by whichever
// request takes it with [Flashes], usually the next page. The value is encoded
// as [Session.Set] does it, with the same errors.
func (s *Session) AddFlash(v any) {
	raw, err := encodeValue(flashesKey, v)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessed = true
	if err != nil {
		s.fail(err)
		return
	}
	setFlashList(&s.obj, append(flashList(&s.obj), raw))
	s.changes.flashesAdded = append(s.changes.flashesAdded, raw)
	s.changed()
}

// Flashes takes the flashes that can be decoded as a T out of the session, in
// the order in which they were added. Others stay.
func Flashes[T any](s *Session) []T {
	var taken []T
	for _, raw := range s.flashes() {
		var v T
		if unmarshal(raw, &v) == nil && s.takeFlash(raw) {
			taken = append(taken, v)
		}
	}
	return taken
}

func (s *Session) flashes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessed = true
	return flashList(&s.obj)
}

// takeFlash takes one flash out of the session, unless somebody else has.
func (s *Session) takeFlash(raw string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := flashList(&s.obj)
	i := slices.Index(list, raw)
	if i < 0 {
		return false
	}
	setFlashList(&s.obj, slices.Delete(list, i, i+1))
	c := &s.changes
	if i := slices.Index(c.flashesAdded, raw); i >= 0 {
		c.flashesAdded = slices.Delete(c.flashesAdded, i, i+1)
	} else {
		c.flashesTaken = append(c.flashesTaken, raw)
	}
	s.changed()
	return true
}
