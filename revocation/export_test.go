package revocation

import "time"

// testSpan is that of the tests.
const testSpan = 0x15

// Mark adds a mark to data as a store does, and Cut takes it out again.
func Mark(data []byte, id string, generation int64, owner string) ([]byte, bool) {
	return mark{id, testSpan, generation, owner}.add(data)
}

func Cut(data []byte) (id string, generation int64, owner string, rest []byte, ok bool) {
	m, rest, ok := cut(data)
	return m.id, m.generation, m.owner, rest, ok
}

// MaxAnswers is how many sessions MaxStale remembers.
const MaxAnswers = maxAnswers

// Answers returns how many sessions s remembers for MaxStale.
func (s *Store) Answers() int {
	s.answers.mu.Lock()
	defer s.answers.mu.Unlock()
	return s.answers.known.Len()
}

// Len returns how many sessions and owners are on the list.
func (l *MemoryList) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions) + len(l.owners)
}

// ExpectLives lets all sessions begin as if they lived that long, so that none is
// given a longer life, and with it a new id, later.
func (s *Store) ExpectLives(life time.Duration) { s.least = spanOf(life) }

// Span returns the span of a life, and how long that is.
func Span(life time.Duration) (span int, longest time.Duration) {
	span = spanOf(life)
	return span, spanLife(span)
}
