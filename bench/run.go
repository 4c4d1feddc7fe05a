package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Config says what [Run] measures, and for how long.
type Config struct {
	Engines  []Engine
	Sessions []Session

	// Rounds is how often everything is measured. [MinRounds] are needed for
	// intervals.
	Rounds int

	// Duration is about how long the rounds take together. If it is too short for
	// the samples that intervals need, they take longer.
	Duration time.Duration

	// Seed determines the order of the measurements within each round.
	Seed uint64

	// CollectorSamples is how often in a round the garbage collector's cost is
	// measured. 0 means that it is left out of all costs.
	CollectorSamples int

	// Progress, unless nil, is called after each step with the number of steps
	// done and their total.
	Progress func(done, total int)
}

// check returns what is wrong with the configuration.
func (c *Config) check() error {
	switch {
	case len(c.Engines) == 0:
		return errors.New("bench: no engines")
	case len(c.Sessions) == 0:
		return errors.New("bench: no sessions")
	case c.Rounds < 1:
		return fmt.Errorf("bench: %d rounds", c.Rounds)
	case c.Duration <= 0:
		return fmt.Errorf("bench: a duration of %v", c.Duration)
	}
	names := make(map[string]bool)
	for _, e := range c.Engines {
		if names[e.Name] {
			return fmt.Errorf("bench: engine %s is there twice", e.Name)
		}
		names[e.Name] = true
	}
	clear(names)
	for _, s := range c.Sessions {
		if names[s.Name] {
			return fmt.Errorf("bench: session %s is there twice", s.Name)
		}
		names[s.Name] = true
	}
	return nil
}

// Run measures every kind of request of every session in every engine, and
// checks that each does what it should. No two Runs may go on at the same time in
// a process: while one does, the garbage collector runs when it says so.
//
// Each round measures everything once, in an order of its own, so that whatever
// slows the machine down for a while hits all engines alike. When ctx ends, Run
// stops after the measurement it is in and returns the rounds that are complete
// together with the context's error.
func Run(ctx context.Context, cfg Config) (*Results, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)

	r := &runner{cfg: cfg, dir: dir, results: &Results{Environment: CurrentEnvironment(), Settings: cfg.settings()}}
	before := readLoad()
	err = r.open(ctx)
	if err == nil {
		err = r.rounds(ctx)
	}
	r.results.Others = readLoad().others(before)
	if closeErr := r.close(); err == nil {
		err = closeErr
	}
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return r.collect(), ctx.Err()
}

func (c *Config) settings() Settings {
	s := Settings{Rounds: c.Rounds, Sample: sampleTime, Seed: c.Seed}
	for _, e := range c.Engines {
		s.Engines = append(s.Engines, e.Name)
		if e.MaxStale > 0 {
			if s.NearCaches == nil {
				s.NearCaches = make(map[string]time.Duration)
			}
			s.NearCaches[e.Name] = e.MaxStale
		}
	}
	for _, session := range c.Sessions {
		s.Sessions = append(s.Sessions, SessionSize{session.Name, session.Size})
	}
	return s
}

// A runner is a run under way.
type runner struct {
	cfg     Config
	dir     string
	results *Results
	groups  []*group
	heap    heap
	closers []func() error

	done, total int
}

// open sets everything up: the engines, twice each, and all operations, each of
// which is tried on the engine that counts.
func (r *runner) open(ctx context.Context) error {
	// Requests and statements are not cut short by an interruption; the run
	// ends between two measurements.
	running := context.WithoutCancel(ctx)
	requestCtx, cancel := context.WithCancel(running)
	r.closers = append(r.closers, func() error { cancel(); return nil })

	for _, s := range r.cfg.Sessions {
		for _, kind := range Kinds() {
			empty := &cell{name: "empty handler", task: newEmpty(requestCtx, emptyCookie)}
			r.groups = append(r.groups, &group{session: s, kind: kind, empty: empty})
		}
	}
	r.total = len(r.cfg.Engines)*len(r.groups) + (r.cfg.Rounds+calibrations)*len(r.groups)
	for i, engine := range r.cfg.Engines {
		if err := r.openEngine(ctx, running, requestCtx, engine, filepath.Join(r.dir, fmt.Sprint(i))); err != nil {
			return fmt.Errorf("bench: %s: %w", engine.Name, err)
		}
	}
	return nil
}

