// Package suite runs what package bench and the packages below it measure, and
// puts it into one report.
package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/load"
	"sessionengine/bench/wire"
)

// Config says what [Run] measures.
type Config struct {
	// Config is for requests in this process, which are always measured. Its
	// Progress is not called.
	bench.Config

	Model bench.Model

	// Kinds are sessions to try the encoders on, some of each kind.
	Kinds []Kind

	// Full adds the bytes on the wire, load through a server, and slow links,
	// which the model is held against: about five minutes more with two engines
	// and three sessions.
	Full bool

	// Progress, unless nil, is called now and then with the share of the run
	// that is done, from 0 to 1, in time.
	Progress func(done float64)
}

// encoded is how many sessions of a kind are given to the encoders at most.
const encoded = 500

// A Kind is a number of sessions that are alike.
type Kind struct {
	Name     string
	Sessions []bench.Session
}

// A Report is all that a run found.
type Report struct {
	*bench.Report
	Stages []Stage            `json:"stages"`
	Wire   *wire.Result       `json:"wire,omitempty"`
	Load   *load.Result       `json:"load,omitempty"`
	Links  *load.Measurements `json:"links,omitempty"`
}

// A Stage is a part of the run.
type Stage struct {
	Name  StageName `json:"name"`
	State State     `json:"state"`
}

// A StageName names a part of a run.
type StageName string

// The stages, in their order.
const (
	Requests StageName = "requests in this process"
	Encoders StageName = "encoders"
	Wire     StageName = "bytes on the wire"
	Load     StageName = "load through a server"
	Links    StageName = "slow links"
)

// A State is what has become of a stage.
type State string

// The states. A stage that was interrupted may have results, of the rounds that
// were complete.
const (
	Done        State = "done"
	Interrupted State = "interrupted"
	NotAsked    State = "not asked for"
)

// State returns what has become of a stage.
func (r *Report) State(name StageName) State {
	for _, s := range r.Stages {
		if s.Name == name {
			return s.State
		}
	}
	return NotAsked
}

// Run measures what cfg says. When ctx ends, it returns what it has together
// with the context's error; the report says what is missing.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	report := &Report{Report: new(bench.Report)}
	run := &run{cfg: cfg, report: report}
	for _, s := range run.stages() {
		state := Done
		var err error
		switch {
		case s.run == nil:
			state = NotAsked
		case ctx.Err() != nil && s.name != Requests: // which always have a report
			state = Interrupted
		default:
			if err = s.run(ctx); err != nil && ctx.Err() == nil {
				return nil, err
			}
			if err != nil {
				state = Interrupted
			}
			run.done += s.takes
		}
		report.Stages = append(report.Stages, Stage{s.name, state})
	}
	return report, ctx.Err()
}

// A run is a Run under way.
type run struct {
	cfg    Config
	report *Report

	// done and total are how long the stages take that are over, and all.
	done, total time.Duration
}

// A stage measures one part of the report. Its time is an estimate, for the
// progress.
type stage struct {
	name  StageName
	takes time.Duration
	run   func(context.Context) error // nil if it was not asked for
}

func (r *run) stages() []stage {
	cells := len(r.cfg.Engines) * len(r.cfg.Sessions)
	stages := []stage{
		{Requests, r.cfg.Duration + time.Duration(cells)*300*time.Millisecond, r.requests},
		{Encoders, time.Duration(len(r.cfg.Kinds)) * 100 * time.Millisecond, r.encoders},
		{Wire, time.Duration(2*cells) * 150 * time.Millisecond, r.wire},
		{Load, 75 * time.Second, r.load},
		{Links, 200 * time.Second, r.links},
	}
	for i, s := range stages {
		if s.name != Requests && s.name != Encoders && !r.cfg.Full || s.name == Encoders && len(r.cfg.Kinds) == 0 {
			stages[i].run = nil
			continue
		}
		r.total += s.takes
	}
	return stages
}

// progress returns a function for a stage to call.
func (r *run) progress(takes time.Duration) func(done, total int) {
	if r.cfg.Progress == nil {
		return nil
	}
	return func(done, total int) {
		r.cfg.Progress((float64(r.done) + float64(takes)*float64(done)/float64(total)) / float64(r.total))
	}
}

func (r *run) takes(name StageName) time.Duration {
	stages := (&run{cfg: r.cfg}).stages()
	return stages[slices.IndexFunc(stages, func(s stage) bool { return s.name == name })].takes
}

