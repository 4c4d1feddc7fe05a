package bench

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"
)

// How long samples are. The scheduler of an operating system changes between
// programs every few milliseconds, so that most samples of a tenth of one are not
// disturbed.
const (
	sampleTime    = 100 * time.Microsecond // of the quickest of those that are compared
	maxSampleTime = 400 * time.Microsecond // of the slowest
	minIterations = 4                      // in any case: the first ones of a sample are slower
	burst         = 8                      // samples in a row, of which the first is dropped
)

// calibrations is how often everything is tried to find out how long it takes.
// The tries are far apart, so that something else that runs for a while does not
// spoil all.
const calibrations = 4

// waiting is the ratio of the wall clock to the process's processor time beyond
// which an operation waits for something.
const waiting = 1.2

// A group is what is compared: one kind of request of one session in all engines,
// with their floors, and the empty handler.
type group struct {
	session Session
	kind    Kind
	empty   *cell
	cells   []*cell
}

// A cell is an operation that is measured in each round.
type cell struct {
	name string // for errors
	task task   // nil if the session is too large
	Cell

	// What it is of; one of these, or neither for the empty handler.
	request *RequestResult
	floor   *FloorResult

	// From the calibration: the least nanoseconds of an operation, and the least
	// ratio of the wall clock to processor time.
	least, leastWait float64
}

