package network

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"sessionengine/bench"
)

// LoadConfig says what [RunLoad] measures, and for how long.
type LoadConfig struct {
	Engines  []bench.Engine
	Sessions []bench.Session

	// ReadsPerWrite is how many requests read a value of the session for each
	// that sets one.
	ReadsPerWrite int

	// Concurrency lists numbers of visitors, each with a connection and a
	// session of their own.
	Concurrency []int

	// Rounds is how often everything is measured, and Requests how many
	// requests a sample has: one engine, session and concurrency in one
	// round. A sample begins no further requests after Limit.
	Rounds   int
	Requests int
	Limit    time.Duration

	// Utilization adds an open loop to the closed one. In the closed loop, each
	// visitor sends a request when the one before is answered, so that a slow
	// answer keeps requests from being sent. In the open loop, requests come at
	// random moments, as those of many independent visitors do, at a rate that
	// is this share of the throughput that the slowest engine had in the
	// closed loop, and thus the same for all engines; visitors take turns to
	// send them. 0 means no open loop.
	Utilization float64

	// Seed determines the order of the measurements, and the moments of the
	// open loop.
	Seed uint64

	// Progress, unless nil, is called after each sample with the number of
	// samples done and their total.
	Progress func(done, total int)
}

// DefaultLoad returns a configuration that takes about a minute for two
// engines and one session.
func DefaultLoad(engines []bench.Engine, sessions []bench.Session) LoadConfig {
	return LoadConfig{
		Engines:       engines,
		Sessions:      sessions,
		ReadsPerWrite: 9,
		Concurrency:   []int{1, 8, 32},
		Rounds:        6,
		Requests:      1000,
		Limit:         10 * time.Second,
		Utilization:   0.5,
		Seed:          1,
	}
}

// A LoadResult is what [RunLoad] measured.
type LoadResult struct {
	ReadsPerWrite int      `json:"reads_per_write"`
	Rounds        int      `json:"rounds"` // that are complete
	Requests      int      `json:"requests"`
	Utilization   float64  `json:"utilization"`
	Seed          uint64   `json:"seed"`
	Samples       []Sample `json:"samples"`
}

// A Loop is what decides when a request is sent.
type Loop string

// The loops: see [LoadConfig.Utilization].
const (
	Closed Loop = "closed"
	Open   Loop = "open"
)

// A Sample is what was measured of one engine, session, concurrency and loop, in
// all rounds together.
type Sample struct {
	Engine      string `json:"engine"`
	Session     string `json:"session"`
	Concurrency int    `json:"concurrency"`
	Loop        Loop   `json:"loop"`

	// TooLarge, if it is not empty, is why the engine cannot carry the session;
	// then nothing was measured.
	TooLarge string `json:"too_large,omitempty"`

	// Latency is that of the requests which succeeded. In the open loop it is
	// counted from the moment when the request was to be sent, whether a
	// visitor was free to send it or not: a site that falls behind makes those
	// wait who come later.
	Latency Latency `json:"latency"`

	// Errors is how many requests failed, and Unsent how many of the open
	// loop's were not sent within the limit.
	Errors int `json:"errors"`
	Unsent int `json:"unsent"`

	// Rate is how many requests per second were to be sent in the open loop,
	// as a mean of the rounds. Throughput is how many succeeded per second, and
	// Median the median of their latencies in seconds: of the rounds, the
	// median and its interval at 95 %.
	Rate       float64        `json:"rate"`
	Throughput bench.Estimate `json:"throughput"`
	Median     bench.Estimate `json:"median_s"`
}

// RunLoad puts load on a site with each engine, and on one without sessions.
//
// When ctx ends, RunLoad returns the rounds that are complete together with the
// context's error.
func RunLoad(ctx context.Context, cfg LoadConfig) (*LoadResult, error) {
	r := &runner{cfg: cfg, turns: newTurns(cfg.Seed)}
	rounds, err := r.take(ctx, cfg.Rounds, r.open, r.round)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return r.result(rounds), ctx.Err()
}

// A runner is a run under way.
type runner struct {
	cfg LoadConfig
	*turns
	cells []*cell
}

// A cell is what is measured one right after the other, for all engines.
type cell struct {
	session     string
	concurrency int
	tasks       []*task
}

// A task is one engine's part of a cell.
type task struct {
	engine   string
	tooLarge string
	clients  []*client
	closed   series
	open     series
}

