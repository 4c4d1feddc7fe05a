package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"sessionengine/session"
)

var errClient = fmt.Errorf("%w: the client is none of go-redis's Client, ClusterClient and Ring", session.ErrMisuse)

// Count returns how many sessions there are, of all cookies and on all primaries. It
// goes through all keys of the server in small steps (SCAN), so that others are not
// held up, and is meant for operators, not for requests. Sessions that come, go or
// move between servers meanwhile may be counted or not, or twice.
func (s *Store) Count(ctx context.Context) (int64, error) {
	if err := s.begin(ctx, "count"); err != nil {
		return 0, err
	}
	var n atomic.Int64
	err := s.forEachPrimary(ctx, func(ctx context.Context, c *redis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, s.opts.Prefix+":{*}:*", 1000).Result()
			if err != nil {
				return err
			}
			lengths := make([]*redis.IntCmd, len(keys))
			if _, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i, key := range keys {
					lengths[i] = pipe.StrLen(ctx, key)
				}
				return nil
			}); err != nil {
				return err
			}
			for _, l := range lengths {
				if l.Val() >= headerLen {
					n.Add(1)
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	return n.Load(), s.failure(ctx, "count", err)
}
