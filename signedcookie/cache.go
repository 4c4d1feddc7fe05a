package signedcookie

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"sessionengine/session"
)

// cache remembers cookies that were verified a moment ago. A nil cache remembers
// none.
//
// It is a map from the exact value to what the value holds, so that a hit says
// nothing but what verifying it again would say. It holds copies and gives
// copies. What it holds is bounded in bytes: entries are kept in two generations,
// and when the newer one is full it becomes the older one, which is dropped.
// What is used meanwhile moves to the newer one again.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
	max    int // bytes in a generation of a shard
}

// Locks are held for a hundred nanoseconds, and shared by so many.
const cacheShards = 8

type cacheShard struct {
	mu         sync.Mutex
	newer      map[string]cacheEntry
	older      map[string]cacheEntry
	newerBytes int
	_          [64]byte // locks of their own cache lines
}

type cacheEntry struct {
	data    string
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
	return &cache{seed: maphash.MakeSeed(), max: bytes / (2 * cacheShards)}
}

// empty returns an empty cache of the same size.
func (c *cache) empty() *cache {
	if c == nil {
		return nil
	}
	return &cache{seed: maphash.MakeSeed(), max: c.max}
}

func (c *cache) shard(token string) *cacheShard {
	return &c.shards[maphash.String(c.seed, token)%cacheShards]
}

// load returns a record of the caller's own, which may be expired, or nil.
func (c *cache) load(token string) *session.Record {
	if c == nil {
		return nil
	}
	sh := c.shard(token)
	sh.mu.Lock()
	e, ok := sh.newer[token]
	if !ok {
		if e, ok = sh.older[token]; ok {
			c.add(sh, token, e)
		}
	}
	sh.mu.Unlock()
	if !ok {
		return nil
	}
	return &session.Record{Data: []byte(e.data), Expires: e.expires}
}

// store remembers what a token holds.
func (c *cache) store(token string, data []byte, expires time.Time) {
	if c == nil || entryOverhead+len(token)+len(data) > c.max {
		return
	}
	// A clone, since token is part of a request's header, which it would keep in
	// memory as a whole.
	token = strings.Clone(token)
	e := cacheEntry{data: string(data), expires: expires}
	sh := c.shard(token)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ok := sh.newer[token]; !ok {
		c.add(sh, token, e)
	}
}

// add puts an entry into the newer generation. The shard is locked, and the
// token not in that generation.
func (c *cache) add(sh *cacheShard, token string, e cacheEntry) {
	size := entryOverhead + len(token) + len(e.data)
	if sh.newer == nil || sh.newerBytes+size > c.max {
		sh.older, sh.newer, sh.newerBytes = sh.newer, make(map[string]cacheEntry), 0
	}
	sh.newer[token] = e
	sh.newerBytes += size
}
