package nearcache

import "sessionengine/session"

// EngineOf returns the engine of a Store.
func EngineOf(s *Store) session.SessionStore { return s.engine }