// open sets up all sites and visitors.
func (r *runner) open(ctx context.Context) error {
	// tasks[i][j] is what all tasks of session i and engine j have in common.
	tasks := make([][]task, len(r.cfg.Sessions))
	for j, engine := range append([]bench.Engine{none()}, r.cfg.Engines...) {
		dir := filepath.Join(r.dir, strconv.Itoa(j))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		opened, err := engine.Open(context.WithoutCancel(ctx), dir, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", engine.Name, err)
		}
		r.closers = append(r.closers, opened.Close)
		for i, s := range r.cfg.Sessions {
			t := task{engine: engine.Name}
			t.clients, err = r.arrive(ctx, opened, s)
			if t.tooLarge = tooLarge(err); err != nil && t.tooLarge == "" {
				return fmt.Errorf("%s/%s: %w", engine.Name, s.Name, err)
			}
			tasks[i] = append(tasks[i], t)
		}
	}
	for i, s := range r.cfg.Sessions {
		for _, n := range r.cfg.Concurrency {
			c := &cell{session: s.Name, concurrency: n}
			for _, t := range tasks[i] {
				t.closed, t.open = newSeries(), newSeries()
				if t.tooLarge == "" {
					t.clients = t.clients[:n]
				}
				c.tasks = append(c.tasks, &t)
			}
			r.cells = append(r.cells, c)
		}
	}
	return nil
}

// arrive serves a session and connects as many visitors as are ever needed at a
// time, who have all done everything once.
func (r *runner) arrive(ctx context.Context, opened bench.Site, s bench.Session) ([]*client, error) {
	site, err := serve(opened, s)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, site.Close)
	var clients []*client
	for range slices.Max(r.cfg.Concurrency) {
		c := &client{site: site, addr: site.Addr}
		if err := c.warm(ctx); err != nil {
			return nil, err
		}
		r.closers = append(r.closers, func() error { c.close(); return nil })
		clients = append(clients, c)
	}
	return clients, nil
}

// round measures everything once.
func (r *runner) round(ctx context.Context, round int) error {
	for _, i := range r.random.Perm(len(r.cells)) {
		c := r.cells[i]
		slowest := math.Inf(1)
		for _, j := range r.random.Perm(len(c.tasks)) {
			t := c.tasks[j]
			if t.tooLarge == "" {
				t.closed.last = r.closedLoop(ctx, t.clients)
				slowest = min(slowest, t.closed.last.throughput())
			}
			if err := r.step(ctx, c, t, &t.closed.last); err != nil {
				return err
			}
		}
		if r.cfg.Utilization == 0 {
			continue
		}
		starts := r.schedule(uint64(round)<<32|uint64(i), r.cfg.Utilization*slowest)
		for _, j := range r.random.Perm(len(c.tasks)) {
			t := c.tasks[j]
			if t.tooLarge == "" {
				t.open.last = r.openLoop(ctx, t.clients, starts)
				t.open.last.rate = r.cfg.Utilization * slowest
			}
			if err := r.step(ctx, c, t, &t.open.last); err != nil {
				return err
			}
		}
	}
	for _, c := range r.cells {
		for _, t := range c.tasks {
			if t.tooLarge == "" {
				t.closed.keep()
				if r.cfg.Utilization > 0 {
					t.open.keep()
				}
			}
		}
	}
	return nil
}

// step returns an error if ctx has ended, or if what was just measured is
// nothing but errors.
func (r *runner) step(ctx context.Context, c *cell, t *task, o *outcome) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(o.times) == 0 && o.err != nil {
		return fmt.Errorf("%s/%s: not one request succeeded: %w", t.engine, c.session, o.err)
	}
	r.done++
	if r.cfg.Progress != nil {
		loops := 1
		if r.cfg.Utilization > 0 {
			loops = 2
		}
		r.cfg.Progress(r.done, r.cfg.Rounds*len(r.cells)*len(c.tasks)*loops)
	}
	return nil
}

// result puts together what was measured in so many rounds.
func (r *runner) result(rounds int) *LoadResult {
	cfg := &r.cfg
	result := &LoadResult{
		ReadsPerWrite: cfg.ReadsPerWrite, Rounds: rounds, Requests: cfg.Requests, Utilization: cfg.Utilization,
		Seed: cfg.Seed,
	}
	for _, c := range r.cells {
		for _, t := range c.tasks {
			sample := Sample{Engine: t.engine, Session: c.session, Concurrency: c.concurrency, TooLarge: t.tooLarge}
			result.Samples = append(result.Samples, t.closed.sample(sample, Closed))
			if cfg.Utilization > 0 {
				result.Samples = append(result.Samples, t.open.sample(sample, Open))
			}
		}
	}
	return result
}
