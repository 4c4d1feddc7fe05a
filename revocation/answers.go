package revocation

import (
	"sync"
	"time"
)

// answers remembers for a while which sessions were found not to be over. A nil
// one remembers nothing.
//
// Its memory is bounded: what it knows is kept in two parts, and when the newer
// one is full, or so old that the older one is of no use any more, it becomes
// the older one, which is dropped.
type answers struct {
	maxStale time.Duration

	mu           sync.Mutex
	newer, older map[string]answer // by id
	since        time.Time         // of newer
	changes      uint64            // of the list, by this process
}

// answer says that a session with that mark was not over at that moment.
type answer struct {
	mark
	at time.Time
}

// question is when the list was asked.
type question struct {
	at      time.Time
	changes uint64
}

// maxAnswers is how many sessions a part holds, of about 200 bytes each.
const maxAnswers = 1 << 14

func newAnswers(maxStale time.Duration) *answers {
	if maxStale == 0 {
		return nil
	}
	return &answers{maxStale: maxStale, newer: make(map[string]answer), since: time.Now()}
}

// fresh tells whether the list has said not long ago that a session is not over.
// If not, the list has to be asked, and if it says so, add is called.
func (a *answers) fresh(m mark) (bool, question) {
	if a == nil {
		return false, question{}
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.newer[m.id]
	if !ok {
		known, ok = a.older[m.id]
	}
	return ok && known.mark == m && now.Sub(known.at) < a.maxStale, question{now, a.changes}
}

// add remembers that a session is not over, unless this process has changed the
// list since it asked.
func (a *answers) add(m mark, asked question) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked.changes != a.changes {
		return
	}
	if len(a.newer) >= maxAnswers || asked.at.Sub(a.since) >= a.maxStale {
		a.older, a.newer, a.since = a.newer, make(map[string]answer), asked.at
	}
	a.newer[m.id] = answer{m, asked.at}
}

// forget is called when this process has put a session on the list.
func (a *answers) forget(id string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	delete(a.newer, id)
	delete(a.older, id)
}

// forgetAll is called when this process has put an owner on the list.
func (a *answers) forgetAll() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	clear(a.newer)
	a.older = nil
}
