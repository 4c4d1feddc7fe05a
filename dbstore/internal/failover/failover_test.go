package failover

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		step := func(name string, useless, want int) {
			t.Helper()
			p.Empty(useless)
			if got := p.Count(); got != want {
				t.Errorf("%s: the count is %d, want %d", name, got, want)
			}
		}
		step("the first connection", 0, 1)
		step("another one of its age", 0, 1)
		step("a new one at once", 1, 1)
		time.Sleep(maxRate)
		step("another old one later", 0, 1)
		step("a new one later", 1, 2)
	})
}
