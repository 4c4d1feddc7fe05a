// Package bench measures what keeping sessions costs a web application, for
// each engine and kind of request: time, allocations, database queries, and the
// bytes of cookies in both directions.
//
// Most people want the command in this module's root, "go run .", which prints
// a report on the built-in corpus or on sessions of their own, or
//
//	go test -run '^$' -bench Request ./bench
//
// whose results benchstat compares.
//
// # A store of one's own
//
// Any session.SessionStore can be measured beside this module's engines, in the
// same rounds and in the same report, by a program of some forty lines.
// examples/ownstore is one: copy it and put your store in the place of its own.
//
//	engines, err := bench.EnginesNamed("signedcookie", "dbstore")
//	engines = append(engines, bench.StoreEngine("mine",
//		func(ctx context.Context, dir string, count *bench.Counter) (session.SessionStore, error) {
//			return myengine.Open(dir)
//		}))
//	sessions, err := bench.Corpus("login", "cart")
//	found, err := suite.Run(ctx, suite.Config{Config: bench.Config{
//		Engines: engines, Sessions: sessions, Rounds: 24, Duration: time.Minute}, Model: bench.DefaultModel()})
//	err = report.New(found).WriteText(os.Stdout)
//
// Before that the store should pass sessiontest.Run: what is wrong may well be
// fast. Another library's middleware implements [Site] instead, as those in
// bench/peers do. Without the report, [Run] measures and [Analyze] draws the
// conclusions.
//
// # A site's own sessions
//
// Package bench/source reads them, from where the site keeps them. Those of
// median size, of the ninetieth percentile and the largest one are measured
// ([Representatives]); of all, package bench/survey tells the sizes, the share
// that does not fit a cookie, the weight of each key, and what a dictionary of
// their own saves. No content is in results and reports. While an
// engine is measured, its database holds the sessions, in a temporary file that
// only its owner can read or, with [DatabaseEngines], in tables that are dropped.
//
// # What is measured
//
// A request is served in this process, by the engine's whole middleware around
// a handler that does what its [Kind] says, to one of many visitors who hold
// cookies as browsers do. There is no network, no HTTP parser and no concurrent
// request. Times and allocations in tables are over those of an empty handler
// without any engine, measured in the same rounds.
//
// Visitors have sessions of one shape that differ in what is random, and there
// are more of them than an engine remembers by itself, so that its caches help
// as little as on a busy site; the kind [Again] shows what they are worth when
// they do help.
//
// Every kind of request is checked, before the measurements on a site that
// counts queries and after each sample: that a read finds what was set, that
// what was written is there in the next request, that a login changes the token
// and a logout ends the session. What does not work is an error, not a figure.
// What no figure shows, such as whether a copied cookie survives the logout, is
// tried as well: see [Behaviour].
//
// In the code, a figure goes this way: run.go has it measured (site.go, client.go,
// workload.go, sample.go), estimate.go and costs.go make costs of the samples,
// analyze.go compares, and package bench/report draws it up as a table or plot and
// writes it.
//
// # What a figure is worth
//
// What else runs on a machine only adds to a time. So a request's cost is the
// 10 % quantile of many samples that are so short that most of them are not
// disturbed, less that of an empty handler beside it ([CostResult]). The garbage
// collector is off meanwhile, and what it costs is added by the byte. Requests
// that wait for a disk or a server are timed one by one: their processor time is
// told apart, and how long they took is a [Distribution].
//
// All that is compared takes turns in each of a fixed number of rounds. Intervals
// come from drawing whole rounds again (the bootstrap), and are carried through
// ratios, differences and the model. Two engines count as different only if the
// interval of their ratio, at a level that allows for the number of comparisons,
// is outside 0.98 to 1.02, and they differ by more than 0.2 µs; pages have an [Outcome].
//
// A ratio of one run can be trusted elsewhere; an absolute time says something
// about the machine that it was taken on. The engines are measured with warm
// processor caches and a database that fits into memory.
//
// # The model
//
// What an engine costs a site depends on more than its time: on how far away
// the database is, on the visitor's uplink, on how many requests carry the
// cookie. [Model] turns the measured figures and such inputs into the delay and
// the price of a page. It is a model: a page waits for the server's work, for a
// round trip per query, and for the cookie's bytes on the visitor's line, one
// after the other, and nothing else is busy. [Sensitivity] tells which of the
// inputs the verdict depends on, and at which value it changes; package network
// holds predictions against what it measured.
//
// # Two runs
//
// [Report.Since] compares a run with an earlier one, whose -json report "go run ."
// reads with -baseline: by ratios to something that was measured beside it in the
// same run, and by counts (see [Changes]). In CI, -fail-if sets the exit status (see
// [Condition]). The baseline best comes from the same machine, of the commit
// before. Two runs of one program on two busy cores have differed by up to 4 % for
// requests that read, and by up to 8 % for those that write to SQLite, of which none
// of 75 counted as different; a limit for CI should leave room for that:
//
//	go run . -json before.json
//	go run . -baseline before.json -fail-if 'any > 1.1' -fail-if 'cookie > 600'
//
// # Around this package
//
// Package network measures bytes on the wire, load through a server and slow
// links. Package scale works out what a site of a given size takes. Package suite
// runs all of it, and package report writes what it found, as text or as a page
// for example.
package bench
