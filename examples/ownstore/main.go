// Ownstore measures a session store that is not this module's beside those that
// are, and prints the report of "go run ." in the module's root. The store, in
// filestore.go, keeps each session in a file of its own, as PHP does; put yours
// in its place. It has the flags of "go run ." that write files:
//
//	go run ./examples/ownstore -html report.html
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
	"sessionengine/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ownstore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("ownstore", flag.ContinueOnError)
	duration := flags.Duration("time", time.Minute, "measure for about that `time`")
	rounds := flags.Int("rounds", 24, "measure everything so `many` times")
	outputs := report.DeclareOutputs(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := outputs.Open(); err != nil {
		return err
	}
	defer outputs.Discard()

	engines, err := bench.EnginesNamed("signedcookie", "dbstore")
	if err != nil {
		return err
	}
	engines = append(engines, bench.StoreEngine("files",
		func(_ context.Context, dir string, _ *bench.Counter) (session.SessionStore, error) {
			return newFileStore(dir), nil // in a folder that is deleted in the end
		}))
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		return err
	}
	found, err := suite.Run(ctx, suite.Config{
		Config: bench.Config{Engines: engines, Sessions: sessions, Rounds: *rounds, Duration: *duration, Seed: 1,
			CollectorSamples: 1},
		Model: bench.DefaultModel(),
	})
	if err != nil {
		return err
	}
	document := report.New(found)
	if err := document.WriteText(stdout); err != nil {
		return err
	}
	return outputs.Finish(found, document)
}