// calibrate tries each of the group, and after the last pass sets how many
// operations a sample has.
func (g *group) calibrate(h *heap, pass int) error {
	for _, c := range append([]*cell{g.empty}, g.cells...) {
		if c.task == nil {
			continue
		}
		if err := c.try(h, pass); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if pass < calibrations-1 {
		return nil
	}
	g.empty.Iterations = iterations(g.empty.least, g.empty.least)
	least, most := math.Inf(1), 0.0
	for _, c := range g.cells {
		if c.task == nil {
			continue
		}
		if _, known := cpuTime(); known && c.leastWait > waiting {
			c.Waits = true
		}
		if !c.Waits {
			least, most = min(least, c.least), max(most, c.least)
		}
	}
	for _, c := range g.cells {
		if c.Iterations = iterations(least, most); c.Waits {
			c.Iterations = 1
		}
	}
	return nil
}

// iterations returns how many operations a sample has, the same for all that are
// compared: a sample's first operations are slower, so that another number of them
// would make an engine look dearer.
func iterations(least, most float64) int {
	n := min(float64(sampleTime)/least, float64(maxSampleTime)/most)
	if !(n > minIterations) { // NaN if nothing is left to compare
		return minIterations
	}
	return int(n)
}

// try runs the operation some times. In the first pass it counts allocations too.
func (c *cell) try(h *heap, pass int) error {
	const windows = 6
	if pass == 0 {
		c.least, c.leastWait = math.Inf(1), math.Inf(1)
	}
	if err := c.task.prepare(windows * minIterations); err != nil {
		return err
	}
	var before, after runtime.MemStats
	if pass == 1 { // warm
		runtime.ReadMemStats(&before)
	}
	for range windows {
		cpu, _ := cpuTime()
		start := time.Now()
		err := c.task.run(minIterations)
		elapsed := float64(time.Since(start))
		spent, _ := cpuTime()
		if err != nil {
			return err
		}
		c.least = min(c.least, max(elapsed, 1)/minIterations)
		c.leastWait = min(c.leastWait, elapsed/max(float64(spent-cpu), 1))
	}
	if pass == 1 {
		runtime.ReadMemStats(&after)
		const n = windows * minIterations
		c.Allocs = float64(after.Mallocs-before.Mallocs) / n
		c.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / n
	}
	h.used(c.Bytes * windows * minIterations)
	return c.task.check()
}

// measure takes samples of all of the group until its share of the time is over,
// and at least as many as intervals need.
func (g *group) measure(h *heap, order *rand.Rand, share time.Duration, rounds int) error {
	cells := []*cell{g.empty}
	for _, c := range g.cells {
		if c.task != nil {
			cells = append(cells, c)
		}
	}
	for _, c := range cells {
		c.Nanosec = append(c.Nanosec, nil)
		if c.Waits {
			c.CPU = append(c.CPU, nil)
		}
	}
	passes := 1
	if rounds >= MinRounds {
		passes = (minSamples + (burst-1)*rounds - 1) / ((burst - 1) * rounds)
	}
	for start := time.Now(); passes > 0 || time.Since(start) < share; passes-- {
		for _, i := range order.Perm(len(cells)) {
			if err := cells[i].sample(h); err != nil {
				return fmt.Errorf("%s: %w", cells[i].name, err)
			}
		}
	}
	return nil
}

// sample takes a burst of samples.
func (c *cell) sample(h *heap) error {
	n := c.Iterations
	if err := c.task.prepare(burst * n); err != nil {
		return err
	}
	h.collectIfFull()
	round := len(c.Nanosec) - 1
	cpu, _ := cpuTime()
	for i := range burst {
		start := time.Now()
		err := c.task.run(n)
		elapsed := float64(time.Since(start))
		if err != nil {
			return err
		}
		if i > 0 || c.Waits {
			c.Nanosec[round] = append(c.Nanosec[round], hundredths(elapsed/float64(n)))
		}
	}
	if spent, known := cpuTime(); c.Waits && known {
		c.CPU[round] = append(c.CPU[round], hundredths(float64(spent-cpu)/float64(burst*n)))
	}
	h.used(c.Bytes * float64(burst*n))
	return c.task.check()
}

// hundredths rounds nanoseconds, so that results are not full of digits that
// mean nothing.
func hundredths(v float64) float64 { return math.Round(100*v) / 100 }

// A heap decides when the garbage collector runs: never in a sample, and between
// samples when there is as much garbage as there is in use, as it does by itself
// with GOGC=100.
type heap struct {
	percent int // what it was before
	live    float64
	garbage float64
}

// minHeap is the least garbage that is collected, in bytes.
const minHeap = 16 << 20

// take turns the collector off.
func (h *heap) take() {
	h.percent = debug.SetGCPercent(-1)
	h.collect()
}

// release turns it on again.
func (h *heap) release() { debug.SetGCPercent(h.percent) }

// used tells of that much garbage.
func (h *heap) used(bytes float64) { h.garbage += bytes }

func (h *heap) collectIfFull() {
	if h.garbage > max(h.live, minHeap) {
		h.collect()
	}
}

func (h *heap) collect() {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	h.live, h.garbage = float64(live[0].Value.Uint64()), 0
}

// collected returns the requests that the garbage collector's cost is measured on:
// the half that makes the most garbage for its time. With the others, the noise of
// the request itself is larger than what is looked for. What waits is left out, and
// so is a logout, which needs a new session each time.
func (r *runner) collected() []*cell {
	if _, known := cpuTime(); !known {
		return nil
	}
	var able []*cell
	for _, g := range r.groups {
		for _, c := range g.cells {
			if g.kind != Logout && c.request != nil && c.task != nil && !c.Waits && c.Bytes >= 512 {
				able = append(able, c)
			}
		}
	}
	slices.SortStableFunc(able, func(a, b *cell) int { return cmp.Compare(b.Bytes/b.least, a.Bytes/a.least) })
	return able[:(len(able)+1)/2]
}

// collector measures what the garbage collector costs some of these requests, drawn
// at random.
func (r *runner) collector(round int, order *rand.Rand, able []*cell) error {
	for range min(r.cfg.CollectorSamples, len(able)) {
		c := able[order.IntN(len(able))]
		sample, err := c.withCollector(&r.heap)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		sample.Round = round
		r.results.Collector = append(r.results.Collector, sample)
	}
	return nil
}

// collectorCycles is over how many cycles of the collector its cost is measured:
// whole ones, since it does nothing in between.
const collectorCycles = 2

// withCollector measures the operation with the collector off and then on.
func (c *cell) withCollector(h *heap) (s CollectorSample, err error) {
	s.Of, s.Bytes = c.name, c.Bytes
	batch := max(int(64<<10/c.Bytes), 1)
	h.collect()
	off := int(max(h.live, minHeap) / c.Bytes)
	if s.Off, _, err = c.cpuOf(batch, func(n int) bool { return n < off }); err != nil {
		return s, err
	}
	h.collect()
	debug.SetGCPercent(100)
	began := cycles()
	s.On, _, err = c.cpuOf(batch, func(int) bool { return cycles() < began+collectorCycles })
	debug.SetGCPercent(-1)
	h.collect()
	return s, err
}

// cpuOf runs the operation in batches while more says so, given the number so
// far, and returns the processor time of one in nanoseconds.
func (c *cell) cpuOf(batch int, more func(n int) bool) (perOp float64, n int, err error) {
	if err := c.task.prepare(batch); err != nil {
		return 0, 0, err
	}
	before, _ := cpuTime()
	for n == 0 || more(n) {
		if err := c.task.run(batch); err != nil {
			return 0, n, err
		}
		n += batch
	}
	after, _ := cpuTime()
	return hundredths(float64(after-before) / float64(n)), n, nil
}

// cycles returns how many cycles the collector has completed.
func cycles() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
