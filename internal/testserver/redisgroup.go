package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A RedisGroup is several servers of Redis or Valkey that belong together: a
// primary with replicas that sentinels watch, or a cluster.
type RedisGroup struct {
	// URL is what redisstore opens. It is empty until the group has been started.
	URL string

	// Nodes hold the data. The primaries of a new group come first.
	Nodes []*Server

	// Sentinels are empty in a cluster.
	Sentinels []*Server

	once    sync.Once
	err     error
	join    func(ctx context.Context) error // once all servers run
	settled func(ctx context.Context) error // an error as long as they do not agree on who is what
	primary func(ctx context.Context, of *redis.Client, key string) (addr string, err error)
}

const (
	// primaries is how many primaries a cluster has, and how many replicas.
	primaries = 3

	// slots is how many slots a cluster has
	// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
	slots = 16384

	// watched is what the sentinels call the primary.
	watched = "mymaster"
)

// RedisCluster returns a cluster of three primaries and three replicas that has
// not been started yet. It takes a replica for a primary after 5 seconds without an
// answer, unless the settings have another cluster-node-timeout, in milliseconds.
func RedisCluster(settings ...string) *RedisGroup { return redis7.cluster(settings) }

// ValkeyCluster is like [RedisCluster] for Valkey 8.
func ValkeyCluster(settings ...string) *RedisGroup { return valkey8.cluster(settings) }

// RedisSentinel returns a primary with two replicas that three sentinels watch,
// not started yet. They replace a primary that has not answered for 2 seconds.
func RedisSentinel(settings ...string) *RedisGroup { return redis7.sentinel(settings) }

// ValkeySentinel is like [RedisSentinel] for Valkey 8.
func ValkeySentinel(settings ...string) *RedisGroup { return valkey8.sentinel(settings) }

// Servers returns all servers of the group, for [Main].
func (g *RedisGroup) Servers() []*Server {
	return append(append([]*Server(nil), g.Nodes...), g.Sentinels...)
}

// Start starts all servers of the group, unless they are running, and waits until
// they have found each other. It returns g. See [Server.Start].
func (g *RedisGroup) Start(t testing.TB) *RedisGroup {
	t.Helper()
	g.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		for _, some := range [][]*Server{g.Nodes[:1], g.Nodes[1:], g.Sentinels} {
			if g.err == nil {
				g.err = startAll(some)
			}
		}
		if g.err == nil {
			g.err = g.join(ctx)
		}
		if g.err == nil {
			g.err = until(ctx, func() error { return g.settled(ctx) })
		}
	})
	failOrSkip(t, g.err)
	return g
}

// Client returns a client for one of the servers, closed at the test's end.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := clientOf(s)
	t.Cleanup(func() { c.Close() })
	return c
}

// clientOf does not repeat commands, so that a server which is down is noticed.
func clientOf(s *Server) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialTimeout: time.Second})
}

// with calls f with a client for the server.
func with(s *Server, f func(c *redis.Client) error) error {
	c := clientOf(s)
	defer c.Close()
	return f(c)
}

// startAll starts servers at once.
func startAll(servers []*Server) error {
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			s.once.Do(func() { s.err = s.first() })
			errs[i] = s.err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// until calls f again and again until it gives no error.
func until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Settle waits until the servers agree on who is what, and each replica is
// connected, as after a failover once the server that was killed is back.
func (g *RedisGroup) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := until(ctx, func() error { return g.settled(ctx) }); err != nil {
		t.Fatal(err)
	}
}

// Primary returns the server to which a key is written now, as those servers say
// that answer.
func (g *RedisGroup) Primary(t testing.TB, key string) *Server {
	t.Helper()
	asked := g.Sentinels
	if len(asked) == 0 {
		asked = g.Nodes
	}
	var err error
	for _, s := range asked {
		var addr string
		if err = with(s, func(c *redis.Client) (err error) {
			addr, err = g.primary(t.Context(), c, key)
			return err
		}); err != nil {
			continue
		}
		for _, s := range g.Nodes {
			if s.Addr == addr {
				return s
			}
		}
		err = fmt.Errorf("the primary %s is none of ours", addr)
	}
	t.Fatal(err)
	return nil
}

// Other returns another primary of a cluster than that of a key.
func (g *RedisGroup) Other(t testing.TB, key string) *Server {
	t.Helper()
	primary := g.Primary(t, key)
	for i := 0; ; i++ {
		if other := g.Primary(t, fmt.Sprint(i)); other != primary {
			return other
		}
	}
}

// Fail kills the primary of a key, and waits until a replica has taken its place.
func (g *RedisGroup) Fail(t testing.TB, key string) (killed *Server) {
	t.Helper()
	killed = g.Primary(t, key)
	killed.Kill(t)
	for deadline := time.Now().Add(startTimeout); g.Primary(t, key) == killed; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no replica takes the place of the primary")
		}
	}
	return killed
}

