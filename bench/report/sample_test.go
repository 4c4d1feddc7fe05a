package report

import (
	"math/rand/v2"
	"testing"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
	"sessionengine/bench/scale"
	"sessionengine/bench/suite"
	"sessionengine/bench/survey"
)

var sampleEngines = []string{"signedcookie", "dbstore", "sealed"}

var sampleSessions = []bench.SessionSize{
	{Name: "visitor", Size: 49}, {Name: "login", Size: 220}, {Name: "flashes", Size: 491}, {Name: "cart", Size: 1256},
	{Name: "oidc", Size: 2090}, {Name: "large-cart", Size: 3308}, {Name: "token-cache", Size: 8732},
}

// sample returns a report as a full run would, of so many rounds whose times
// vary by that share.
func sample(t *testing.T, rounds int, noise float64) *suite.Report {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(rounds)))
	cell := func(ns, allocs float64) bench.Cell {
		c := bench.Cell{Iterations: 20, Allocs: allocs, Bytes: 100 * allocs}
		for range rounds {
			var samples []float64
			for range 20 {
				samples = append(samples, ns*(1+noise*r.ExpFloat64())) // interference only adds
			}
			c.Nanosec = append(c.Nanosec, samples)
		}
		return c
	}
	results := &bench.Results{
		Environment: bench.Environment{
			Started: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), GoVersion: "go1.26.0", Platform: "linux/amd64",
			CPU: "Example Processor", Cores: 2,
		},
		Settings: bench.Settings{Engines: sampleEngines, Sessions: sampleSessions, Rounds: rounds,
			Sample: 100 * time.Microsecond, Seed: 1},
		Rounds: rounds,
	}
	for _, s := range sampleSessions {
		size := float64(s.Size)
		for _, kind := range bench.Kinds() {
			results.Empty = append(results.Empty, bench.EmptyResult{Session: s.Name, Kind: kind, Cell: cell(300, 5)})
		}
		for i, engine := range sampleEngines {
			row := engine == "dbstore"
			cookie := 42.0
			if !row {
				cookie = size * []float64{0.45, 0, 0.33}[i]
				cookie = max(cookie, 100)
			}
			for _, kind := range bench.Kinds() {
				q := bench.RequestResult{Engine: engine, Session: s.Name, Kind: kind, CookieUp: cookie}
				if !row && size > 8000 && kind != bench.Anonymous {
					q.TooLarge = "the session is too large"
					results.Requests = append(results.Requests, q)
					continue
				}
				ns := 300.0
				switch kind {
				case bench.Anonymous:
					q.CookieUp, ns = 0, 500
				case bench.Read, bench.Again:
					ns += 4000/(1+float64(i)/4) + 4*size
					if row {
						ns, q.Queries = 9000+size, 1
					} else if kind == bench.Again {
						ns = 1500
					}
				case bench.Write, bench.Login, bench.Logout:
					ns += 12000/(1+float64(i)/4) + 12*size
					q.CookieDown = cookie + 80
					if row {
						ns, q.Queries, q.CookieDown = 45000+2*size, 2, 99
					}
				}
				q.Cell = cell(ns, 5+ns/400)
				results.Requests = append(results.Requests, q)
			}
			if row || size < 8000 {
				results.Floors = append(results.Floors,
					bench.FloorResult{Engine: engine, Session: s.Name, Kind: bench.Read,
						Cell: cell(3000+2*size, 8)},
					bench.FloorResult{Engine: engine, Session: s.Name, Kind: bench.Write,
						Cell: cell(9000+6*size, 12)})
			}
		}
	}
	for _, engine := range sampleEngines {
		for _, b := range bench.Behaviours() {
			results.Behaviours = append(results.Behaviours,
				bench.BehaviourResult{Engine: engine, Behaviour: b, Observed: engine != "dbstore"})
		}
	}
	report := &suite.Report{Report: bench.Analyze(results, bench.DefaultModel())}
	report.Sites = scale.Outlooks(report.Report, []scale.Site{scale.Small, scale.Large})
	for _, name := range []suite.StageName{suite.Requests, suite.Encoders, suite.Wire, suite.Load, suite.Links} {
		report.Stages = append(report.Stages, suite.Stage{Name: name, State: suite.Done})
	}
	for _, s := range sampleSessions {
		for i, encoder := range survey.Encoders() {
			if i > 2 && s.Size > 8000 {
				continue
			}
			cookie := max(100, int(float64(s.Size)*(0.5-0.07*float64(i))))
			e := survey.EncoderSizes{
				Session: s.Name, Encoder: encoder, Sessions: 20,
				JSON:   survey.Sizes{Min: s.Size - 9, Median: s.Size, P90: s.Size, P99: s.Size, Max: s.Size + 30},
				Cookie: survey.Sizes{Min: cookie - 9, Median: cookie, P90: cookie, P99: cookie, Max: cookie + 80},
			}
			if cookie > 4096 {
				e.TooLarge = 20
			}
			report.Encoders = append(report.Encoders, e)
		}
	}
	report.Survey = &survey.Survey{
		Sessions: 4990, Tried: 2000,
		Sample: &survey.Sample{Found: 1e6, Taken: 5000,
			LeftOut: []survey.LeftOut{{Reason: "expired", Sessions: 10, First: "row 17"}}},
		Distribution: []survey.Bin{{Bytes: 64, Sessions: 1}, {Bytes: 128, Sessions: 500}, {Bytes: 256, Sessions: 3489},
			{Bytes: 512}, {Bytes: 1024, Sessions: 1000}},
		Keys: []survey.Keys{{Sessions: 4990, Mean: 300, Max: 4000, Share: 0.7},
			{Name: "<b>cart</b>", Sessions: 2000, Mean: 100, Max: 200, Share: 0.2}},
		Training: &survey.Training{Bytes: 2048, Sessions: 4990, Trained: 800, HeldOut: 200,
			Cookies: []survey.CookieSizes{
				{Scheme: "signed", Compression: survey.Uncompressed, Mean: 700, TooLarge: 4,
					Sizes: survey.Sizes{Median: 600, P90: 1500, Max: 12000}},
				{Scheme: "signed", Compression: survey.TrainedDictionary, Mean: 250,
					Sizes: survey.Sizes{Median: 200, P90: 500, Max: 3800}},
				{Scheme: "sealed", Compression: survey.TrainedDictionary, Mean: 200,
					Sizes: survey.Sizes{Median: 160, P90: 400, Max: 3000}},
			}},
		JSON: survey.Sizes{Min: 20, Median: 300, P90: 900, P99: 2000, Max: 9000},
	}
	for i, engine := range sampleEngines {
		report.Survey.Engines = append(report.Survey.Engines,
			survey.EngineSizes{Engine: engine, TooLarge: 10 * i,
				Cookie: survey.Sizes{Min: 42, Median: 250, P90: 600, P99: 1500, Max: 4000}})
	}
	report.Wire = sampleWire()
	report.Load = sampleLoad(r, rounds)
	report.Links = &network.PageResult{RequestsPerPage: 20, Rounds: rounds}
	report.Validation = network.Validate(sampleObservations(r))
	return report
}

