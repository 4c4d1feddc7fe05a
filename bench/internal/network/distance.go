package network

import (
	"context"
	"errors"
	"sync"
	"time"

	"sessionengine/bench"
)

// openAway sets up a site with an engine whose database is at a distance that is
// only waited for: with each round trip that the engine counts. So it takes no
// database server. An engine that sends nothing waits for nothing.
func openAway(ctx context.Context, engine bench.Engine, dir string, d *distance) (bench.Site, error) {
	return engine.Open(ctx, dir, &bench.Counter{RoundTrip: func() { d.wait() }})
}

// probes is how many round trips measureAway takes the median of.
const probes = 25

// measureAway returns how long a round trip of openAway really is.
func measureAway(ctx context.Context, roundTrip time.Duration) (time.Duration, error) {
	w := &distance{roundTrip: roundTrip}
	defer w.Close()
	times := make([]time.Duration, probes)
	for i := range times {
		start := time.Now()
		if err := errors.Join(ctx.Err(), w.wait()); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	return median(times), nil
}

// A distance is what waits for round trips. It is safe for concurrent use, except
// for Close.
type distance struct {
	roundTrip time.Duration

	mu   sync.Mutex
	idle []*sleeper
}

// wait waits for a round trip.
func (d *distance) wait() error {
	end := time.Now().Add(d.roundTrip)
	clock, err := d.sleeper()
	if err != nil {
		return err
	}
	if err := clock.until(end); err != nil {
		clock.Close()
		return err
	}
	d.mu.Lock()
	d.idle = append(d.idle, clock)
	d.mu.Unlock()
	return nil
}

func (d *distance) sleeper() (*sleeper, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last := len(d.idle) - 1; last >= 0 {
		clock := d.idle[last]
		d.idle = d.idle[:last]
		return clock, nil
	}
	return newSleeper()
}

// Close ends it, which nothing uses any more.
func (d *distance) Close() error {
	for _, clock := range d.idle {
		clock.Close()
	}
	return nil
}
