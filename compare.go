// Compare measures what it costs to keep sessions in cookies and in a database,
// on sessions of usual shapes or of your own, and tells which engine to take
// under which circumstances.
//
// Run "go run . -h" for its flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sessionengine/bench"
	"sessionengine/bench/source"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "compare: interrupted")
	case err != nil:
		fmt.Fprintln(os.Stderr, "compare:", err)
	}
	os.Exit(exitStatus(err))
}

// A usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitStatus(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130 // as for a program that SIGINT has ended
	}
	return 1
}

// options are what the flags say.
type options struct {
	engines  []bench.Engine
	sessions []bench.Session
	own      *source.Flags    // where the user's sessions are
	taken    *source.Sessions // the user's sessions; nil without -sessions
	showKeys bool
	train    string
	rounds   int
	duration time.Duration
	seed     uint64
	json     string
	model    bench.Model
}

// run compares the engines as args say. The report goes to stdout, progress to
// stderr if that is a terminal. When ctx ends, it reports what it has.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	if err := opts.readSessions(ctx); err != nil {
		return err
	}
	if opts.train != "" {
		return train(ctx, opts, stdout)
	}

	// A file that cannot be written is better known before the measurements.
	var output *os.File
	if opts.json != "" {
		output, err = os.CreateTemp(filepath.Dir(opts.json), filepath.Base(opts.json)+".*.tmp")
		if err != nil {
			return usageError{fmt.Errorf("-json: %w", withoutPath(err, opts.json))}
		}
		defer os.Remove(output.Name()) // unless it was renamed
		defer output.Close()
	}

	report, err := measure(ctx, opts, stderr)
	if report == nil {
		return err
	}
	if err := report.WriteText(stdout); err != nil {
		return err
	}
	if output != nil {
		if err := finish(output, report, opts.json); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	return err
}

// measure returns a report together with an error when it was interrupted.
func measure(ctx context.Context, opts *options, stderr io.Writer) (*bench.Report, error) {
	var survey *bench.Survey
	if opts.taken != nil {
		var err error
		survey, err = bench.SurveySessions(ctx, opts.engines, opts.taken.Sessions, bench.SurveyOptions{
			Seed: opts.seed, KeyNames: opts.showKeys, Sample: &opts.taken.Sample,
		})
		if err != nil {
			return nil, err
		}
	}
	progress, done := progressOn(stderr)
	results, err := bench.Run(ctx, bench.Config{
		Engines:  opts.engines,
		Sessions: opts.sessions,
		Rounds:   opts.rounds,
		Duration: opts.duration,
		Seed:     opts.seed,
		Progress: progress,
	})
	done()
	if results == nil {
		return nil, err
	}
	report := bench.Analyze(results, opts.model)
	report.Survey = survey
	return report, err
}

