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
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"sessionengine/bench"
	"sessionengine/bench/report"
	"sessionengine/bench/scale"
	"sessionengine/bench/source"
	"sessionengine/bench/suite"
	"sessionengine/bench/survey"
	"sessionengine/internal/cmdflag"
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
		fmt.Fprintln(os.Stderr, "compare:", cmdflag.Printable(err.Error()))
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
	full     bool
	tables   bool         // show them all
	kinds    []suite.Kind // to try the encoders on
	outputs  report.Outputs
	baseline *report.Baseline
	model    bench.Model
	site     scale.Site   // as flags say, 0 where they do not
	sites    []scale.Site // to work out what they take
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

	// What cannot be read or written is better known before the measurements.
	if err := opts.baseline.Open(opts.engines, opts.sessions); err != nil {
		return usageError{err}
	}
	if err := opts.outputs.Open(); err != nil {
		return usageError{err}
	}
	defer opts.outputs.Discard()

	found, err := measure(ctx, opts, stderr)
	if found == nil {
		return err
	}
	if err := opts.baseline.Compare(found); err != nil {
		return err
	}
	document := report.New(found)
	write := document.WriteLook
	if opts.tables {
		write = document.WriteText
	}
	if err := write(stdout); err != nil {
		return err
	}
	if err := opts.outputs.Finish(found, document); err != nil {
		return err
	}
	if err == nil {
		err = opts.baseline.Judge(found)
	}
	return err
}

// measure returns a report together with an error when it was interrupted.
func measure(ctx context.Context, opts *options, stderr io.Writer) (*suite.Report, error) {
	var surveyed *survey.Survey
	if opts.taken != nil {
		var err error
		surveyed, err = survey.Take(ctx, opts.engines, opts.taken.Sessions, survey.Options{
			Seed: opts.seed, KeyNames: opts.showKeys, Sample: &opts.taken.Sample,
		})
		if err != nil {
			return nil, err
		}
	}
	progress, done := progressOn(stderr)
	cfg := suite.Config{
		Config: bench.Config{
			Engines:  opts.engines,
			Sessions: opts.sessions,
			Rounds:   opts.rounds,
			Duration: opts.duration,
			Seed:     opts.seed,

			CollectorSamples: 1,
		},
		Model:    opts.model,
		Sites:    opts.sites,
		Kinds:    opts.kinds,
		Progress: progress,
	}
	if opts.full {
		cfg.AddAll()
	}
	found, err := suite.Run(ctx, cfg)
	done()
	if found != nil {
		found.Survey = surveyed
	}
	return found, err
}

