// Package ratiotest finds, in tests, work that grows faster than what it is done
// to.
package ratiotest

import (
	"testing"
	"time"
)

// Limit is the ratio that [Linear] allows. Ten times as much work takes ten
// times as long, with sorting and caches somewhat more; work that grows with the
// square takes a hundred times as long.
const Limit = 20

const (
	runs  = 5 // of each size, of which the fastest counts
	tries = 4 // before the test fails, so that a busy machine does not fail it
)

// Linear fails the test if f takes more than [Limit] times as long for 10*n as
// for n. prepare, which is not timed, makes ready what f, called once, does. n
// should be so large that f takes some tens of microseconds for it.
func Linear(t testing.TB, n int, prepare func(n int) (f func())) {
	t.Helper()
	var ratio float64
	for range tries {
		small, large := fastest(n, prepare), fastest(10*n, prepare)
		if ratio = float64(large) / float64(max(small, 1)); ratio <= Limit {
			return
		}
	}
	t.Errorf("for %d it takes %.0f times as long as for %d, and may take %d times", 10*n, ratio, n, Limit)
}

func fastest(n int, prepare func(n int) func()) time.Duration {
	best := time.Duration(1 << 62)
	for range runs {
		f := prepare(n)
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	return best
}
