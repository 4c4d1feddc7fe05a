package network

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sessionengine/bench"
)

// An outcome is that of one sample in one round.
type outcome struct {
	times   []time.Duration // of the requests that succeeded
	errors  int
	err     error // the last one
	unsent  int
	rate    float64
	elapsed time.Duration
}

func (o *outcome) throughput() float64 { return float64(len(o.times)) / o.elapsed.Seconds() }

// do sends one request, whose time is counted from a moment, or from when it is
// sent.
func (o *outcome) do(ctx context.Context, c *client, r request, from time.Time) {
	err := c.connect(ctx)
	if from.IsZero() {
		from = time.Now()
	}
	if err == nil {
		err = c.request(ctx, r)
	}
	if err != nil {
		o.errors++
		o.err = err
		return
	}
	o.times = append(o.times, time.Since(from))
}

// merge adds what another visitor has done at the same time.
func (o *outcome) merge(other outcome) {
	o.times = append(o.times, other.times...)
	o.errors += other.errors
	o.unsent += other.unsent
	if other.err != nil {
		o.err = other.err
	}
}

// request returns request number n of a sample.
func (r *runner) request(n int64) request {
	if n%int64(r.cfg.ReadsPerWrite+1) == 0 {
		return write
	}
	return read
}

// together lets all clients work at the same time, and puts their outcomes
// together.
func together(clients []*client, work func(*client, *outcome)) outcome {
	parts := make([]outcome, len(clients))
	var all sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		all.Go(func() { work(c, &parts[i]) })
	}
	all.Wait()
	sum := outcome{elapsed: time.Since(start)}
	for _, o := range parts {
		sum.merge(o)
	}
	return sum
}

// closedLoop lets each client send a request when its last one is answered.
func (r *runner) closedLoop(ctx context.Context, clients []*client) outcome {
	runtime.GC() // so that what was measured before leaves nothing behind
	var sent atomic.Int64
	end := time.Now().Add(r.cfg.Limit)
	sum := together(clients, func(c *client, o *outcome) {
		for ctx.Err() == nil && time.Now().Before(end) {
			n := sent.Add(1)
			if n > int64(r.cfg.Requests) {
				return
			}
			o.do(ctx, c, r.request(n), time.Time{})
		}
	})
	if len(sum.times) == 0 && sum.err == nil {
		sum.err = errors.New("none was sent within the limit")
	}
	return sum
}

// schedule returns when the requests of an open loop are to be sent: at random,
// with gaps of exponential distribution.
func (r *runner) schedule(seed uint64, rate float64) []time.Duration {
	random := rand.New(rand.NewPCG(r.cfg.Seed, seed))
	starts := make([]time.Duration, r.cfg.Requests)
	var at float64
	for i := range starts {
		at += random.ExpFloat64() / rate
		starts[i] = time.Duration(at * float64(time.Second))
	}
	return starts
}

// openLoop has requests sent at their times by whatever client is free, or is
// the first to become free.
func (r *runner) openLoop(ctx context.Context, clients []*client, starts []time.Duration) outcome {
	clock, err := newSleeper()
	if err != nil {
		return outcome{err: err}
	}
	defer clock.Close()
	stop := context.AfterFunc(ctx, func() { clock.Close() })
	defer stop()

	runtime.GC()
	due := make(chan time.Time, len(starts))
	begin := time.Now()
	end := begin.Add(r.cfg.Limit)
	var pace sync.WaitGroup
	pace.Go(func() {
		defer close(due)
		for _, at := range starts {
			t := begin.Add(at)
			if t.After(end) || clock.until(t) != nil {
				return // what is due after the end is not waited for
			}
			due <- t
		}
	})
	var sent atomic.Int64
	sum := together(clients, func(c *client, o *outcome) {
		for t := range due {
			if ctx.Err() != nil || time.Now().After(end) {
				continue
			}
			o.do(ctx, c, r.request(sent.Add(1)), t)
		}
	})
	pace.Wait()
	sum.unsent = len(starts) - int(sent.Load())
	return sum
}

// A series is what a sample was in the rounds.
type series struct {
	histogram   histogram
	errors      int
	unsent      int
	rates       float64 // their sum
	throughputs []float64
	medians     []float64
	last        outcome // of the round under way
}

func newSeries() series { return series{histogram: newHistogram()} }

// keep adds the last outcome.
func (s *series) keep() {
	o := &s.last
	s.histogram.add(o.times...)
	s.errors += o.errors
	s.unsent += o.unsent
	s.rates += o.rate
	s.throughputs = append(s.throughputs, o.throughput())
	if len(o.times) > 0 {
		s.medians = append(s.medians, median(o.times).Seconds())
	}
}

// sample fills in what was measured.
func (s *series) sample(into Sample, loop Loop) Sample {
	into.Loop = loop
	into.Latency = s.histogram.latency()
	into.Errors, into.Unsent = s.errors, s.unsent
	into.Throughput = bench.Summarize(s.throughputs, 0.95)
	into.Median = bench.Summarize(s.medians, 0.95)
	if n := len(s.throughputs); n > 0 {
		into.Rate = s.rates / float64(n)
	}
	return into
}
