// Package suite runs what package bench and the packages below it measure, and
// puts it into one report.
package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
	"sessionengine/bench/scale"
	"sessionengine/bench/survey"
)

// Config says what [Run] measures.
type Config struct {
	// Config is for requests in this process, which are always measured. Its
	// Progress is not called.
	bench.Config

	Model bench.Model

	// Sites are sites to work out what the engines take there.
	Sites []scale.Site

	// Kinds are sessions to try the encoders on, some of each kind.
	Kinds []Kind

	// Progress, unless nil, is called now and then with the share of the run
	// that is done, from 0 to 1, in time.
	Progress func(done float64)

	// What else is measured; nil is not. AddAll sets all of them.
	trace *network.Trace      // bytes on the wire, of all engines and sessions
	load  *network.LoadConfig // load through a server
	links *network.Grid       // slow links, which the model is held against
}

// encoded is how many sessions of a kind are given to the encoders at most.
const encoded = 500

// A Kind is a number of sessions that are alike.
type Kind struct {
	Name     string
	Sessions []bench.Session
}

// AddAll adds bytes on the wire, load, and slow links, for which it takes two of
// the sessions, since all would take too long. It is about five minutes more.
func (c *Config) AddAll() {
	trace := network.DefaultTrace()
	c.trace = &trace

	some := c.few()
	cfg := network.DefaultLoad(c.Engines, some)
	cfg.Seed = c.Seed
	c.load = &cfg

	c.AddLinks()
}

// AddLinks adds slow links alone, which the model is held against, for two of the
// sessions and all engines but those that are a variant of another's database.
func (c *Config) AddLinks() {
	able := slices.DeleteFunc(slices.Clone(c.Engines), func(e bench.Engine) bool {
		return e.Name == "dbstore-sync" || e.Name == "dbstore-mem"
	})
	if len(able) > 0 {
		grid := network.DefaultGrid(able, c.few())
		grid.Seed = c.Seed
		c.links = &grid
	}
}

// few returns two of the sessions that are compared in a hurry, or else the
// first two.
func (c *Config) few() []bench.Session {
	var few []bench.Session
	for _, s := range c.Sessions {
		if slices.Contains(bench.QuickShapes(), s.Name) {
			few = append(few, s)
		}
	}
	if len(few) == 0 {
		few = c.Sessions
	}
	return few[:min(2, len(few))]
}

