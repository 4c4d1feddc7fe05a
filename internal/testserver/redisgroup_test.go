package testserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sessionengine/internal/testserver"
)

var groups = map[string]*testserver.RedisGroup{
	"Redis cluster":   testserver.RedisCluster("cluster-node-timeout 1000"),
	"Valkey cluster":  testserver.ValkeyCluster("cluster-node-timeout 1000"),
	"Redis sentinel":  testserver.RedisSentinel(),
	"Valkey sentinel": testserver.ValkeySentinel(),
}

func TestReplicaTakesThePlaceOfAPrimaryThatIsKilled(t *testing.T) {
	for name, group := range groups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			group.Start(t)
			t.Logf("started in %v", time.Since(began))
			ctx, c := t.Context(), group.Primary(t, "key").Client(t)
			if err := c.Set(ctx, "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Wait(ctx, 1, 5*time.Second).Result(); err != nil || n < 1 {
				t.Fatalf("%d replicas, %v", n, err)
			}
			began = time.Now()
			killed := group.Fail(t, "key")
			t.Logf("failed over in %v", time.Since(began))
			if got, err := group.Primary(t, "key").Client(t).Get(ctx, "key").Result(); got != "value" {
				t.Errorf("the new primary has %q, %v", got, err)
			}
			began = time.Now()
			killed.Restart(t)
			group.Settle(t)
			t.Logf("settled in %v", time.Since(began))
			if info, err := killed.Client(t).Info(ctx, "replication").Result(); !strings.Contains(info, "role:slave") {
				t.Errorf("who was killed is no replica: %s, %v", info, err)
			}
		})
	}
}

func TestSlotIsMovedKeyByKey(t *testing.T) {
	for name, group := range groups {
		if !strings.Contains(name, "cluster") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			group.Start(t)
			ctx, from := t.Context(), group.Primary(t, "{moved}")
			c := from.Client(t)
			for i := range 10 {
				if err := c.Set(ctx, fmt.Sprintf("{moved}%d", i), i, 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			to, n := group.Other(t, "{moved}"), 0
			group.MoveSlot(t, "{moved}", to, func() { n++ })
			if n != 10 {
				t.Errorf("%d keys were moved", n)
			}
			if got := group.Primary(t, "{moved}"); got != to {
				t.Errorf("the slot is on %s, want %s", got.Addr, to.Addr)
			}
			if got, err := to.Client(t).Get(ctx, "{moved}7").Result(); got != "7" {
				t.Errorf("there is %q, %v", got, err)
			}
			group.Settle(t)
		})
	}
}
