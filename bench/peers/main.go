package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/report"
	"sessionengine/bench/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// groups returns the engines that are shown together; ratios are to the first one
// of a group. Those on PostgreSQL need a server.
func groups(postgres string) [][]string {
	all := [][]string{
		{"signedcookie", "sealed", "gorilla-json", "gorilla-gob"},
		{"dbstore", "scs-sqlite"},
		{"dbstore-mem", "scs-mem", "plain-map"},
	}
	if postgres != "" {
		all = append(all, []string{"dbstore-postgres", "scs-postgres"})
	}
	return all
}

// engines returns the engines of all groups.
func engines(postgres string) ([]bench.Engine, error) {
	others := map[string]bench.Engine{
		"gorilla-json": gorilla("gorilla-json", jsonValues{}),
		"gorilla-gob":  gorilla("gorilla-gob", nil),
		"scs-sqlite":   scsSQLite("scs-sqlite"),
		"scs-mem":      scsMemory("scs-mem"),
		"plain-map":    plainMap("plain-map"),
	}
	if postgres != "" {
		ours, err := bench.DatabaseEngine(postgres)
		if err != nil {
			return nil, err
		}
		others[ours.Name] = ours
		others["scs-postgres"] = scsPostgres("scs-postgres", postgres)
	}
	var all []bench.Engine
	for _, group := range groups(postgres) {
		for _, name := range group {
			if other, ok := others[name]; ok {
				all = append(all, other)
				continue
			}
			ours, err := bench.EnginesNamed(name)
			if err != nil {
				return nil, err
			}
			all = append(all, ours...)
		}
	}
	return all, nil
}

// run measures all engines in the same rounds and writes the tables of each
// group.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	rounds := flags.Int("rounds", 10, "measure everything so `many` times")
	duration := flags.Duration("time", 90*time.Second, "`time` for all rounds together, about")
	seed := flags.Uint64("seed", 1, "the order of the measurements follows from this `number`")
	postgres := flags.String("postgres", "",
		"measure on the PostgreSQL server at this `URL` too; everything it makes there is dropped")
	behaviour := flags.Bool("behaviour", false, "measure nothing: try what the libraries do where no figure shows it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *behaviour {
		return tryAll(ctx, stdout)
	}
	all, err := engines(*postgres)
	if err != nil {
		return err
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		return err
	}
	results, err := bench.Run(ctx, bench.Config{Engines: all, Sessions: sessions, Rounds: *rounds, Duration: *duration,
		Seed: *seed})
	if results == nil {
		return err
	}
	env := results.Environment
	fmt.Fprintf(stdout, "%s, %d cores for Go; %s, %s; %d rounds, seed %d\n", env.CPU, env.Cores, env.GoVersion,
		env.Platform, results.Rounds, *seed)
	for _, group := range groups(*postgres) {
		fmt.Fprintf(stdout, "\n== %s ==\n", group)
		found := &suite.Report{Report: bench.Analyze(results.Only(group...), bench.DefaultModel())}
		if err := report.New(found).WriteMeasurements(stdout); err != nil {
			return err
		}
	}
	return err
}

// tryAll writes the matrix.
func tryAll(ctx context.Context, stdout io.Writer) error {
	outcomes, err := try(ctx, libraries(), trials)
	if err != nil {
		return err
	}
	return writeMatrix(stdout, libraries(), trials, outcomes)
}
