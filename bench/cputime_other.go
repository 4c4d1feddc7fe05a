//go:build !unix

package bench

import "time"

// cpuTime returns the processor time that this process has used so far, and
// whether that is known: here it is not, in steps short enough to measure with.
func cpuTime() (time.Duration, bool) { return 0, false }
