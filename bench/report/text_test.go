package report

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
	"sessionengine/bench/suite"
	"sessionengine/bench/survey"
)

var update = flag.Bool("update", false, "write the files in testdata again")

// made makes results as a run would, of a cookie engine and a row engine whose
// costs are round numbers.
func made(rounds int, spread float64) *bench.Results {
	r := rand.New(rand.NewPCG(1, uint64(rounds)))
	cell := func(ns, allocs float64) bench.Cell {
		c := bench.Cell{Iterations: 20, Allocs: allocs, Bytes: 100 * allocs}
		for range rounds {
			var samples []float64
			for range 20 {
				samples = append(samples, ns*(1+spread*r.ExpFloat64())) // interference only adds
			}
			c.Nanosec = append(c.Nanosec, samples)
		}
		return c
	}
	results := &bench.Results{
		Environment: bench.Environment{
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), GoVersion: "go1.26.0", Platform: "linux/amd64",
			CPU: "Example Processor", Cores: 2,
		},
		Settings: bench.Settings{
			Engines: []string{"cookie", "row"},
			Sessions: []bench.SessionSize{{Name: "small", Size: 200}, {Name: "middling", Size: 2000},
				{Name: "huge", Size: 9000}},
			Rounds: rounds, Sample: 100 * time.Microsecond, Seed: 1,
		},
		Rounds: rounds,
	}
	for _, s := range results.Settings.Sessions {
		size := float64(s.Size)
		for _, kind := range bench.Kinds() {
			results.Empty = append(results.Empty, bench.EmptyResult{Session: s.Name, Kind: kind, Cell: cell(300, 5)})
			cookie := bench.RequestResult{Engine: "cookie", Session: s.Name, Kind: kind}
			row := bench.RequestResult{Engine: "row", Session: s.Name, Kind: kind}
			if size > 4000 && kind != bench.Anonymous {
				cookie.TooLarge = "too large"
			}
			if kind != bench.Anonymous {
				cookie.CookieUp, row.CookieUp = size/2, 42
			}
			var cookieTime, rowTime, cookieAllocs, rowAllocs float64
			switch kind {
			case bench.Untouched, bench.Anonymous:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 300, 300, 7, 7
			case bench.Read:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 5300+size, 9300, 25, 45
				row.Queries = 1
			case bench.Again:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 1300, 9300, 15, 45
				row.Queries = 1
			case bench.Write, bench.Login:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 15300+size, 45300, 55, 85
				row.Queries = 2
				cookie.CookieDown, row.CookieDown = size/2+60, 100
			case bench.Logout:
				cookieTime, rowTime, cookieAllocs, rowAllocs = 6300+size, 50300, 35, 65
				row.Queries = 1
				cookie.CookieDown, row.CookieDown = 100, 100
			}
			if cookie.TooLarge == "" {
				cookie.Cell = cell(cookieTime, cookieAllocs)
			}
			row.Cell = cell(rowTime, rowAllocs)
			results.Requests = append(results.Requests, cookie, row)
		}
		for _, kind := range []bench.Kind{bench.Read, bench.Write} {
			if size < 4000 {
				results.Floors = append(results.Floors, bench.FloorResult{Engine: "cookie", Session: s.Name, Kind: kind,
					Cell: cell(4000+size, 10)})
			}
			results.Floors = append(results.Floors, bench.FloorResult{Engine: "row", Session: s.Name, Kind: kind,
				Cell: cell(7000, 23)})
		}
	}
	for _, b := range bench.Behaviours() {
		results.Behaviours = append(results.Behaviours,
			bench.BehaviourResult{Engine: "cookie", Behaviour: b, Observed: true},
			bench.BehaviourResult{Engine: "row", Behaviour: b, Observed: false})
	}
	return results
}

// analyzed returns the document of results.
func analyzed(r *bench.Results) *Document {
	return New(&suite.Report{Report: bench.Analyze(r, bench.DefaultModel())})
}

func textOf(t *testing.T, d *Document) string {
	t.Helper()
	var b strings.Builder
	if err := d.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	return b.String()
}