func sampleWire() *network.Traffic {
	result := &network.Traffic{Trace: network.DefaultTrace()}
	for _, s := range sampleSessions {
		for _, engine := range append([]string{network.NoSession}, sampleEngines...) {
			for _, protocol := range []string{network.HTTP1, network.HTTP2} {
				c := network.TrafficCell{Engine: engine, Session: s.Name, Protocol: protocol,
					Page: network.Bytes{Up: 13000, Down: 7300}}
				switch engine {
				case network.NoSession:
				case "dbstore":
					c.Cookie = 42
				default:
					c.Cookie = s.Size / 2
				}
				if protocol == network.HTTP1 {
					c.Page.Up += float64(21 * c.Cookie)
				} else {
					c.Page = network.Bytes{Up: 1500 + 2.2*float64(c.Cookie), Down: 1100}
				}
				c.Page.Down += 2 * float64(c.Cookie)
				if c.Cookie > 4096 {
					c = network.TrafficCell{Engine: engine, Session: s.Name, Protocol: protocol, TooLarge: "too large"}
				}
				result.Cells = append(result.Cells, c)
			}
		}
	}
	return result
}

func sampleLoad(r *rand.Rand, rounds int) *network.LoadResult {
	result := &network.LoadResult{ReadsPerWrite: 9, Rounds: rounds, Requests: 1000, Utilization: 0.5, Seed: 1}
	for _, session := range []string{"login", "cart"} {
		for _, concurrency := range []int{1, 8, 32} {
			for i, engine := range append([]string{network.NoSession}, sampleEngines...) {
				for _, loop := range []network.Loop{network.Closed, network.Open} {
					ms := float64(time.Millisecond) * 0.06 * float64(concurrency) * (1 + 0.4*float64(i))
					at := func(f float64) time.Duration { return time.Duration(ms * f * (1 + 0.1*r.Float64())) }
					l := network.Latency{N: 6000, Mean: at(1.1), P50: at(1), P90: at(1.8), P99: at(4), P999: at(9),
						Max: at(30)}
					median := l.P50.Seconds()
					result.Samples = append(result.Samples, network.Sample{
						Engine: engine, Session: session, Concurrency: concurrency, Loop: loop, Latency: l,
						Median: bench.Estimate{Value: median, Lo: 0.93 * median, Hi: 1.05 * median, N: rounds,
							Confidence: 0.95},
						Throughput: bench.Estimate{Value: 1 / median, Lo: 0.9 / median, Hi: 1.1 / median, N: rounds,
							Confidence: 0.95},
					})
				}
			}
		}
	}
	return result
}

func sampleObservations(r *rand.Rand) []network.Observation {
	var all []network.Observation
	for _, session := range []string{"login", "cart"} {
		for _, http := range []string{"HTTP/2", "HTTP/1.1"} {
			for _, trip := range []time.Duration{100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond} {
				for _, uplink := range []float64{1, 10, 50} {
					scenario := session + ", " + http + ", database " + trip.String() + " away, uplink " +
						time.Duration(uplink).String() + "Mbit/s, downlink 50 Mbit/s"
					for i, engine := range sampleEngines {
						without := 0.004 + 0.05/uplink
						predicted := without + 0.0004*float64(i) + 0.001/uplink
						if engine == "dbstore" {
							predicted += trip.Seconds()
						}
						measured := predicted * (1 + 0.08*r.NormFloat64())
						all = append(all, network.Observation{
							Scenario: scenario, Engine: engine, Without: without, Predicted: predicted,
							Measured: bench.Estimate{Value: measured, Lo: 0.96 * measured, Hi: 1.04 * measured, N: 6,
								Confidence: 0.95},
						})
					}
				}
			}
		}
	}
	return all
}
