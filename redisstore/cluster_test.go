package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
	"sessionengine/session"
)

// A crowd are visitors who use their sessions all the time, each of them one after
// the other: they log in, count, renew, log out.
type crowd struct {
	store *redisstore.Store
	stop  atomic.Bool
	saved atomic.Int64 // acknowledged changes
	all   sync.WaitGroup

	mu    sync.Mutex
	errs  map[string]int // errors, and how many
	ended []string       // tokens that are dead, as was acknowledged

	lost   atomic.Int64 // sessions with acknowledged changes that are not there
	undead atomic.Int64 // sessions that are there after their acknowledged end
}

func counted(n int) *session.Record {
	data := []byte(`{"n":` + strconv.Itoa(n) + `}`)
	return &session.Record{Data: data, Expires: time.Now().Add(time.Hour), Owner: "user"}
}

// gather begins.
func gather(t *testing.T, store *redisstore.Store, visitors int) *crowd {
	c := &crowd{store: store, errs: make(map[string]int)}
	for range visitors {
		c.all.Go(func() {
			for !c.stop.Load() {
				c.visit(t)
			}
		})
	}
	return c
}

// failed notes an error, and reports whether there was one.
func (c *crowd) failed(err error) bool {
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs[err.Error()]++
	}
	return err != nil
}

// visit is the life of one session. After an error nobody knows whether a save was
// done, so that between floor, which was acknowledged, and top all is right.
func (c *crowd) visit(t *testing.T) {
	ctx := context.Background()
	token, err := c.store.Save(ctx, "", counted(0))
	if c.failed(err) {
		return
	}
	c.saved.Add(1)
	floor, top := 0, 0
	for i := range 20 {
		rec, err := c.load(t, token)
		if err != nil {
			c.failed(err)
			c.lost.Add(1)
			return
		}
		var is struct{ N int }
		if json.Unmarshal(rec.Data, &is); is.N < floor || is.N > top {
			c.lost.Add(1)
			return
		}
		next := counted(is.N + 1)
		next.Version = rec.Version
		if i%5 == 4 {
			newToken, err := c.store.Renew(ctx, token, next)
			if c.failed(err) {
				return // the new token may be the one, which nobody knows
			}
			c.gone(t, token)
			token = newToken
		} else if _, err = c.store.Save(ctx, token, next); c.failed(err) {
			top = max(top, is.N+1)
			continue
		}
		floor, top = is.N+1, is.N+1
		c.saved.Add(1)
	}
	if !c.failed(c.store.Delete(ctx, token)) {
		c.saved.Add(1)
		c.gone(t, token)
	}
}

// load waits until the store can be read.
func (c *crowd) load(t *testing.T, token string) (*session.Record, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		rec, err := c.store.Load(context.Background(), token)
		if err == nil || errors.Is(err, session.ErrNotFound) {
			return rec, err
		}
		c.failed(err)
		if time.Now().After(deadline) {
			t.Errorf("the store does not recover: %v", err)
			return nil, err
		}
	}
}

// gone checks that a token is dead, and has it checked again at the end.
func (c *crowd) gone(t *testing.T, token string) {
	if _, err := c.load(t, token); err == nil {
		c.undead.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, token)
}

// leave ends it, and logs what it has seen.
func (c *crowd) leave(t *testing.T) {
	c.stop.Store(true)
	c.all.Wait()
	for _, token := range c.ended {
		if _, err := c.load(t, token); err == nil {
			c.undead.Add(1)
		}
	}
	t.Logf("%d acknowledged changes, %d lost; %d sessions ended, %d of them back", c.saved.Load(), c.lost.Load(),
		len(c.ended), c.undead.Load())
	for text, n := range c.errs {
		t.Logf("%d × %s", n, text)
	}
}

// clusters are the clusters of a run.
func clusters() map[string]*testserver.RedisGroup {
	if testing.Short() {
		return map[string]*testserver.RedisGroup{"Redis": cluster}
	}
	return map[string]*testserver.RedisGroup{"Redis": cluster, "Valkey": valkeyCluster}
}

// moves is how many slots are moved.
const moves = 20

// While a slot is moved, its keys are on two nodes.
func TestASlotIsMovedUnderLoad(t *testing.T) {
	for name, group := range clusters() {
		for _, opts := range []redisstore.Options{{}, {Owners: true}, {WaitReplicas: 1}} {
			t.Run(fmt.Sprintf("%s/owners=%v,wait=%d", name, opts.Owners, opts.WaitReplicas), func(t *testing.T) {
				store := open(t, group.Start(t).URL, opts)
				c := gather(t, store, 16)
				for range moves {
					key := c.someKey(t)
					group.MoveSlot(t, key, group.Other(t, key), func() { time.Sleep(10 * time.Millisecond) })
				}
				c.leave(t)
				if c.lost.Load() > 0 || c.undead.Load() > 0 || len(c.errs) > 0 {
					t.Error("moving slots was noticed")
				}
			})
		}
	}
}

// someKey returns a key that is there, one of an owner if there is any.
func (c *crowd) someKey(t *testing.T) (found string) {
	t.Helper()
	var mu sync.Mutex
	for found == "" {
		if err := c.store.Client().(*redis.ClusterClient).ForEachMaster(t.Context(), func(ctx context.Context,
			node *redis.Client) error {
			keys, _, err := node.Scan(ctx, 0, c.store.Prefix()+":*", 1000).Result()
			mu.Lock()
			defer mu.Unlock()
			for _, key := range keys {
				if found == "" || strings.Contains(key, ":o:") {
					found = key
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return found
}
