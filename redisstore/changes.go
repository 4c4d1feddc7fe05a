package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"sessionengine/session"
)

// Changes implements [session.ChangeTeller] by the server's help for client-side
// caching (CLIENT TRACKING in broadcasting mode, see
// https://redis.io/docs/latest/develop/reference/client-side-caching/): on a
// connection of its own to the server, or to each primary of a Cluster. The client
// is used as it is for all else.
//
// Each change of a session on a primary sends its key to each process that watches,
// whether that knows the session or not: some 100 bytes. The server keeps no table
// of who has read what.
//
// A user with an access list needs the commands CLIENT, INFO, SUBSCRIBE and PING and
// the channel __redis__:invalidate besides what the store needs. A client that reads
// from replicas gives an error that matches [errors.ErrUnsupported]: what a replica
// has may be older than what was told.
func (s *Store) Changes() (session.ChangeFeed, error) {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		if c.Options().ReadOnly {
			return session.ChangeFeed{}, fmt.Errorf("redisstore: %w: %w: the client reads from replicas; leave ReadOnly,"+
				" RouteByLatency and RouteRandomly off", session.ErrMisuse, errors.ErrUnsupported)
		}
	case *redis.Client, *redis.Ring:
	default:
		return session.ChangeFeed{}, fmt.Errorf("redisstore: %w: %w", errors.ErrUnsupported, errClient)
	}
	return session.ChangeFeed{Key: s.key, Watch: s.watch}, nil
}

// The least and the longest time between two looks at whether a connection lives.
const (
	minBeat = 300 * time.Millisecond
	maxBeat = 2 * time.Second
)

var (
	errMoved = errors.New("the primary has changed, or slots have moved")
	errLost  = errors.New("the connection was lost")
)

// watch is the Watch of a [session.ChangeFeed].
func (s *shared) watch(ctx context.Context, within time.Duration, ready func(), changed func(key string)) error {
	beat := min(max(within/3, minBeat), maxBeat)
	before, err := s.look(ctx, beat)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	watching := false
	subscribed := make(chan struct{}, len(before.primaries))
	for run, c := range before.primaries {
		wg.Go(func() {
			cancel(s.track(ctx, c, run, beat, func() { subscribed <- struct{}{} }, func(key string) {
				mu.Lock()
				defer mu.Unlock()
				if watching {
					changed(key)
				}
			}))
		})
	}
	for range before.primaries {
		select {
		case <-subscribed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for {
		now, err := s.look(ctx, beat)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case now.text != before.text:
			return s.failure(ctx, "watch", errMoved)
		}
		mu.Lock()
		if !watching {
			ready()
			watching = true
		}
		mu.Unlock()
		select {
		case <-time.After(beat):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// view is who has the sessions, as the client sees it.
type view struct {
	primaries map[string]*redis.Client // by the run_id of the server's process
	text      string                   // the same, with the slots of a Cluster
}

func (s *shared) look(ctx context.Context, timeout time.Duration) (view, error) {
	if err := s.begin(ctx, "watch"); err != nil {
		return view{}, err
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	var lines []string
	if c, ok := s.client.(*redis.ClusterClient); ok {
		shards, err := c.ClusterShards(ctx).Result()
		if err != nil {
			return view{}, s.failure(ctx, "watch", err)
		}
		for _, shard := range shards {
			for _, node := range shard.Nodes {
				if node.Role == "master" {
					lines = append(lines, fmt.Sprint(shard.Slots, node.ID))
				}
			}
		}
		c.ReloadState(ctx)
	}
	v := view{primaries: make(map[string]*redis.Client)}
	var mu sync.Mutex
	err := s.forEachPrimary(ctx, func(ctx context.Context, c *redis.Client) error {
		run, err := runOf(ctx, c)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			v.primaries[run] = c
			lines = append(lines, run)
		}
		return err
	})
	slices.Sort(lines)
	v.text = strings.Join(lines, "\n")
	return v, s.failure(ctx, "watch", err)
}

// runOf returns the run_id of a primary: no two processes have the same.
func runOf(ctx context.Context, c interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}) (string, error) {
	text, err := c.Info(ctx, "server", "replication").Result()
	if err != nil {
		return "", err
	}
	info := fields(text)
	if info["role"] != "master" || info["run_id"] == "" {
		return "", errMoved
	}
	return info["run_id"], nil
}

// invalidate is the channel that keys are told on.
const invalidate = "__redis__:invalidate"

// track reports the keys that change on one primary, until the connection is lost or
// ctx ends.
func (s *shared) track(ctx context.Context, c *redis.Client, run string, beat time.Duration, subscribed func(),
	changed func(key string)) error {
	opts := *c.Options()
	opts.Protocol = 2 // in which keys come as messages of a channel
	opts.MinIdleConns = 0
	opts.ClientSideCache, opts.ClientSideCacheConfig = nil, nil
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	connect, connected := opts.OnConnect, false
	opts.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		if connected { // go-redis would go on, and nobody would learn of what was missed
			return errLost
		}
		if connect != nil {
			if err := connect(ctx, conn); err != nil {
				return err
			}
		}
		connected = true
		if here, err := runOf(ctx, conn); err != nil || here != run {
			return cmp.Or(err, errMoved)
		}
		id, err := conn.ClientID(ctx).Result()
		if err != nil {
			return err
		}
		return conn.Do(ctx, "client", "tracking", "on", "redirect", id, "bcast", "prefix", s.opts.Prefix+":{").Err()
	}
	own := redis.NewClient(&opts)
	defer own.Close()
	sub := own.Subscribe(ctx)
	defer sub.Close()
	if err := sub.Subscribe(ctx, invalidate); err != nil {
		return s.failure(ctx, "watch", err)
	}
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	pinging, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		for {
			select {
			case <-time.After(beat):
			case <-pinging.Done():
				return
			}
			if err := sub.Ping(pinging); err != nil {
				sub.Close()
				return
			}
		}
	})
	for {
		message, err := sub.ReceiveTimeout(ctx, 2*beat) // longer than between two answers to PING
		if errors.Is(err, redis.ErrClosed) {
			err = errLost
		}
		if err != nil {
			return s.failure(ctx, "watch", err)
		}
		switch m := message.(type) {
		case *redis.Subscription:
			subscribed()
		case *redis.Message:
			for _, key := range m.PayloadSlice {
				changed(key)
			}
		}
	}
}
