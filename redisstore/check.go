package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Finding is something that an operator should know of a server.
type Finding struct {
	Server string // its address, as host:port; empty for what concerns all of them
	Text   string // what there is, what it leads to, and what to do
}

// Check asks the server, or all primaries of a Cluster, for what would lose sessions:
// an eviction policy, a version that is too old, a replica in the place of a primary, a
// Cluster that does not serve all slots, memory only. It logs what it finds as
// warnings to [Options.Logger], and returns it. It is meant for a program's start.
//
// It asks for INFO, TIME and a script that does nothing, not for CONFIG. What a
// managed service forbids is left out, and that is a finding too, no error. An error
// says that a server cannot be reached.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	if err := s.begin(ctx, "check"); err != nil {
		return nil, err
	}
	var all []Finding
	if c, ok := s.client.(*redis.ClusterClient); ok {
		if c.Options().ReadOnly {
			all = append(all, Finding{"", "the client reads from replicas, which lag behind: a visitor may be logged out" +
				" right after logging in; leave ReadOnly, RouteByLatency and RouteRandomly off"})
		}
		info, err := c.ClusterInfo(ctx).Result()
		if err == nil && fields(info)["cluster_state"] != "ok" {
			all = append(all, Finding{"", "the cluster does not serve all slots: some of the sessions fail;" +
				" see redis-cli --cluster check"})
		}
	}
	var mu sync.Mutex
	err := s.forEachPrimary(ctx, func(ctx context.Context, c *redis.Client) error {
		found, err := s.checkServer(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		for _, text := range found {
			all = append(all, Finding{c.Options().Addr, text})
		}
		return err
	})
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.Server, b.Server) })
	for _, f := range all {
		s.opts.Logger.WarnContext(ctx, "redisstore: "+f.Text, "server", f.Server)
	}
	return all, s.failure(ctx, "check", err)
}

// checkServer checks one primary.
func (s *shared) checkServer(ctx context.Context, c *redis.Client) (found []string, err error) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if err := c.Ping(ctx).Err(); err != nil {
		return nil, err
	}
	if c.Eval(ctx, "return 1", nil).Err() != nil {
		add("the server refuses scripts (EVAL, EVALSHA): no session can be saved; allow them in its access list")
	}
	before := time.Now()
	if t, err := c.Time(ctx).Result(); err == nil && (t.Sub(before).Abs() > time.Minute+time.Since(before)) {
		add("the server's clock differs from this machine's by %v: sessions live as they should nevertheless",
			t.Sub(before).Round(time.Second))
	}
	text, err := c.Info(ctx).Result()
	if err != nil {
		add("the server refuses INFO, so that its settings cannot be checked: maxmemory-policy has to be noeviction")
		return found, nil
	}
	info := fields(text)
	name, version, least := "Redis", info["redis_version"], 7
	if v := info["valkey_version"]; v != "" {
		name, version, least = "Valkey", v, 8
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < least {
		add("%s %s is older than what this package is tested with and needs: %s %d", name, version, name, least)
	}
	switch policy := info["maxmemory_policy"]; policy {
	case "", "noeviction":
		if s := info["maxmemory"]; s == "0" && policy != "" {
			add("maxmemory is not set: the system may end the server when memory runs out;" +
				" set it to what the sessions may take")
		}
	default:
		add("maxmemory-policy is %s: the server drops sessions when memory is short, and logs visitors out;"+
			" set it to noeviction", policy)
	}
	if n, _ := strconv.ParseInt(info["evicted_keys"], 10, 64); n > 0 {
		add("the server has dropped %d keys for lack of memory; give it more (maxmemory)", n)
	}
	if info["role"] == "slave" {
		add("the server is a replica: no session can be saved; connect to the primary")
	} else if n, err := strconv.Atoi(info["connected_slaves"]); err == nil && n < s.opts.WaitReplicas {
		add("the server has %d replicas, and WaitReplicas is %d: every save fails", n, s.opts.WaitReplicas)
	}
	if _, ok := s.client.(*redis.Client); ok && info["cluster_enabled"] == "1" {
		add("the server is one of a Cluster, and the client not one for it: most operations fail;" +
			" open it as redis+cluster://, or use redis.NewClusterClient")
	}
	if info["aof_enabled"] == "0" {
		add("the server keeps no log of changes (appendonly): a restart loses the sessions saved since its last" +
			" snapshot, if there are snapshots, and brings back those that were ended since")
	}
	return found, nil
}

// fields reads what INFO and CLUSTER INFO answer
// (https://redis.io/docs/latest/commands/info/).
func fields(text string) map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all
}

// forEachPrimary calls f for the server, or for each primary of a Cluster, and there
// for several at once.
func (s *shared) forEachPrimary(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, f)
	case *redis.Ring:
		return c.ForEachShard(ctx, f)
	case *redis.Client:
		return f(ctx, c)
	}
	return errClient
}