func (r *run) requests(ctx context.Context) error {
	cfg := r.cfg.Config
	cfg.Progress = r.progress(r.takes(Requests))
	results, err := bench.Run(ctx, cfg)
	if results == nil {
		return err
	}
	r.report.Report = bench.Analyze(results, r.cfg.Model)
	return err
}

func (r *run) encoders(ctx context.Context) error {
	for _, kind := range r.cfg.Kinds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		sizes, err := bench.MeasureEncoders(ctx, kind.Name, evenly(kind.Sessions, encoded))
		if err != nil {
			return err
		}
		r.report.Encoders = append(r.report.Encoders, sizes...)
	}
	return nil
}

// evenly returns n of the sessions, evenly spaced, or all if there are fewer.
func evenly(sessions []bench.Session, n int) []bench.Session {
	if len(sessions) <= n {
		return sessions
	}
	some := make([]bench.Session, n)
	for i := range some {
		some[i] = sessions[i*len(sessions)/n]
	}
	return some
}

func (r *run) wire(ctx context.Context) (err error) {
	r.report.Wire, err = wire.Measure(ctx, r.cfg.Engines, r.cfg.Sessions, wire.DefaultTrace())
	return err
}

func (r *run) load(ctx context.Context) (err error) {
	cfg := load.DefaultConfig(r.cfg.Engines, r.few())
	cfg.Mixes = []load.Mix{load.Mixed}
	cfg.Seed = r.cfg.Seed
	cfg.Progress = r.progress(r.takes(Load))
	r.report.Load, err = load.Run(ctx, cfg)
	return err
}

func (r *run) links(ctx context.Context) (err error) {
	engines, err := r.distant()
	if err != nil || len(engines) == 0 {
		return err
	}
	grid := load.DefaultGrid(engines, r.few())
	grid.Seed = r.cfg.Seed
	grid.Progress = r.progress(r.takes(Links))
	r.report.Links, err = load.Measure(ctx, grid)
	if r.report.Links == nil || r.report.Rounds == 0 {
		return err
	}
	observations, observeErr := r.report.Links.Observe(r.report.Results, r.cfg.Model)
	if observeErr != nil {
		return observeErr
	}
	r.report.Validation = bench.Validate(observations)
	return err
}

// few returns the sessions that are tried through a server, since all of them
// would take too long: two of those that are compared in a hurry, or else the
// first two.
func (r *run) few() []bench.Session {
	var few []bench.Session
	for _, s := range r.cfg.Sessions {
		if slices.Contains(bench.QuickKinds(), s.Name) {
			few = append(few, s)
		}
	}
	if len(few) == 0 {
		few = r.cfg.Sessions
	}
	return few[:min(2, len(few))]
}

// distant returns those of the engines whose database, if they have one, can be
// put at a distance.
func (r *run) distant() ([]load.Engine, error) {
	waiting, err := load.Waiting()
	if err != nil {
		return nil, err
	}
	var engines []load.Engine
	for _, e := range r.cfg.Engines {
		switch {
		case !slices.Contains(bench.DefaultEngines(), e.Name):
		case e.Name == waiting.Name:
			engines = append(engines, waiting)
		default:
			engines = append(engines, load.Local(e))
		}
	}
	return engines, nil
}

// WriteText writes the report for people to read, in lines of at most
// [bench.TextWidth] columns.
func (r *Report) WriteText(w io.Writer) error {
	var more []func(io.Writer) error
	add := func(title string, write func(io.Writer) error) {
		more = append(more, func(w io.Writer) error {
			if _, err := fmt.Fprintf(w, "\n%s\n", title); err != nil {
				return err
			}
			return write(w)
		})
	}
	if r.Wire != nil {
		add("BYTES ON THE WIRE", r.Wire.WriteText)
	}
	if r.Load != nil && r.Load.Rounds > 0 {
		add("THROUGH A SERVER", r.Load.WriteText)
	}
	if missing := r.missing(); missing != nil {
		more = append(more, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "\nINTERRUPTED: not all was measured of these:\n")
			for _, name := range missing {
				if err == nil {
					_, err = fmt.Fprintf(w, "  %s\n", name)
				}
			}
			return err
		})
	}
	return r.Report.WriteText(w, more...)
}

// missing names what was interrupted.
func (r *Report) missing() []StageName {
	var names []StageName
	for _, s := range r.Stages {
		if s.State == Interrupted {
			names = append(names, s.Name)
		}
	}
	return names
}

// WriteJSON writes the report with all raw results.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(r)
}
