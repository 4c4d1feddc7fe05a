package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Config says what [Run] measures, and for how long.
type Config struct {
	Engines  []Engine
	Sessions []Session

	// Rounds is how often everything is measured. Six are needed for an
	// interval at 95 %, eight at 99 %.
	Rounds int

	// Duration is about how long the rounds take together. The samples in them
	// are as long as it allows, from a millisecond to a tenth of a second.
	Duration time.Duration

	// Seed determines the order of the measurements within each round.
	Seed uint64

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
// checks that each does what it should.
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

	r := &runner{cfg: cfg, dir: dir, results: &Results{Environment: environment(), Settings: cfg.settings()}}
	err = r.open(ctx)
	if err == nil {
		err = r.rounds(ctx)
	}
	if closeErr := r.close(); err == nil {
		err = closeErr
	}
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return r.collect(), ctx.Err()
}

func (c *Config) settings() Settings {
	s := Settings{Rounds: c.Rounds, Seed: c.Seed}
	for _, e := range c.Engines {
		s.Engines = append(s.Engines, e.Name)
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
	jobs    []*job
	closers []func() error

	done, total int
}

// A job is a task that is measured in each round.
type job struct {
	name   string // for errors
	task   task
	series Series

	// What the task is of; one of these, or neither for the empty handler.
	request *RequestResult
	floor   *FloorResult
}

// open sets everything up: the engines, twice each, and all tasks, each of
// which is tried on the engine that counts.
func (r *runner) open(ctx context.Context) error {
	// Requests and statements are not cut short by an interruption; the run
	// ends between two measurements.
	running := context.WithoutCancel(ctx)
	requestCtx, cancel := context.WithCancel(running)
	r.closers = append(r.closers, func() error { cancel(); return nil })

	cells := len(r.cfg.Engines) * len(r.cfg.Sessions) * len(Kinds())
	jobs := 1 + cells
	for _, e := range r.cfg.Engines {
		if e.Floor != nil {
			jobs += 2 * len(r.cfg.Sessions)
		}
	}
	r.total = cells + (r.cfg.Rounds+1)*jobs

	r.jobs = append(r.jobs, &job{name: "empty handler", task: newEmpty(requestCtx, emptyCookie)})
	for i, engine := range r.cfg.Engines {
		dir := filepath.Join(r.dir, fmt.Sprint(i))
		site, err := r.openSite(running, engine, filepath.Join(dir, "timed"), nil)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", engine.Name, err)
		}
		var count Counter
		observed, err := r.openSite(running, engine, filepath.Join(dir, "counted"), &count)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", engine.Name, err)
		}
		behaviours, err := observeBehaviours(requestCtx, observed)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", engine.Name, err)
		}
		for _, b := range behaviours {
			b.Engine = engine.Name
			r.results.Behaviours = append(r.results.Behaviours, b)
		}
		for j, s := range r.cfg.Sessions {
			for _, kind := range Kinds() {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				name := fmt.Sprintf("%s/%s/%s", engine.Name, s.Name, kind)
				result := &RequestResult{Engine: engine.Name, Session: s.Name, Kind: kind}
				task, err := openRequests(requestCtx, site, observed, &count, engine.Cache, s, result)
				if err != nil {
					return fmt.Errorf("bench: %s: %w", name, err)
				}
				r.jobs = append(r.jobs, &job{name: name, task: task, request: result})
				r.step()
			}
			if err := r.openFloor(running, engine, s, filepath.Join(dir, fmt.Sprint("floor", j))); err != nil {
				return fmt.Errorf("bench: %s/%s/floor: %w", engine.Name, s.Name, err)
			}
		}
	}
	// What surrounds a sample, a garbage collection above all, takes time too.
	const around = 8 * time.Millisecond
	each := r.cfg.Duration / time.Duration((r.cfg.Rounds+calibrations)*len(r.jobs))
	r.results.Settings.Sample = min(max(each-around, time.Millisecond), 100*time.Millisecond)
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
	trial, err := newRequests(ctx, observed, s, result.Kind, ring)
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

