package session

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
		if unmarshal(f.raw, &v) == nil {
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
