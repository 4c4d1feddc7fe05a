package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sessionengine/redisstore"
	"sessionengine/session"
)

// The sessions of an owner are on all nodes of a cluster, and the index is on one.
func TestAllNodesOfAClusterAreAsked(t *testing.T) {
	t.Parallel()
	group := cluster.Start(t)
	store := open(t, group.URL, redisstore.Options{Owners: true})
	ctx := t.Context()
	const sessions = 30
	nodes := make(map[string]int)
	var tokens []string
	for range sessions {
		token, err := store.Save(ctx, "", counted(1))
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
		nodes[group.Primary(t, store.Key(token)).Addr]++
	}
	if len(nodes) != 3 {
		t.Fatalf("the sessions are on %d nodes", len(nodes))
	}
	if n, err := store.Count(ctx); n != sessions || err != nil {
		t.Errorf("Count: %d, %v; want %d", n, err, sessions)
	}
	if page, _, err := store.Sessions(ctx, "user", tokens[0], "", 0); len(page) != sessions || err != nil {
		t.Errorf("Sessions: %d, %v; want %d", len(page), err, sessions)
	}
	kept, err := store.EndOtherSessions(ctx, "user", tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	if n, err := store.Count(ctx); n != 1 || err != nil {
		t.Errorf("Count after the others were ended: %d, %v", n, err)
	}
	if _, err := store.Load(ctx, kept); err != nil {
		t.Errorf("the session that was kept: %v", err)
	}
	if n, err := store.EndSessions(ctx, "user"); n != 1 || err != nil {
		t.Errorf("EndSessions: %d, %v", n, err)
	}
}

// A list and a logout while the slots of the owner and of its sessions are moved.
func TestOwnersWhileTheirSlotsAreMoved(t *testing.T) {
	group := cluster.Start(t)
	store := open(t, group.URL, redisstore.Options{Owners: true})
	ctx := t.Context()
	var tokens []string
	for range 5 {
		token, err := store.Save(ctx, "", counted(1))
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			page, _, err := store.Sessions(ctx, "user", tokens[0], "", 0)
			if err != nil || len(page) != len(tokens) {
				t.Errorf("Sessions: %d, %v", len(page), err)
			}
		}
	}()
	pause := func() { time.Sleep(10 * time.Millisecond) }
	for range 2 {
		for _, token := range tokens {
			group.MoveSlot(t, store.Key(token), group.Other(t, store.Key(token)), pause)
		}
	}
	close(stop)
	<-stopped
	ended := make(chan error)
	go func() {
		_, err := store.EndSessions(ctx, "user")
		ended <- err
	}()
	for _, token := range tokens {
		group.MoveSlot(t, store.Key(token), group.Other(t, store.Key(token)), pause)
	}
	if err := <-ended; err != nil {
		t.Errorf("EndSessions: %v", err)
	}
	for _, token := range tokens {
		if _, err := store.Load(ctx, token); err != session.ErrNotFound {
			t.Errorf("Load of a session that was ended: %v", err)
		}
	}
}

// What a client reads from a replica may be old: the operator is told.
func TestCheckWarnsOfClientsThatReadFromReplicas(t *testing.T) {
	t.Parallel()
	group := cluster.Start(t)
	for _, tc := range []struct {
		name string
		opts redis.ClusterOptions
		want bool
	}{
		{"ReadOnly", redis.ClusterOptions{ReadOnly: true}, true},
		{"RouteByLatency", redis.ClusterOptions{RouteByLatency: true}, true},
		{"RouteRandomly", redis.ClusterOptions{RouteRandomly: true}, true},
		{"primaries only", redis.ClusterOptions{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, s := range group.Nodes {
				tc.opts.Addrs = append(tc.opts.Addrs, s.Addr)
			}
			client := redis.NewClusterClient(&tc.opts)
			defer client.Close()
			store, err := redisstore.New(client, redisstore.Options{Prefix: prefix(t), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			found, err := store.Check(t.Context())
			if err != nil || mentions(found, "reads from replicas") != tc.want {
				t.Errorf("Check: %v, %v; it warns: want %v", found, err, tc.want)
			}
		})
	}
	t.Run("a replica by itself", func(t *testing.T) {
		primary := group.Primary(t, "key")
		for _, s := range group.Nodes {
			if s == primary {
				continue
			}
			store, err := redisstore.New(s.Client(t), redisstore.Options{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			found, err := store.Check(t.Context())
			if err != nil || !mentions(found, "not one for it") {
				t.Errorf("Check of one node of a cluster: %v, %v", found, err)
			}
		}
	})
	if found, err := open(t, sentinel.Start(t).URL, redisstore.Options{Logger: quiet}).Check(t.Context()); err != nil ||
		mentions(found, "replica") {
		t.Errorf("Check behind Sentinel: %v, %v", fmt.Sprint(found), err)
	}
}