func TestText(t *testing.T) {
	const golden = "testdata/report.txt"
	report := &suite.Report{Report: bench.Analyze(made(12, 0.01), bench.DefaultModel())}
	report.Survey = &survey.Survey{
		Sessions: 4990, Tried: 2000, JSON: survey.Sizes{Min: 20, Median: 300, P90: 900, P99: 2000, Max: 9000},
		Sample: &survey.Sample{Found: 1_000_000, Taken: 5000,
			LeftOut: []survey.LeftOut{{Reason: "expired", Sessions: 10, First: "row 17"}}},
		Distribution: []survey.Bin{{Bytes: 64, Sessions: 1}, {Bytes: 128, Sessions: 500}, {Bytes: 256, Sessions: 3489},
			{Bytes: 512}, {Bytes: 1024, Sessions: 1000}},
		Keys: []survey.Keys{{Sessions: 4990, Mean: 300, Max: 4000, Share: 0.7},
			{Name: "cart\x1b[2J", Sessions: 2000, Mean: 100, Max: 200, Share: 0.2}},
		Training: &survey.Training{Bytes: 2048, Seed: 1, Sessions: 4990, Copies: 3, Unused: 3987, Trained: 800,
			HeldOut: 200, Cookies: []survey.CookieSizes{
				{Scheme: "signed", Compression: survey.Uncompressed, TooLarge: 4, Mean: 700,
					Sizes: survey.Sizes{Min: 50, Median: 600, P90: 1500, P99: 3000, Max: 12000}},
				{Scheme: "signed", Compression: survey.BuiltinDictionary, TooLarge: 0, Mean: 300,
					Sizes: survey.Sizes{Min: 40, Median: 250, P90: 600, P99: 1500, Max: 3900}},
				{Scheme: "signed", Compression: survey.TrainedDictionary, TooLarge: 0, Mean: 250,
					Sizes: survey.Sizes{Min: 40, Median: 200, P90: 500, P99: 1400, Max: 3800}},
			}},
		Engines: []survey.EngineSizes{
			{Engine: "cookie", TooLarge: 10, Cookie: survey.Sizes{Min: 100, Median: 250, P90: 600, P99: 1500,
				Max: 4000}},
			{Engine: "row", Cookie: survey.Sizes{Min: 42, Median: 42, P90: 42, P99: 42, Max: 42}},
		},
	}
	got := textOf(t, New(report))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the report differs from %s; run with -update and look at the difference:\n%s", golden, got)
	}
}

func TestTextKeepsToItsWidth(t *testing.T) {
	for _, spread := range []float64{0.01, 0.3} {
		for _, rounds := range []int{1, 10} {
			results := made(rounds, spread)
			names := map[string]string{"cookie": "signedcookie", "row": "dbstore-sync"}
			for i, e := range results.Settings.Engines {
				results.Settings.Engines[i] = names[e]
			}
			for i := range results.Requests {
				results.Requests[i].Engine = names[results.Requests[i].Engine]
			}
			for i := range results.Floors {
				results.Floors[i].Engine = names[results.Floors[i].Engine]
			}
			for i := range results.Behaviours {
				results.Behaviours[i].Engine = names[results.Behaviours[i].Engine]
			}
			textOf(t, analyzed(results))
		}
	}
	textOf(t, New(sample(t, 12, 0.01)))
}

func TestTextSaysWhyItIsWorthLittle(t *testing.T) {
	if text := textOf(t, analyzed(made(3, 0.01))); !strings.Contains(text, "±∞") ||
		!strings.Contains(strings.Join(strings.Fields(text), " "), "an interval takes 12 rounds") {
		t.Error("the report of three rounds does not say that it needs more")
	}
}

func TestTextOfATraining(t *testing.T) {
	carts, err := bench.CorpusSessions("cart")
	if err != nil {
		t.Fatal(err)
	}
	training, err := survey.Train(t.Context(), append(carts, carts[:7]...), 1)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteTraining(&b, &survey.Sample{Found: 100, Taken: 67}, training); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"67 sessions, of 67 taken at random from 100", "seed 1", "first 48", "other 12",
		"7 that equal another one", "signedcookie.Options.Dictionary takes it"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text says nothing of %q:\n%s", want, b.String())
		}
	}
}

func TestValidationIsToldInWords(t *testing.T) {
	text := strings.Join(validationLines(&network.Validation{
		Observations: make([]network.Observation, 8), Scenarios: 3, Told: 2, Right: 1, Wrong: []string{"wrong"},
		Within20: 7.0 / 8,
	}), " ")
	for _, want := range []string{"8 times", "3 scenarios", "in 1 of them (50 %)", "not in: wrong"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in %q", want, text)
		}
	}
}