func (r *runner) openFloor(ctx context.Context, e Engine, s Session, dir string) error {
	if e.Floor == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	floor, err := e.Floor(ctx, dir, s)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, floor.Close)
	for _, f := range []struct {
		kind Kind
		do   func() error
	}{{Read, floor.Read}, {Write, floor.Write}} {
		r.jobs = append(r.jobs, &job{
			name:  fmt.Sprintf("%s/%s/floor/%s", e.Name, s.Name, f.kind),
			task:  funcTask(f.do),
			floor: &FloorResult{Engine: e.Name, Session: s.Name, Kind: f.kind},
		})
	}
	return nil
}

// rounds measures: one calibration and the rounds themselves.
func (r *runner) rounds(ctx context.Context) error {
	for _, j := range r.jobs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if j.task != nil {
			if err := j.calibrate(r.results.Settings.Sample); err != nil {
				return fmt.Errorf("bench: %s: %w", j.name, err)
			}
		}
		r.step()
	}
	order := rand.New(rand.NewPCG(r.cfg.Seed, 0))
	for range r.cfg.Rounds {
		for _, i := range order.Perm(len(r.jobs)) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if j := r.jobs[i]; j.task != nil {
				if err := j.measure(); err != nil {
					return fmt.Errorf("bench: %s: %w", j.name, err)
				}
			}
			r.step()
		}
		r.results.Rounds++
	}
	return nil
}

// maxIterations bounds a sample, and with it the sessions that a sample of
// logouts needs.
const maxIterations = 200_000

// calibrations is how often a number of iterations has to take long enough. If
// it were once, a moment in which the machine does something else would give a
// task so few iterations, for the whole run, that it is measured cold.
const calibrations = 3

// calibrate finds the number of iterations that take as long as sample.
func (j *job) calibrate(sample time.Duration) error {
	for n := 1; ; {
		elapsed := time.Duration(math.MaxInt64)
		for range calibrations {
			m, err := measure(j.task, n)
			if err != nil {
				return err
			}
			if elapsed = min(elapsed, m.elapsed); elapsed < sample*3/4 {
				break
			}
		}
		j.series.Iterations = n
		if elapsed >= sample*3/4 || n == maxIterations {
			return nil
		}
		perOp := max(elapsed/time.Duration(n), 1)
		next := int(sample / perOp)
		// A first, cold run says little, so that n grows step by step.
		n = min(max(next, n+1), 20*n, maxIterations)
	}
}

func (j *job) measure() error {
	m, err := measure(j.task, j.series.Iterations)
	if err != nil {
		return err
	}
	n := float64(j.series.Iterations)
	j.series.Nanosec = append(j.series.Nanosec, float64(m.elapsed)/n)
	j.series.Allocs = append(j.series.Allocs, float64(m.allocs)/n)
	j.series.Bytes = append(j.series.Bytes, float64(m.bytes)/n)
	return nil
}

type measurement struct {
	elapsed       time.Duration
	allocs, bytes uint64
}

// measure runs a task n times, and checks it.
func measure(t task, n int) (measurement, error) {
	if err := t.prepare(n); err != nil {
		return measurement{}, err
	}
	runtime.GC() // nobody pays for another one's garbage
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := t.run(n)
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	if err == nil {
		err = t.check()
	}
	return measurement{elapsed, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc}, err
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

// collect puts the series of the complete rounds into the results.
func (r *runner) collect() *Results {
	for _, j := range r.jobs {
		if j.task != nil {
			j.series.truncate(min(r.results.Rounds, len(j.series.Nanosec)))
		}
		switch {
		case j.request != nil:
			j.request.Series = j.series
			r.results.Requests = append(r.results.Requests, *j.request)
		case j.floor != nil:
			j.floor.Series = j.series
			r.results.Floors = append(r.results.Floors, *j.floor)
		default:
			r.results.Empty = j.series
		}
	}
	return r.results
}
