package signedcookie

import (
	"strings"
	"sync"
	"time"

	"sessionengine/internal/recent"
	"sessionengine/session"
)

// cache remembers cookies that were verified a moment ago. A nil cache remembers
// none.
//
// It is a map from the exact value to what the value holds, so that a hit says
// nothing but what verifying it again would say. The data that it holds is shared
// with everybody who loads it, since nobody writes to it (see [session.Record]).
// What it holds is bounded in bytes.
type cache struct {
	bytes int

	mu      sync.Mutex // held for a hundred nanoseconds
	cookies *recent.Cache[cacheEntry]
}

type cacheEntry struct {
	data    []byte
	expires time.Time
}

// entryOverhead is about what an entry takes besides its strings.
const entryOverhead = 128

func newCache(bytes int) *cache {
	if bytes < 0 {
		return nil
	}
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	return &cache{bytes: bytes, cookies: recent.New(bytes, func(token string, e cacheEntry) int {
		return entryOverhead + len(token) + len(e.data)
	})}
}

// empty returns an empty cache of the same size.
func (c *cache) empty() *cache {
	if c == nil {
		return nil
	}
	return newCache(c.bytes)
}

// load returns a record of the caller's own, which may be expired, or nil.
func (c *cache) load(token string) *session.Record {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	e, ok := c.cookies.Get(token)
	c.mu.Unlock()
	if !ok {
		return nil
	}
	return &session.Record{Data: e.data, Expires: e.expires}
}

// store remembers what a token holds. It keeps data.
func (c *cache) store(token string, data []byte, expires time.Time) {
	if c == nil {
		return
	}
	// A clone, since token is part of a request's header, which it would keep in
	// memory as a whole.
	token = strings.Clone(token)
	e := cacheEntry{data, expires}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cookies.Put(token, e)
}
