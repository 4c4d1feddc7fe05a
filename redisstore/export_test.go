package redisstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Prefix is what the store's keys begin with.
func (s *Store) Prefix() string { return s.opts.Prefix }

// Key is the key of a token's session.
func (s *Store) Key(token string) string {
	key, _ := s.key(token)
	return key
}

// Client is the store's client.
func (s *Store) Client() redis.UniversalClient { return s.client }

// Indexed is how many members an owner's index has.
func (s *Store) Indexed(t testing.TB, owner string) int64 {
	t.Helper()
	n, err := s.client.ZCard(context.Background(), s.ownerKeys(ownerHash(owner))[0]).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Members returns how many members an owner's index has whose session is there, and
// how many have none.
func (s *Store) Members(t testing.TB, owner string) (living, orphans int) {
	t.Helper()
	ctx := context.Background()
	all, err := s.client.ZRange(ctx, s.ownerKeys(ownerHash(owner))[0], 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		key, ok := s.keyOf(m)
		if !ok {
			continue // the mark of a session that was ended
		}
		value, _ := s.client.Get(ctx, key).Bytes()
		if is, _, ok := parseValue(value); ok && is.owner == ownerHash(owner) {
			living++
		} else {
			orphans++
		}
	}
	return living, orphans
}

// IndexLife is how long an owner's index is to live.
func (s *Store) IndexLife(t testing.TB, owner string) time.Duration {
	t.Helper()
	life, err := s.client.PTTL(context.Background(), s.ownerKeys(ownerHash(owner))[0]).Result()
	if err != nil {
		t.Fatal(err)
	}
	return life
}

// WithoutTTL is how many of the store's keys have no expiry.
func (s *Store) WithoutTTL(t testing.TB) int64 {
	t.Helper()
	var n atomic.Int64
	s.each(t, func(ctx context.Context, c *redis.Client, key string) {
		if life := c.PTTL(ctx, key).Val(); life == -1 {
			n.Add(1)
		}
	})
	return n.Load()
}

// Owned is how many sessions each of the owners has, whatever the index says.
func (s *Store) Owned(t testing.TB, owners ...string) map[string]int {
	t.Helper()
	byHash := make(map[string]int)
	var mu sync.Mutex
	s.each(t, func(ctx context.Context, c *redis.Client, key string) {
		value, _ := c.Get(ctx, key).Bytes()
		if is, _, ok := parseValue(value); ok {
			mu.Lock()
			byHash[is.owner]++
			mu.Unlock()
		}
	})
	all := make(map[string]int)
	for _, owner := range owners {
		all[owner] = byHash[ownerHash(owner)]
	}
	return all
}

// each calls f for each of the store's keys.
func (s *Store) each(t testing.TB, f func(ctx context.Context, c *redis.Client, key string)) {
	t.Helper()
	err := s.forEachPrimary(context.Background(), func(ctx context.Context, c *redis.Client) error {
		// SCAN may name a key twice (https://redis.io/docs/latest/commands/scan/#scan-guarantees).
		seen := make(map[string]bool)
		keys := c.Scan(ctx, 0, s.opts.Prefix+":*", 1000).Iterator()
		for keys.Next(ctx) {
			if !seen[keys.Val()] {
				seen[keys.Val()] = true
				f(ctx, c, keys.Val())
			}
		}
		return keys.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}
