package bench_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/report"
	"sessionengine/bench/suite"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

// An engine of one's own against those that come with the module.
func Example() {
	engines, err := bench.EnginesNamed("signedcookie", "dbstore")
	if err != nil {
		log.Fatal(err)
	}
	engines = append(engines, bench.StoreEngine("mine",
		func(context.Context, string, *bench.Counter) (session.SessionStore, error) {
			return sessiontest.NewMemory(), nil
		}))
	sessions, err := bench.Corpus("login", "cart")
	if err != nil {
		log.Fatal(err)
	}
	results, err := bench.Run(context.Background(), bench.Config{
		Engines: engines, Sessions: sessions, Rounds: bench.MinRounds, Duration: 20 * time.Second, Seed: 1,
		CollectorSamples: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	found := &suite.Report{Report: bench.Analyze(results, bench.DefaultModel())}
	report.New(found).WriteText(os.Stdout)
}

// What a page costs when a cookie of 300 bytes takes the place of a query.
func ExampleModel_Page() {
	model := bench.DefaultModel()
	cookie := model.Page(
		bench.Load{CPU: 5e-6, Up: 300},
		bench.Load{CPU: 15e-6, Up: 300, Down: 400},
		bench.Load{Up: 300})
	row := model.Page(
		bench.Load{CPU: 10e-6, Queries: 1, Up: 42},
		bench.Load{CPU: 50e-6, Queries: 2, Up: 42, Down: 100},
		bench.Load{Up: 42})
	fmt.Printf("cookie %.2f ms, row %.2f ms\n", 1000*cookie.Seconds(), 1000*row.Seconds())
	// Output: cookie 0.27 ms, row 0.61 ms
}