// progressOn returns a function that shows progress on w if w is a terminal,
// and one that ends it.
func progressOn(w io.Writer) (progress func(done float64), end func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	const steps = 1000
	bar := progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("measuring"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	progress = func(done float64) { bar.Set(int(done * steps)) }
	return progress, func() { bar.Clear() }
}

// databaseVariable is the environment variable that stands in for -db.
const databaseVariable = "COMPARE_DB"

// quickTime is the time that all rounds of two engines take with -quick. Tests have
// less.
var quickTime = 8 * time.Second

// usage is the text of -h, before the list of flags.
const usage = `Usage: go run . [flags]

Compares what it costs to keep sessions in signed cookies and in a database, and
says which engine to use, on one screen. Takes a minute at most with two engines,
and about ten with -full.

Flags:
`

func parse(args []string, stdout io.Writer) (*options, error) {
	opts := &options{model: bench.DefaultModel(), seed: 1}
	m := &opts.model
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors go where run's go
	quick := flags.Bool("quick", false, "take seconds: fewer sessions and shorter samples, wider intervals")
	opts.own = source.DeclareFlags(flags)
	flags.BoolVar(&opts.showKeys, "show-keys", false,
		"show the names of the heaviest keys of -sessions, which are content")
	flags.StringVar(&opts.train, "train", "", "measure nothing: make a dictionary for package signedcookie from some "+
		"of the\n-sessions, tell what it saves on the others, and write it to this `file`")
	engines := flags.String("engines", strings.Join(bench.DefaultEngines(), ","), "the `engines` to compare, of\n"+
		strings.Replace(engineNames(), ", dbstore,", ",\ndbstore,", 1)+".\nsealed: signedcookie with encrypted cookies. "+
		"+revocation: with a list of ended\nsessions on the server. -sync: waits for the disk. -mem: in memory\n")
	database := flags.String("db", "", "measure dbstore, or redisstore, on the database at this `URL` too "+
		"(sqlite:FILE,\npostgres://…, mysql://…, redis://…, redis+sentinel://…, redis+cluster://…), in tables\nof "+
		"its own there, or keys, that are deleted at the end; by default, what\n"+databaseVariable+" says in the environment, where no other user sees a password.\nIts times contain the way "+
		"to that database, and -rtt comes on top of them: with\na database as far away as your site's, say -rtt 0")
	flags.BoolVar(&opts.full, "full", false, "take about ten minutes: all engines and all sessions of the corpus, "+
		"bytes on the\nwire, load through a server, and the model against measurements")
	flags.BoolVar(&opts.tables, "tables", false, "show all tables, instead of what fits on a screen")
	flags.BoolVar(&m.MustLogOut, "must-log-out", false,
		"rule out engines with which a logout did not end a session when it was tried;\nwithout -engines, "+
			"signedcookie+revocation is compared too")
	flags.BoolVar(&m.KeepChanges, "must-not-lose-changes", false,
		"rule out engines that lost one of two changes at once when it was tried")
	opts.outputs = report.DeclareOutputs(flags)
	opts.baseline = report.DeclareBaseline(flags)
	cmdflag.Int(flags, &opts.rounds, "rounds",
		"measure everything so `many` times, 12 at least (default 24, or 12 with -quick)")
	cmdflag.Uint64(flags, &opts.seed, "seed", "the order of the measurements follows from this `number`")
	cmdflag.Duration(flags, &m.RoundTrip, "rtt", "ms",
		"model: `time` from the server to the database and back, such as 1ms; 0 for a\ndatabase on the web server")
	cmdflag.Float(flags, &m.Uplink, "uplink", "Mbit/s", "model: a visitor's uplink in `Mbit/s`, such as 5")
	cmdflag.Float(flags, &m.Downlink, "downlink", "Mbit/s", "model: a visitor's downlink in `Mbit/s`")
	cmdflag.Float(flags, &m.ReadsPerWrite, "reads-per-write", "pages",
		"model: `pages` that only read the session for each page that changes it")
	cmdflag.Int(flags, &m.RequestsPerPage, "requests-per-page", "model: `requests` of a page that carry the cookie")
	cmdflag.Int(flags, &m.SessionRequests, "session-requests",
		"model: `requests` of a page that use the session, one after the other")
	cacheHits := 100 * m.CacheHits
	cmdflag.Float(flags, &cacheHits, "cache-hits", "percent",
		"model: `percent` of the sessions asked for that a near cache has, for engines with one:\nof ten pages of a visit to web servers that take turns, all but the first on each\nfind it there, so with two of them 80 %, and with three 70 %")
	flags.BoolVar(&m.HTTP1, "http1", m.HTTP1,
		"model: HTTP/1.1, where each request carries the whole cookie, instead of HTTP/2")
	cmdflag.Float(flags, &m.CPUHour, "cpu-price", "of an hour", "model: `price` of an hour of a core")
	cmdflag.Float(flags, &m.GBOut, "egress-price", "of a GB", "model: `price` of a GB sent to visitors")
	cmdflag.Float(flags, &m.MillionQueries, "query-price", "of a million queries",
		"model: `price` of a million database queries")
	cmdflag.Float(flags, &opts.site.Sessions, "alive", "sessions", "your site: how many `sessions` are alive at a time; by "+
		"default, what two sites\ntake is worked out, with 10000 and with 10000000")
	cmdflag.Float(flags, &opts.site.Requests, "requests-per-second", "of a second", "your site: how many `requests` a "+
		"second carry the cookie, on the average of a day\n(default: one for each 500 sessions alive)")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return nil, cmdflag.Explain(flags, err, map[string]string{"http2": "without -http1 the model has HTTP/2"})
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: each value stands after its flag, without spaces; -h lists the flags",
			flags.Arg(0))
	}
	isSet := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { isSet[f.Name] = true })
	if !(cacheHits >= 0 && cacheHits <= 100) {
		return nil, fmt.Errorf("-cache-hits: %v is not between 0 and 100", cacheHits)
	}
	m.CacheHits = cacheHits / 100
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := opts.chooseSites(isSet["alive"], isSet["requests-per-second"]); err != nil {
		return nil, err
	}
	if err := opts.outputs.Check(); err != nil {
		return nil, err
	}
	if err := opts.own.Check(isSet); err != nil {
		return nil, err
	}
	if err := checkTrain(opts, isSet); err != nil {
		return nil, err
	}
	if *quick && opts.full {
		return nil, errors.New("-quick and -full contradict each other")
	}
	if !isSet["db"] {
		*database = os.Getenv(databaseVariable)
	}
	if err := opts.chooseEngines(*engines, *database, isSet); err != nil {
		return nil, err
	}
	return opts, opts.chooseWork(*quick, isSet["rounds"])
}

