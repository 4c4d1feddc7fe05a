package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
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

// engines returns all contenders: those that keep sessions in cookies, those on
// SQLite, those in memory, and those on servers whose URLs are not empty.
func engines(postgres, redis string) ([]bench.Engine, error) {
	engines, err := bench.EnginesNamed("signedcookie", "sealed", "signedcookie+revocation")
	if err != nil {
		return nil, err
	}
	engines = append(engines, gorilla("gorilla-json", jsonValues{}), gorilla("gorilla-gob", nil))
	rows, err := bench.EnginesNamed("dbstore", "dbstore-mem")
	if err != nil {
		return nil, err
	}
	engines = append(engines, rows[0], scsSQLite("scs-sqlite"), rows[1], scsMemory("scs-mem"), plainMap("plain-map"))
	if postgres != "" {
		ours, err := bench.DatabaseEngines(postgres)
		if err != nil {
			return nil, fmt.Errorf("-postgres: %w", err)
		}
		engines = append(append(engines, ours...), scsPostgres("scs-postgres", postgres))
	}
	if redis != "" {
		ours, err := bench.DatabaseEngines(redis)
		if err != nil {
			return nil, fmt.Errorf("-redis: %w", err)
		}
		engines = append(append(engines, ours...), scsRedis("scs-redis", redis))
	}
	return engines, nil
}

// run measures all engines in the same rounds and writes one report of them.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	rounds := flags.Int("rounds", 24, "measure everything so `many` times")
	duration := flags.Duration("time", 90*time.Second, "`time` for all rounds together, about")
	seed := flags.Uint64("seed", 1, "the order of the measurements follows from this `number`")
	postgres := flags.String("postgres", "",
		"measure on the PostgreSQL server at this `URL` too; everything it makes there is dropped")
	redis := flags.String("redis", "",
		"measure on the Redis server at this `URL` too; everything it makes there is deleted")
	links := flags.Bool("links", false, "hold the model against pages over slow links too, some minutes more")
	only := flags.String("only", "", "measure only these `engines`, their names separated by commas")
	behaviour := flags.Bool("behaviour", false, "measure nothing: try what the libraries do where no figure shows it")
	outputs, baseline := report.DeclareOutputs(flags), report.DeclareBaseline(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *behaviour {
		return tryAll(ctx, stdout)
	}
	all, err := engines(*postgres, *redis)
	if err != nil {
		return err
	}
	if *only != "" {
		names := strings.Split(*only, ",")
		all = slices.DeleteFunc(all, func(e bench.Engine) bool { return !slices.Contains(names, e.Name) })
		if len(all) != len(names) {
			return fmt.Errorf("-only: of %q only %d are there", names, len(all))
		}
	}
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		return err
	}
	if err := baseline.Open(all, sessions); err != nil {
		return err
	}
	if err := outputs.Open(); err != nil {
		return err
	}
	defer outputs.Discard()
	cfg := suite.Config{
		Config: bench.Config{Engines: all, Sessions: sessions, Rounds: *rounds, Duration: *duration, Seed: *seed,
			CollectorSamples: 3},
		Model: bench.DefaultModel(),
	}
	if *links {
		cfg.AddLinks()
	}
	found, err := suite.Run(ctx, cfg)
	if found == nil {
		return err
	}
	if err := baseline.Compare(found); err != nil {
		return err
	}
	document := report.New(found)
	if err := document.WriteText(stdout); err != nil {
		return err
	}
	if err := errors.Join(outputs.Finish(found, document), err); err != nil {
		return err
	}
	return baseline.Judge(found)
}

// tryAll writes the matrix.
func tryAll(ctx context.Context, stdout io.Writer) error {
	outcomes, err := try(ctx, libraries(), trials)
	if err != nil {
		return err
	}
	return writeMatrix(stdout, libraries(), trials, outcomes)
}
