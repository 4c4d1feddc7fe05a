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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// groups are the engines that are shown together: each takes the place of the
// first one in it.
var groups = [][]string{
	{"signedcookie", "sealed", "gorilla-json", "gorilla-gob"},
	{"dbstore", "scs-sqlite"},
	{"dbstore-mem", "scs-mem"},
}

// engines returns the engines of all groups.
func engines() ([]bench.Engine, error) {
	rivals := map[string]bench.Engine{
		"gorilla-json": gorilla("gorilla-json", jsonValues{}),
		"gorilla-gob":  gorilla("gorilla-gob", nil),
		"scs-sqlite":   scsSQLite("scs-sqlite"),
		"scs-mem":      scsMemory("scs-mem"),
	}
	var all []bench.Engine
	for _, group := range groups {
		for _, name := range group {
			if rival, ok := rivals[name]; ok {
				all = append(all, rival)
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
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := engines()
	if err != nil {
		return err
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		return err
	}
	results, err := bench.Run(ctx, bench.Config{Engines: all, Sessions: sessions, Rounds: *rounds, Duration: *duration, Seed: *seed})
	if results == nil {
		return err
	}
	env := results.Environment
	fmt.Fprintf(stdout, "%s, %d cores for Go; %s, %s; %d rounds, seed %d\n", env.CPU, env.Cores, env.GoVersion, env.Platform, results.Rounds, *seed)
	for _, group := range groups {
		fmt.Fprintf(stdout, "\n== %s ==\n", group)
		if err := bench.Analyze(results.Only(group...), bench.DefaultModel()).WriteMeasurements(stdout); err != nil {
			return err
		}
	}
	return err
}
