package dbstore

// Waiting returns how many writes wait in the store's queue.
func (s *Store) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

// DoNotShare has writes wait for a connection each.
func (s *Store) DoNotShare() { s.db.Write = nil }
