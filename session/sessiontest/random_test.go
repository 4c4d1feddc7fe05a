package sessiontest_test

import (
	"testing"

	"sessionengine/session/sessiontest"
)

var (
	memorySubject    = sessiontest.Subject{Name: "memory", New: newMemory, Features: sessiontest.MemoryFeatures()}
	statelessSubject = sessiontest.Subject{Name: "stateless", New: newStateless, Features: statelessFeatures}
)

func TestRandomOperations(t *testing.T) {
	for seed := range uint64(20) { // 0 is a random one
		sessiontest.RunRandom(t, seed, 1000, memorySubject, memorySubject, statelessSubject)
	}
}

func TestRandomOperationsInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for real seconds")
	}
	t.Parallel()
	memory := memorySubject
	memory.Features.SynctestBubble = false
	sessiontest.RunRandom(t, 1, 500, memory, statelessSubject)
}