// chooseSites sets the sites to work out what they take, given which of a site's
// figures the flags say.
func (o *options) chooseSites(sessions, requests bool) error {
	if !sessions && !requests {
		o.sites = []scale.Site{scale.Small, scale.Large}
		return nil
	}
	site := scale.Small
	if sessions {
		site.Sessions = o.site.Sessions
	}
	if requests {
		site.Requests = o.site.Requests
	}
	if err := site.Check(); err != nil {
		return err
	}
	each := scale.Small.Sessions / scale.Small.Requests
	if !sessions {
		site.Sessions = each * site.Requests
	}
	if !requests {
		site.Requests = site.Sessions / each
	}
	o.sites = []scale.Site{site}
	return nil
}

// chooseEngines sets the engines to compare.
func (o *options) chooseEngines(engines, database string, isSet map[string]bool) (err error) {
	names := strings.Split(strings.ReplaceAll(engines, " ", ""), ",")
	switch {
	case isSet["engines"]:
	case o.full:
		names = strings.Split(engineNames(), ", ")
	case database != "":
		names = []string{"signedcookie"} // and, instead of dbstore, the one on that database
	}
	if o.model.MustLogOut && !o.full && !isSet["engines"] { // cookies that can do that
		names = slices.Insert(names, 1, "signedcookie+revocation")
	}
	if o.engines, err = bench.EnginesNamed(names...); err != nil {
		return fmt.Errorf("-engines: %w", err)
	}
	if database != "" || isSet["db"] {
		engines, err := bench.DatabaseEngines(database)
		if err != nil {
			return fmt.Errorf("-db: %w", err)
		}
		o.engines = append(o.engines, engines...)
	}
	return nil
}

// chooseWork sets for how long to measure, and what unless the user has sessions
// of their own. The rounds are as they are if they were given.
func (o *options) chooseWork(quick, roundsGiven bool) (err error) {
	kinds, rounds, all := bench.DefaultShapes(), 24, 7*quickTime/2
	switch {
	case quick:
		kinds, rounds, all = bench.QuickShapes(), bench.MinRounds, quickTime
	case o.full:
		kinds, rounds, all = bench.CorpusShapes(), 24, 9*quickTime
	}
	if !roundsGiven {
		o.rounds = rounds
	}
	if o.rounds < bench.MinRounds || o.rounds > 1000 {
		return fmt.Errorf("-rounds: %d is not between %d, below which there are no intervals, and 1000", o.rounds,
			bench.MinRounds)
	}
	// That is for two engines, and so many rounds; more take longer.
	o.duration = time.Duration(o.rounds*max(len(o.engines), 2)) * all / time.Duration(2*rounds)
	if o.own.Location != "" {
		return nil
	}
	o.sessions, err = bench.Corpus(kinds...)
	for _, kind := range kinds {
		all, kindErr := bench.CorpusSessions(kind)
		err = errors.Join(err, kindErr)
		o.kinds = append(o.kinds, suite.Kind{Name: kind, Sessions: all})
	}
	return err
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
		case "train", "seed", "sessions", "scheme", "cookie", "table", "context", "secret-file", "secret-encoding",
			"dictionary":
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
	o.kinds = []suite.Kind{{Name: "yours", Sessions: taken.Sessions}}
	return nil
}

// train makes a dictionary from the user's sessions.
func train(ctx context.Context, opts *options, stdout io.Writer) error {
	training, err := survey.Train(ctx, opts.taken.Sessions, opts.seed)
	switch {
	case errors.Is(err, survey.ErrTooFewSessions) || errors.Is(err, survey.ErrNothingInCommon):
		return usageError{fmt.Errorf("-train: %w", err)}
	case err != nil:
		return err
	}
	if err := training.WriteFile(opts.train); err != nil {
		return usageError{fmt.Errorf("-train: %w", cmdflag.WithoutPath(err, opts.train))}
	}
	if err := report.WriteTraining(stdout, &opts.taken.Sample, training); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nIt is in %s.\n", cmdflag.Printable(opts.train))
	return err
}

func engineNames() string {
	var names []string
	for _, e := range bench.Engines() {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}
