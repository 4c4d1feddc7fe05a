package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sessionengine/internal/testserver"
	"sessionengine/redisstore"
)

// failing are the groups whose primaries are killed.
var failing = map[string]*testserver.RedisGroup{
	"cluster":         testserver.RedisCluster("cluster-node-timeout 1000"),
	"sentinel":        testserver.RedisSentinel(),
	"valkey cluster":  testserver.ValkeyCluster("cluster-node-timeout 1000"),
	"valkey sentinel": testserver.ValkeySentinel(),
}

// A primary is killed, and a replica takes its place. With WaitReplicas no
// acknowledged change is lost; without it the last ones may be, and how many is in
// the log.
func TestAPrimaryFailsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, group := range failing {
		if testing.Short() && strings.HasPrefix(name, "valkey") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			group.Start(t)
			for _, wait := range []int{0, 1} {
				t.Run(fmt.Sprintf("wait=%d", wait), func(t *testing.T) {
					store := open(t, group.URL, redisstore.Options{WaitReplicas: wait, WaitTimeout: 300 * time.Millisecond})
					c := gather(t, store, 16)
					until := func(n int64) {
						for deadline := time.Now().Add(time.Minute); c.saved.Load() < n && time.Now().Before(deadline); {
							time.Sleep(time.Millisecond)
						}
					}
					until(500)
					killed := group.Fail(t, "key")
					killed.Restart(t)
					group.Settle(t)
					until(c.saved.Load() + 500)
					c.leave(t)
					if wait > 0 && (c.lost.Load() > 0 || c.undead.Load() > 0) {
						t.Error("what was acknowledged is lost, although replicas have confirmed it")
					}
				})
			}
		})
	}
}
