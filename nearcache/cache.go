package nearcache

import (
	"context"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sessionengine/internal/recent"
	"sessionengine/session"
)

// cache is what the Stores for all cookies have in common. It is cut into parts,
// so that a server's processors do not wait for each other.
type cache struct {
	maxStale time.Duration
	logger   *slog.Logger
	seed     maphash.Seed
	parts    [parts]part

	closed atomic.Bool
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

const (
	parts = 16

	// neighbours is how many counters a part has of what was forgotten. A read
	// under way is not kept if something else that shares its counter is changed
	// meanwhile, so they are some more than there are changes during a read.
	neighbours = 64
)

// part is the part of a cache for some of the keys.
type part struct {
	mu        sync.Mutex // held for a hundred nanoseconds
	entries   *recent.Cache[*entry]
	watching  bool // entries may be kept
	forgotten [neighbours]uint32

	hits, misses, changes, flushes uint64

	_ [64]byte // keeps the mutexes out of each other's cache line
}

// entry is a session that was loaded.
type entry struct {
	rec   session.Record
	until time.Time // by the monotonic clock
	wall  int64     // by the wall clock, in nanoseconds since 1970: of until, or of rec.Expires if that is sooner
}

// entryOverhead is about what an entry takes besides its texts, in bytes.
const entryOverhead = 320

// ticket is what was so when a read was sent: if the counter is another one when the
// answer arrives, the answer is not kept.
type ticket struct {
	forgotten uint32
	sent      time.Time
}

func newCache(opts Options) *cache {
	c := &cache{maxStale: opts.MaxStale, logger: opts.Logger, seed: maphash.MakeSeed()}
	for i := range c.parts {
		c.parts[i].entries = recent.New(opts.Bytes/parts, func(key string, e *entry) int {
			return entryOverhead + len(key) + len(e.rec.Data) + len(e.rec.Version) + len(e.rec.Owner) + len(e.rec.Label)
		})
	}
	return c
}

// place returns the part of a key, and its counter there.
func (c *cache) place(key string) (*part, *uint32) {
	h := maphash.String(c.seed, key)
	p := &c.parts[h%parts]
	return p, &p.forgotten[h/parts%neighbours]
}

// load returns a record of the caller's own, or nil and a ticket for store.
func (c *cache) load(key string) (*session.Record, ticket) {
	now := time.Now()
	p, forgotten := c.place(key)
	p.mu.Lock()
	e, ok := p.entries.Get(key)
	if ok && now.Before(e.until) && now.UnixNano() < e.wall {
		p.hits++
		p.mu.Unlock()
		rec := e.rec
		return &rec, ticket{}
	}
	if ok {
		p.entries.Delete(key)
	}
	p.misses++
	t := ticket{*forgotten, now}
	p.mu.Unlock()
	return nil, t
}

// store keeps what a read has found, unless it may have changed since.
func (c *cache) store(key string, t ticket, rec *session.Record) {
	until := t.sent.Add(c.maxStale)
	e := &entry{rec: *rec, until: until, wall: until.UnixNano()}
	if rec.Expires.Before(time.Unix(0, e.wall)) {
		e.wall = rec.Expires.UnixNano()
	}
	e.rec.Data = rec.Data[:len(rec.Data):len(rec.Data)]
	p, forgotten := c.place(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watching && *forgotten == t.forgotten {
		p.entries.Put(key, e)
	}
}

// forget forgets a session, also where it is being read.
func (c *cache) forget(key string) {
	p, forgotten := c.place(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	*forgotten++
	p.entries.Delete(key)
}

// changed is told by the engine.
func (c *cache) changed(key string) {
	if key == "" {
		c.flush()
		return
	}
	c.forget(key)
	p, _ := c.place(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
}

// flush forgets everything, also what is being read.
func (c *cache) flush() { c.each((*part).flush) }

func (p *part) flush() {
	p.entries.Clear()
	p.flushes++
	for i := range p.forgotten {
		p.forgotten[i]++
	}
}

// setWatching says whether entries may be kept from now on. What was read before
// is not.
func (c *cache) setWatching(watching bool) {
	c.each(func(p *part) {
		p.flush()
		p.watching = watching
	})
}

func (c *cache) each(do func(p *part)) {
	for i := range c.parts {
		p := &c.parts[i]
		p.mu.Lock()
		do(p)
		p.mu.Unlock()
	}
}

// How long it takes to watch again after a failure: twice as long each time.
const (
	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// start watches the engine, again and again, until the cache is closed.
func (c *cache) start(feed session.ChangeFeed) {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.wg.Go(func() { c.watch(ctx, feed) })
	c.wg.Go(func() {
		// What is too old to be used goes within twice that time.
		for pause(ctx, c.maxStale) {
			c.each(func(p *part) { p.entries.Age() })
		}
	})
}

func (c *cache) watch(ctx context.Context, feed session.ChangeFeed) {
	failed := false
	for wait := time.Duration(minPause); ; wait = min(2*wait, maxPause) {
		watched := false
		err := feed.Watch(ctx, c.maxStale, func() {
			c.setWatching(true)
			watched = true
			if failed {
				c.logger.Info("nearcache: changes are told again")
				failed = false
			}
		}, c.changed)
		if watched {
			c.setWatching(false)
			wait = minPause
		}
		if ctx.Err() != nil {
			return
		}
		if !failed { // the next tries fail for the same reason
			c.logger.Warn("nearcache: changes are not told; until they are, each read asks the engine", "error", err)
			failed = true
		}
		if !pause(ctx, wait/2+rand.N(wait)) {
			return
		}
	}
}

// pause waits for d, and returns false if ctx ends before that.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