// progressOn returns a function that shows progress on w if w is a terminal,
// and one that ends it.
func progressOn(w io.Writer) (progress func(done, total int), end func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("measuring"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	progress = func(done, total int) {
		bar.ChangeMax(total)
		bar.Set(done)
	}
	return progress, func() { bar.Clear() }
}

// finish writes the report to the temporary file and puts it in its place, so
// that there never is half a report under that name.
func finish(f *os.File, report *bench.Report, path string) error {
	err := report.WriteJSON(f)
	if err == nil {
		err = f.Chmod(0o644) // temporary files are for their owner only
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// usage is the text of -h, before the list of flags.
const usage = `Usage: go run . [flags]

Compares what it costs to keep sessions in signed cookies and in a database, and
tells which engine to take. Takes about a minute with two engines.

Flags:
`

func parse(args []string, stdout io.Writer) (*options, error) {
	opts := &options{model: bench.DefaultModel()}
	m := &opts.model
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors go where run's go
	quick := flags.Bool("quick", false, "take seconds: fewer sessions and shorter samples, wider intervals")
	opts.own = source.DeclareFlags(flags)
	flags.BoolVar(&opts.showKeys, "show-keys", false, "show the names of the heaviest keys of -sessions, which are content")
	flags.StringVar(&opts.train, "train", "", "measure nothing: make a dictionary for package signedcookie from some of the\n-sessions, tell what it saves on the others, and write it to this `file`")
	engines := flags.String("engines", strings.Join(bench.DefaultEngines(), ","), "the `engines` to compare, of\n"+engineNames())
	database := flags.String("db", "", "measure dbstore on the database at this `URL` too (sqlite:FILE, postgres://…,\nmysql://…), in tables of its own there that are dropped at the end")
	flags.StringVar(&opts.json, "json", "", "write the report with all raw results to this `file`")
	flags.IntVar(&opts.rounds, "rounds", 0, "measure everything so `many` times (default 10, or 8 with -quick)")
	flags.Uint64Var(&opts.seed, "seed", 1, "the order of the measurements follows from this `number`")
	flags.DurationVar(&m.RoundTrip, "rtt", m.RoundTrip, "model: `time` from the server to the database and back")
	flags.Float64Var(&m.Uplink, "uplink", m.Uplink, "model: a visitor's uplink in `Mbit/s`")
	flags.Float64Var(&m.Downlink, "downlink", m.Downlink, "model: a visitor's downlink in `Mbit/s`")
	flags.Float64Var(&m.ReadsPerWrite, "reads-per-write", m.ReadsPerWrite, "model: `pages` that read the session for each that changes it")
	flags.IntVar(&m.RequestsPerPage, "requests-per-page", m.RequestsPerPage, "model: `requests` of a page that carry the cookie")
	flags.BoolVar(&m.HTTP1, "http1", m.HTTP1, "model: HTTP/1.1, where each request carries the whole cookie")
	flags.Float64Var(&m.CPUHour, "cpu-price", m.CPUHour, "model: `price` of an hour of a core")
	flags.Float64Var(&m.GBOut, "egress-price", m.GBOut, "model: `price` of a GB sent to visitors")
	flags.Float64Var(&m.MillionQueries, "query-price", m.MillionQueries, "model: `price` of a million database queries")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; -h lists the flags", flags.Arg(0))
	}
	isSet := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { isSet[f.Name] = true })
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := opts.own.Check(isSet); err != nil {
		return nil, err
	}
	if err := checkTrain(opts, isSet); err != nil {
		return nil, err
	}

	names := strings.Split(*engines, ",")
	if *database != "" && !isSet["engines"] {
		names = []string{"signedcookie"} // and, instead of dbstore, the one on that database
	}
	var err error
	if opts.engines, err = bench.EnginesNamed(names...); err != nil {
		return nil, fmt.Errorf("-engines: %w", err)
	}
	if isSet["db"] {
		engine, err := bench.DatabaseEngine(*database)
		if err != nil {
			return nil, fmt.Errorf("-db: %w", err)
		}
		opts.engines = append(opts.engines, engine)
	}
	kinds, rounds := bench.DefaultKinds(), 10
	round := 4 * time.Second
	if *quick {
		kinds, rounds = bench.QuickKinds(), 8
		round = time.Second
	}
	if !isSet["rounds"] {
		opts.rounds = rounds
	}
	if opts.rounds < 1 || opts.rounds > 1000 {
		return nil, fmt.Errorf("-rounds: %d is not between 1 and 1000", opts.rounds)
	}
	// That is for two engines; more take longer.
	opts.duration = time.Duration(opts.rounds*max(len(opts.engines), 2)) * round / 2
	if opts.own.Location == "" {
		opts.sessions, err = bench.Corpus(kinds...)
	}
	return opts, err
}

// checkTrain finds what does not go together with -train, and with -sessions
// missing.
func checkTrain(opts *options, isSet map[string]bool) error {
	if opts.showKeys && opts.own.Location == "" {
		return errors.New("-show-keys needs -sessions")
	}
	if !isSet["train"] {
		return nil
	}
	if opts.own.Location == "" {
		return errors.New("-train makes a dictionary from your own sessions: it needs -sessions")
	}
	for _, name := range slices.Sorted(maps.Keys(isSet)) {
		switch name {
		case "train", "seed", "sessions", "scheme", "cookie", "table", "secret-file", "secret-encoding", "dictionary":
		default:
			return fmt.Errorf("-train measures nothing, so that -%s has no meaning with it", name)
		}
	}
	if _, err := os.Lstat(opts.train); err == nil {
		return fmt.Errorf("-train: %s: %w", opts.train, fs.ErrExist)
	}
	return nil
}

// readSessions reads the user's sessions, and picks those to measure.
func (o *options) readSessions(ctx context.Context) error {
	if o.own.Location == "" {
		return nil
	}
	taken, err := o.own.Read(ctx, "yours")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return usageError{err}
	}
	o.taken = taken
	o.sessions = bench.Representatives(taken.Sessions, "yours")
	return nil
}

// train makes a dictionary from the user's sessions.
func train(ctx context.Context, opts *options, stdout io.Writer) error {
	training, err := bench.TrainDictionary(ctx, opts.taken.Sessions, opts.seed)
	switch {
	case errors.Is(err, bench.ErrTooFewSessions) || errors.Is(err, bench.ErrNothingInCommon):
		return usageError{fmt.Errorf("-train: %w", err)}
	case err != nil:
		return err
	}
	if err := training.WriteFile(opts.train); err != nil {
		return usageError{fmt.Errorf("-train: %w", withoutPath(err, opts.train))}
	}
	if err := errors.Join(opts.taken.WriteText(stdout), training.WriteText(stdout)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nIt is in %s.\n", opts.train)
	return err
}

func engineNames() string {
	var names []string
	for _, e := range bench.Engines() {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

// withoutPath returns an error of the file system as "path: reason".
func withoutPath(err error, path string) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", path, e.Err)
	}
	return err
}
