package redisstore

// Prefix is what the store's keys begin with.
func (s *Store) Prefix() string { return s.opts.Prefix }
