package revocation

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MemoryList is a list in the memory of the process, for a site that is one
// process. It forgets everything when the process ends: after a restart,
// sessions that were ended are back until they expire. A site that cannot have
// that needs an [SQLList], which may be an SQLite file.
//
// A session takes about 100 bytes from its end until its cookies would have
// expired. What has expired is deleted as the list grows, so that it is never much
// more than twice as large as it has to be.
//
// It is safe for concurrent use.
type MemoryList struct {
	mu       sync.RWMutex
	sessions map[string]time.Time // until when, by id
	owners   map[string]memoryOwner
	limit    int // the size at which to look for what has expired
}

type memoryOwner struct {
	Entry
	until time.Time
}

var _ List = (*MemoryList)(nil)

// minMemoryLimit is the size up to which nothing is gained by cleaning up.
const minMemoryLimit = 1024

// NewMemoryList returns an empty list.
func NewMemoryList() *MemoryList {
	return &MemoryList{
		sessions: make(map[string]time.Time),
		owners:   make(map[string]memoryOwner),
		limit:    minMemoryLimit,
	}
}

// Lookup implements [List].
func (l *MemoryList) Lookup(ctx context.Context, id, owner string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, fmt.Errorf("revocation: lookup: %w", err)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	e := l.owners[owner].Entry
	_, e.Ended = l.sessions[id]
	return e, nil
}

// End implements [List].
func (l *MemoryList) End(ctx context.Context, id string, until time.Time) (first bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("revocation: end: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.sessions[id]; ok {
		return false, nil
	}
	l.sessions[id] = until
	l.grown()
	return true, nil
}

// EndOwner implements [List].
func (l *MemoryList) EndOwner(ctx context.Context, owner string, generation int64, until time.Time) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("revocation: end owner: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.owners[owner]
	now := memoryOwner{
		Entry: Entry{Generation: max(generation, before.Generation+1)},
		until: until,
	}
	if before.until.After(until) {
		now.until = before.until
	}
	l.owners[owner] = now
	l.grown()
	return before.Generation, nil
}

// DeleteExpired implements [List].
func (l *MemoryList) DeleteExpired(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("revocation: delete expired: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deleteExpired(), nil
}

// grown is called after something was put on the list. The caller holds l.mu.
func (l *MemoryList) grown() {
	if len(l.sessions)+len(l.owners) >= l.limit {
		l.deleteExpired()
	}
}

// deleteExpired is DeleteExpired. The caller holds l.mu.
func (l *MemoryList) deleteExpired() (n int64) {
	now := time.Now()
	for id, until := range l.sessions {
		if !now.Before(until) {
			delete(l.sessions, id)
			n++
		}
	}
	for owner, o := range l.owners {
		if !now.Before(o.until) {
			delete(l.owners, owner)
			n++
		}
	}
	l.limit = max(minMemoryLimit, 2*(len(l.sessions)+len(l.owners)))
	return n
}
