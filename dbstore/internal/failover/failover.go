// Package failover empties a pool of connections whose server no longer serves:
// one that has become a replica, has left its cluster or shuts down.
package failover

import (
	"sync"
	"time"
)

// maxRate is how often a pool is emptied at most, for a server that stays as it
// is.
const maxRate = time.Second

// Pool counts how often a pool of connections was to be emptied. A connection
// keeps the count of when it was made, and is closed instead of being used
// again once the count is another. It is safe for concurrent use; the zero
// value is ready for use.
type Pool struct {
	mu      sync.Mutex
	count   int
	emptied time.Time
}

// Count returns the present count.
func (p *Pool) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Empty says that a connection with that count has turned out useless, and that
// those of the same age are not to be used again. The caller closes the
// connection itself.
func (p *Pool) Empty(count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); count == p.count && now.Sub(p.emptied) >= maxRate {
		p.count++
		p.emptied = now
	}
}