func (k redisKind) cluster(settings []string) *RedisGroup {
	g := new(RedisGroup)
	for range 2 * primaries {
		// The nodes talk to each other on a second port, by default 10000 above the
		// first, which may be taken.
		var own, second string
		g.Nodes = append(g.Nodes, k.server(func(_, _, port string) ([]string, error) {
			if port != own {
				addr, err := freeAddr()
				if err != nil {
					return nil, err
				}
				own = port
				_, second, _ = net.SplitHostPort(addr)
			}
			return []string{"--cluster-enabled", "yes", "--cluster-port", second, "--cluster-node-timeout", "5000"}, nil
		}, settings))
	}
	g.join = func(ctx context.Context) error {
		if err := joinCluster(ctx, g.Nodes); err != nil {
			return err
		}
		g.URL = "redis+cluster://" + g.Nodes[0].Addr + "?addr=" + g.Nodes[1].Addr + "&addr=" + g.Nodes[2].Addr
		return nil
	}
	g.settled = func(ctx context.Context) error { return clusterSettled(ctx, g.Nodes) }
	g.primary = func(ctx context.Context, c *redis.Client, key string) (string, error) {
		slot, err := c.ClusterKeySlot(ctx, key).Result()
		if err != nil {
			return "", err
		}
		return slotOwner(ctx, c, int(slot))
	}
	return g
}

// joinCluster makes a cluster of nodes that have never been in one. Each meets each
// other, which is faster than to wait until they hear of each other.
func joinCluster(ctx context.Context, nodes []*Server) error {
	ids := make([]string, len(nodes))
	for i, s := range nodes {
		if err := with(s, func(c *redis.Client) (err error) {
			if ids[i], err = c.ClusterMyID(ctx).Result(); err != nil {
				return err
			}
			if err = c.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil || i >= primaries {
				return err
			}
			return c.ClusterAddSlotsRange(ctx, i*slots/primaries, (i+1)*slots/primaries-1).Err()
		}); err != nil {
			return err
		}
	}
	for i, s := range nodes {
		setting := make(map[string]string)
		if err := with(s, func(c *redis.Client) (err error) {
			setting, err = c.ConfigGet(ctx, "cluster-port").Result()
			return err
		}); err != nil {
			return err
		}
		host, port, _ := net.SplitHostPort(s.Addr)
		for _, other := range nodes[:i] {
			if err := with(other, func(c *redis.Client) error {
				return c.Do(ctx, "cluster", "meet", host, port, setting["cluster-port"]).Err()
			}); err != nil {
				return err
			}
		}
	}
	for i, s := range nodes[primaries:] {
		if err := with(s, func(c *redis.Client) error {
			return until(ctx, func() error { return c.ClusterReplicate(ctx, ids[i]).Err() })
		}); err != nil {
			return err
		}
	}
	return nil
}

