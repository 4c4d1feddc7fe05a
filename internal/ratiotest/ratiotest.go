// Package ratiotest finds, in tests, work that grows faster than what it is done
// to.
package ratiotest

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// limit is the ratio that [Linear] allows. Ten times as much work takes ten
// times as long, with sorting and caches somewhat more; work that grows with the
// square takes a hundred times as long.
const limit = 20

const (
	runs  = 7 // of each size in a try, of which the fastest counts
	tries = 8 // before the test fails, so that a busy machine does not fail it
)

// Linear fails the test if f takes more than limit times as long for 10*n as
// for n. prepare, which is not timed, makes ready what f, called once, does. n
// should be so large that f takes some tens of microseconds for it, and so small
// that what it works on stays in the processor's caches. The garbage collector
// does not run meanwhile: call it from tests that are not parallel.
func Linear(t testing.TB, n int, prepare func(n int) (f func())) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	small, large := time.Duration(1<<62), time.Duration(1<<62)
	var ratio float64
	for range tries {
		for range runs { // by turns, so that both sizes meet the same load
			small = min(small, timed(n, prepare))
			large = min(large, timed(10*n, prepare))
		}
		if ratio = float64(large) / float64(max(small, 1)); ratio <= limit {
			return
		}
		runtime.GC()
	}
	t.Errorf("for %d it takes %.0f times as long as for %d, and may take %d times", 10*n, ratio, n, limit)
}

func timed(n int, prepare func(n int) func()) time.Duration {
	f := prepare(n)
	start := time.Now()
	f()
	return time.Since(start)
}
