// Package recent remembers what was used of late, in bounded memory.
package recent

// Cache is a map from strings that forgets what has not been used for the
// longest time. It holds two generations: when the newer one is full it becomes
// the older one, which is dropped, and what is used moves to the newer one. It is
// not safe for concurrent use.
type Cache[V any] struct {
	max          int // size of a generation
	sizeOf       func(key string, value V) int
	newer, older map[string]V
	size         int // of newer
}

// New returns an empty Cache whose entries have up to size together, each as
// much as sizeOf says, and the same each time.
func New[V any](size int, sizeOf func(key string, value V) int) *Cache[V] {
	return &Cache[V]{max: size / 2, sizeOf: sizeOf}
}

// Get returns the value of key, if it is remembered.
func (c *Cache[V]) Get(key string) (value V, ok bool) {
	if value, ok = c.newer[key]; ok {
		return value, true
	}
	if value, ok = c.older[key]; ok {
		delete(c.older, key)
		c.Put(key, value)
	}
	return value, ok
}

// Put remembers a value, unless it is larger than half of the cache.
func (c *Cache[V]) Put(key string, value V) {
	c.Delete(key)
	size := c.sizeOf(key, value)
	if size > c.max {
		return
	}
	if c.newer == nil || c.size+size > c.max {
		c.Age()
	}
	c.newer[key] = value
	c.size += size
}

// Delete forgets key.
func (c *Cache[V]) Delete(key string) {
	if value, ok := c.newer[key]; ok {
		c.size -= c.sizeOf(key, value)
		delete(c.newer, key)
	}
	delete(c.older, key)
}

// Age forgets what has not been used since the last call, whatever its size.
func (c *Cache[V]) Age() { c.older, c.newer, c.size = c.newer, make(map[string]V), 0 }

// Clear forgets everything.
func (c *Cache[V]) Clear() { c.newer, c.older, c.size = nil, nil, 0 }

// Len returns how many values are remembered.
func (c *Cache[V]) Len() int { return len(c.newer) + len(c.older) }
