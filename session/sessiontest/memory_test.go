package sessiontest_test

import (
	"testing"

	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func newMemory(*testing.T) session.SessionStore { return sessiontest.NewMemory() }

func TestMemory(t *testing.T) {
	sessiontest.Run(t, newMemory, sessiontest.MemoryFeatures())
}

// TestMemoryInRealTime shows that the suite works for stores that cannot be in
// a synctest bubble.
func TestMemoryInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for real seconds")
	}
	t.Parallel()
	f := sessiontest.MemoryFeatures()
	f.SynctestBubble, f.Parallel = false, true
	sessiontest.Run(t, newMemory, f)
}

func BenchmarkMemory(b *testing.B) {
	sessiontest.RunBenchmarks(b, func(*testing.B) session.SessionStore { return sessiontest.NewMemory() })
}