// clusterSettled is an error as long as not all nodes say that the cluster works,
// that half of them are primaries, and that each replica is connected.
func clusterSettled(ctx context.Context, nodes []*Server) error {
	for _, s := range nodes {
		if err := with(s, func(c *redis.Client) error {
			info, err := c.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			list, err := c.ClusterNodes(ctx).Result()
			if err != nil {
				return err
			}
			replication, err := c.Info(ctx, "replication").Result()
			if err != nil {
				return err
			}
			replicas, others := 0, 0
			for line := range strings.Lines(list) {
				f := strings.Fields(line)
				if len(f) < 8 || f[7] != "connected" || strings.Contains(f[2], "fail") || strings.Contains(f[2], "handshake") {
					continue
				}
				if strings.Contains(f[2], "slave") {
					replicas++
				} else {
					others++
				}
			}
			linked := strings.Contains(replication, "master_link_status:up") || strings.Contains(replication,
				"connected_slaves:1\r\n")
			if !strings.Contains(info, "cluster_state:ok") || replicas != primaries || others != primaries || !linked {
				return fmt.Errorf("a node of the cluster says:\n%s%s%s", info, list, replication)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// slotOwner returns where the primary of a slot is, as a node says.
func slotOwner(ctx context.Context, c *redis.Client, slot int) (addr string, err error) {
	// CLUSTER SHARDS, which is newer, leaves slots out while a failover is under way.
	//lint:ignore SA1019 for that reason
	ranges, err := c.ClusterSlots(ctx).Result()
	if err != nil {
		return "", err
	}
	for _, r := range ranges {
		if slot >= r.Start && slot <= r.End {
			return r.Nodes[0].Addr, nil
		}
	}
	return "", fmt.Errorf("nobody has slot %d", slot)
}

// MoveSlot moves the slot of a key to another primary of a cluster, one key after the
// other, as redis-cli does. moved, unless nil, is called after each key
// (https://redis.io/docs/latest/commands/cluster-setslot/).
func (g *RedisGroup) MoveSlot(t testing.TB, key string, to *Server, moved func()) {
	t.Helper()
	ctx := t.Context()
	target := clientOf(to)
	defer target.Close()
	slot, err := target.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := slotOwner(ctx, target, int(slot))
	if err != nil {
		t.Fatal(err)
	}
	must := func(cmd redis.Cmder) {
		t.Helper()
		if err := cmd.Err(); err != nil {
			t.Fatalf("move slot %d, %s: %v", slot, cmd.Name(), err)
		}
	}
	source := redis.NewClient(&redis.Options{Addr: owner, MaxRetries: -1})
	defer source.Close()
	from, err := source.ClusterMyID(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	id, err := target.ClusterMyID(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	must(target.Do(ctx, "cluster", "setslot", slot, "importing", from))
	must(source.Do(ctx, "cluster", "setslot", slot, "migrating", id))
	host, port, _ := net.SplitHostPort(to.Addr)
	for {
		keys, err := source.ClusterGetKeysInSlot(ctx, int(slot), 100).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		for _, key := range keys {
			must(source.Migrate(ctx, host, port, key, 0, 5*time.Second))
			if moved != nil {
				moved()
			}
		}
	}
	must(target.Do(ctx, "cluster", "setslot", slot, "node", id))
	must(source.Do(ctx, "cluster", "setslot", slot, "node", id))
}

func (k redisKind) sentinel(settings []string) *RedisGroup {
	g := new(RedisGroup)
	for i := range 3 {
		g.Nodes = append(g.Nodes, k.server(func(string, string, string) ([]string, error) {
			if i == 0 {
				return nil, nil
			}
			host, port, err := net.SplitHostPort(g.Nodes[0].Addr)
			return []string{"--replicaof", host + " " + port}, err
		}, settings))
		g.Sentinels = append(g.Sentinels, k.watcher(g.Nodes[0]))
	}
	g.join = func(ctx context.Context) error {
		g.URL = "redis+sentinel://" + g.Sentinels[0].Addr + "?master_name=" + watched + "&addr=" + g.Sentinels[1].Addr +
			"&addr=" + g.Sentinels[2].Addr
		for _, s := range g.Sentinels {
			// They find each other, and what has changed, by asking and telling each
			// other, which takes 10 seconds otherwise.
			if err := with(s, func(c *redis.Client) error {
				return c.Do(ctx, "sentinel", "debug", "info-period", 500, "publish-period", 300, "ping-period", 200,
					"tilt-period", 1000).Err()
			}); err != nil {
				return err
			}
		}
		return nil
	}
	g.settled = func(ctx context.Context) error { return sentinelSettled(ctx, g) }
	g.primary = func(ctx context.Context, c *redis.Client, _ string) (string, error) {
		addr, err := redis.NewSentinelClient(c.Options()).GetMasterAddrByName(ctx, watched).Result()
		return strings.Join(addr, ":"), err
	}
	return g
}

// watcher returns a sentinel. It keeps what it knows in its configuration.
func (k redisKind) watcher(primary *Server) *Server {
	s := k.server(nil, nil)
	s.kind.name = "the sentinel of " + k.name
	s.kind.run = func(dir, host, port string) (*exec.Cmd, error) {
		args, err := k.program()
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "sentinel-"+port+".conf")
		if _, err := os.Stat(path); err != nil {
			at, atPort, err := net.SplitHostPort(primary.Addr)
			if err != nil {
				return nil, err
			}
			text := fmt.Sprintf("bind %[1]s\nport %[2]s\ndir %[3]s\nsentinel monitor %[4]s %[5]s %[6]s 2\n"+
				"sentinel down-after-milliseconds %[4]s 2000\nsentinel failover-timeout %[4]s 5000\n"+
				"sentinel parallel-syncs %[4]s 2\n", host, port, dir, watched, at, atPort)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return nil, err
			}
			user, err := lookUp(s.kind.user)
			if err == nil {
				err = user.own(path)
			}
			if err != nil {
				return nil, err
			}
		}
		args = append(args, path, "--sentinel")
		return exec.Command(args[0], args[1:]...), nil
	}
	return s
}

// sentinelSettled is an error as long as the sentinels do not know each other and
// the same primary, or its replicas are not connected.
func sentinelSettled(ctx context.Context, g *RedisGroup) error {
	var primary string
	for _, s := range g.Sentinels {
		if err := with(s, func(c *redis.Client) error {
			state, err := redis.NewSentinelClient(c.Options()).Master(ctx, watched).Result()
			if err != nil {
				return err
			}
			addr := net.JoinHostPort(state["ip"], state["port"])
			if primary == "" {
				primary = addr
			}
			if addr != primary || state["flags"] != "master" || state["num-other-sentinels"] != "2" ||
				state["num-slaves"] != "2" {
				return fmt.Errorf("a sentinel says: %v", state)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	c := redis.NewClient(&redis.Options{Addr: primary, MaxRetries: -1})
	defer c.Close()
	replication, err := c.Info(ctx, "replication").Result()
	if err == nil && strings.Count(replication, "state=online") != 2 {
		err = fmt.Errorf("the primary says: %s", replication)
	}
	return err
}