// openEngine adds an engine to all groups.
func (r *runner) openEngine(ctx, running, requestCtx context.Context, engine Engine, dir string) error {
	site, err := r.openSite(running, engine, filepath.Join(dir, "timed"), nil)
	if err != nil {
		return err
	}
	var count Counter
	observed, err := r.openSite(running, engine, filepath.Join(dir, "counted"), &count)
	if err != nil {
		return err
	}
	behaviours, err := observeBehaviours(requestCtx, observed)
	if err != nil {
		return err
	}
	for _, b := range behaviours {
		b.Engine = engine.Name
		r.results.Behaviours = append(r.results.Behaviours, b)
	}
	for i, g := range r.groups {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s := g.session
		result := &RequestResult{Engine: engine.Name, Session: s.Name, Kind: g.kind}
		t, err := openRequests(requestCtx, site, observed, &count, engine.Cache, s, result)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", s.Name, g.kind, err)
		}
		name := fmt.Sprintf("%s/%s/%s", engine.Name, s.Name, g.kind)
		c := &cell{name: name, task: t, request: result}
		c.Waits = engine.Remote && result.Queries > 0
		g.cells = append(g.cells, c)
		r.step()
		if g.kind == Read || g.kind == Write {
			if err := r.openFloor(running, engine, g, filepath.Join(dir, fmt.Sprint("floor", i))); err != nil {
				return fmt.Errorf("%s/floor: %w", s.Name, err)
			}
		}
	}
	return nil
}

func (r *runner) openSite(ctx context.Context, e Engine, dir string, count *Counter) (Site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	site, err := e.Open(ctx, dir, count)
	if err == nil {
		r.closers = append(r.closers, site.Close)
	}
	return site, err
}

// openRequests returns the task of a kind of request on site, after trying it
// on the site that counts; it fills in what it finds out there. The task is nil
// when the session is too large for the engine.
func openRequests(ctx context.Context, site, observed Site, count *Counter, cache int, s Session,
	result *RequestResult) (task, error) {
	// As many as the trial serves, so that nobody comes back whom a cache would know.
	some := min(visitorsFor(result.Kind, s, cache), observations+1)
	trial, err := newRequests(ctx, observed, s, result.Kind, some)
	var moved traffic
	if err == nil {
		moved, err = trial.observe(count)
	}
	if tooLarge, ok := errors.AsType[*tooLargeError](err); ok {
		result.TooLarge = tooLarge.reason
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	result.Queries, result.CookieUp, result.CookieDown = moved.queries, moved.up, moved.down
	t, err := newRequests(ctx, site, s, result.Kind, visitorsFor(result.Kind, s, cache))
	if err != nil {
		return nil, err
	}
	return t, nil
}

// openFloor adds what an engine cannot do without to a group.
func (r *runner) openFloor(ctx context.Context, e Engine, g *group, dir string) error {
	if e.Floor == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	floor, err := e.Floor(ctx, dir, g.session)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, floor.Close)
	do := floor.Read
	if g.kind == Write {
		do = floor.Write
	}
	c := &cell{
		name: fmt.Sprintf("%s/%s/floor/%s", e.Name, g.session.Name, g.kind), task: funcTask(do),
		floor: &FloorResult{Engine: e.Name, Session: g.session.Name, Kind: g.kind},
	}
	c.Waits = e.Remote
	g.cells = append(g.cells, c)
	return nil
}

// rounds measures: some calibrations and the rounds themselves.
func (r *runner) rounds(ctx context.Context) error {
	r.heap.take()
	defer r.heap.release()
	for pass := range calibrations {
		for _, g := range r.groups {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := g.calibrate(&r.heap, pass); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			r.step()
		}
	}
	order := rand.New(rand.NewPCG(r.cfg.Seed, 0))
	able := r.collected()
	share := r.cfg.Duration / time.Duration(r.cfg.Rounds*len(r.groups))
	for round := range r.cfg.Rounds {
		for _, i := range order.Perm(len(r.groups)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.groups[i].measure(&r.heap, order, share, r.cfg.Rounds); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			r.step()
		}
		if err := r.collector(round, order, able); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		r.results.Rounds++
	}
	return nil
}

func (r *runner) step() {
	r.done++
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.done, r.total)
	}
}

// close ends everything, the last thing opened first.
func (r *runner) close() error {
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	return errors.Join(errs...)
}

// collect puts what was measured in the complete rounds into the results.
func (r *runner) collect() *Results {
	for _, g := range r.groups {
		g.empty.truncate(r.results.Rounds)
		r.results.Empty = append(r.results.Empty, EmptyResult{g.session.Name, g.kind, g.empty.Cell})
		for _, c := range g.cells {
			c.truncate(r.results.Rounds)
			if c.request != nil {
				c.request.Cell = c.Cell
				r.results.Requests = append(r.results.Requests, *c.request)
			} else {
				c.floor.Cell = c.Cell
				r.results.Floors = append(r.results.Floors, *c.floor)
			}
		}
	}
	return r.results
}
