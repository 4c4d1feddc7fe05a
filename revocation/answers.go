package revocation

import (
	"sync"
	"time"

	"sessionengine/internal/recent"
)

// answers remembers for a while which sessions were found not to be ended. A nil
// one remembers nothing.
type answers struct {
	maxStale time.Duration

	mu      sync.Mutex
	known   *recent.Cache[answer] // by id
	changes uint64                // of the list, by this process
}

// answer says that a session with that mark had not ended at that moment.
type answer struct {
	mark
	at time.Time
}

// question is when the list was asked.
type question struct {
	at      time.Time
	changes uint64
}

// maxAnswers is how many sessions are remembered, of about 200 bytes each.
const maxAnswers = 1 << 15

func newAnswers(maxStale time.Duration) *answers {
	if maxStale == 0 {
		return nil
	}
	return &answers{maxStale: maxStale, known: recent.New(maxAnswers, func(string, answer) int { return 1 })}
}

// fresh reports whether the list has said not long ago that a session has not
// ended. If not, the list has to be asked, and if it says so, add is called.
func (a *answers) fresh(m mark) (bool, question) {
	if a == nil {
		return false, question{}
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.known.Get(m.id)
	return ok && known.mark == m && now.Sub(known.at) < a.maxStale, question{now, a.changes}
}

// add remembers that a session has not ended, unless this process has changed the
// list since it asked.
func (a *answers) add(m mark, asked question) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked.changes == a.changes {
		a.known.Put(m.id, answer{m, asked.at})
	}
}

// forget is called when this process has put a session on the list.
func (a *answers) forget(id string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	a.known.Delete(id)
}

// forgetAll is called when this process has put an owner on the list.
func (a *answers) forgetAll() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	a.known.Clear()
}