// A Report is all that a run found.
type Report struct {
	*bench.Report
	Sites      []scale.Outlook       `json:"sites,omitempty"`      // what the engines take at sites of some size
	Validation *network.Validation   `json:"validation,omitempty"` // of the model
	Encoders   []survey.EncoderSizes `json:"encoders,omitempty"`
	Survey     *survey.Survey        `json:"survey,omitempty"` // of the user's own sessions
	Stages     []Stage               `json:"stages"`
	Wire       *network.Traffic      `json:"wire,omitempty"`
	Load       *network.LoadResult   `json:"load,omitempty"`
	Links      *network.PageResult   `json:"links,omitempty"`

	// Changes are those since an earlier run, if the run is compared with one.
	Changes *bench.Changes `json:"changes,omitempty"`
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
	run.plan()
	for _, s := range run.stages {
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
	stages []stage

	// done and total are how long the stages that are done take, and all of them.
	done, total time.Duration
}

// A stage measures one part of the report. Its time is an estimate, for the
// progress.
type stage struct {
	name  StageName
	takes time.Duration
	run   func(context.Context) error // nil if it was not asked for
}

// plan sets the stages.
func (r *run) plan() {
	cells := len(r.cfg.Engines) * len(r.cfg.Sessions)
	add := func(name StageName, asked bool, n int, each time.Duration, run func(context.Context) error) {
		s := stage{name: name}
		if asked {
			s.takes, s.run = time.Duration(n)*each, run
		}
		r.stages = append(r.stages, s)
		r.total += s.takes
	}
	add(Requests, true, 1, r.cfg.Duration+time.Duration(cells)*300*time.Millisecond, r.requests)
	add(Encoders, len(r.cfg.Kinds) > 0, len(r.cfg.Kinds), 100*time.Millisecond, r.encoders)
	add(Wire, r.cfg.trace != nil, 2*(cells+len(r.cfg.Sessions)), 150*time.Millisecond, r.wire)
	samples, pages := 0, 0
	if c := r.cfg.load; c != nil {
		samples = c.Rounds * len(c.Sessions) * len(c.Concurrency) * (len(c.Engines) + 1)
	}
	if g := r.cfg.links; g != nil {
		pages = g.Rounds * len(g.Sessions) * len(g.HTTP1) * len(g.RoundTrips) * len(g.Visitors) * (len(g.Engines) +
			1) * 2 * g.Pages
	}
	add(Load, r.cfg.load != nil, samples, 400*time.Millisecond, r.load)
	add(Links, r.cfg.links != nil, pages, 50*time.Millisecond, r.links)
}

// progress returns a function for a stage to call.
func (r *run) progress(name StageName) func(done, total int) {
	if r.cfg.Progress == nil {
		return nil
	}
	takes := r.stages[slices.IndexFunc(r.stages, func(s stage) bool { return s.name == name })].takes
	return func(done, total int) {
		r.cfg.Progress((float64(r.done) + float64(takes)*float64(done)/float64(total)) / float64(r.total))
	}
}

func (r *run) requests(ctx context.Context) error {
	cfg := r.cfg.Config
	cfg.Progress = r.progress(Requests)
	results, err := bench.Run(ctx, cfg)
	if results == nil {
		return err
	}
	r.report.Report = bench.Analyze(results, r.cfg.Model)
	r.report.Sites = scale.Outlooks(r.report.Report, r.cfg.Sites)
	return err
}

func (r *run) encoders(ctx context.Context) error {
	for _, kind := range r.cfg.Kinds {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		sizes, err := survey.MeasureEncoders(ctx, kind.Name, evenly(kind.Sessions, encoded))
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
	r.report.Wire, err = network.CountBytes(ctx, r.cfg.Engines, r.cfg.Sessions, *r.cfg.trace)
	return err
}

func (r *run) load(ctx context.Context) (err error) {
	cfg := *r.cfg.load
	cfg.Progress = r.progress(Load)
	r.report.Load, err = network.RunLoad(ctx, cfg)
	return err
}

func (r *run) links(ctx context.Context) (err error) {
	grid := *r.cfg.links
	grid.Progress = r.progress(Links)
	r.report.Links, err = network.MeasurePages(ctx, grid)
	if r.report.Links == nil || r.report.Rounds == 0 {
		return err
	}
	observations, observeErr := r.report.Links.Observe(r.report.Report, r.cfg.Model)
	if observeErr != nil {
		return observeErr
	}
	r.report.Validation = network.Validate(observations)
	return err
}

// format is the version of the raw results in a report that is written as JSON. It
// changes when an older program would misunderstand them.
const format = 1

// WriteJSON writes the report with all raw results.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(struct {
		Format int `json:"format"`
		*Report
	}{format, r})
}

// maxReport is the size of the largest report that is read, in bytes.
const maxReport = 256 << 20

// ReadJSON reads the raw results of a report that WriteJSON has written.
func ReadJSON(r io.Reader) (*bench.Results, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxReport {
		return nil, fmt.Errorf("it is larger than %d MB", maxReport>>20)
	}
	if !json.Valid(text) {
		return nil, errors.New("it is no report of -json")
	}
	var version struct{ Format int }
	json.Unmarshal(text, &version) // what is no object has no version
	if version.Format != format {
		return nil, fmt.Errorf("it is no report of this version's -json (format %d; it has %d): take it again",
			format, version.Format)
	}
	results := new(bench.Results)
	if err := json.Unmarshal(text, results); err != nil {
		return nil, fmt.Errorf("it is no report of -json: %w", err)
	}
	return results, nil
}
