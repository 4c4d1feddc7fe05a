package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sessionengine/bench"
)

// openPage opens the page of a report, with a fragment, and returns the tab and
// the page's address.
func openPage(t *testing.T, b *browser, page []byte, fragment string, width int, scheme string) (tab, address string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	address = (&url.URL{Scheme: "file", Path: file}).String()
	return b.open(address+fragment, width, scheme), address
}

func randomModel(r *rand.Rand) bench.Model {
	requests := 1 + r.IntN(60)
	return bench.Model{
		RoundTrip: time.Duration(r.ExpFloat64() * 1e6), Uplink: math.Exp(2 * r.NormFloat64()),
		Downlink: math.Exp(2 * r.NormFloat64()), ReadsPerWrite: 9 * r.ExpFloat64(), RequestsPerPage: requests,
		SessionRequests: 1 + r.IntN(requests), CacheHits: r.Float64(), HTTP1: r.IntN(2) == 0, CPUHour: r.Float64(),
		GBOut: r.Float64(), MillionQueries: r.Float64(),
	}
}

func TestPageArithmeticIsTheModels(t *testing.T) {
	b := startBrowser(t)
	tab, _ := openPage(t, b, pageOf(t, sample(t, 12, 0.01)), "", 1280, "light")
	r := rand.New(rand.NewPCG(1, 1))
	type example struct {
		Model bench.Model
		Loads []modelLoad
	}
	var examples []example
	for i := range 400 {
		e := example{Model: randomModel(r), Loads: make([]modelLoad, 3+i%2)} // every other one with a near cache
		for k := range e.Loads {
			e.Loads[k] = modelLoad{CPU: 1e-5 * r.ExpFloat64(), Wait: 1e-4 * r.ExpFloat64(), Queries: float64(r.IntN(3)),
				Up: 4096 * r.Float64(), Down: 4096 * r.Float64()}
		}
		examples = append(examples, e)
	}
	text, err := json.Marshal(examples)
	if err != nil {
		t.Fatal(err)
	}
	var pages []map[string]float64
	b.evaluate(tab, fmt.Sprintf("(%s).map((e) => page(e.Model, e.Loads))", text), &pages)
	for i, e := range examples {
		load := func(l modelLoad) bench.Load {
			return bench.Load{CPU: l.CPU, Wait: l.Wait, Queries: l.Queries, Up: l.Up, Down: l.Down}
		}
		read, write := load(e.Loads[0]), load(e.Loads[1])
		if len(e.Loads) == 4 {
			read, write = e.Model.NearCache(read, write, load(e.Loads[3]))
		}
		want := e.Model.Page(read, write, load(e.Loads[2]))
		for name, want := range map[string]float64{"server": want.Server, "wait": want.Wait, "database": want.Database,
			"wire": want.Wire, "queries": want.Queries, "up": want.Up, "down": want.Down, "price": want.Price,
			"seconds": want.Seconds()} {
			if got := pages[i][name]; !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
				t.Errorf("%s of %+v: the page has %v, the model %v", name, e, got, want)
			}
		}
	}

	// Whatever an address says, the inputs are ones that the model takes, and
	// those that it takes are left as they are.
	odd := []float64{-1, 0, 0.5, 1, 1e300, -1e300, 3, 1e9}
	pick := func() float64 { return odd[r.IntN(len(odd))] }
	var given []map[string]any
	for i := range 400 {
		m := map[string]any{}
		if i%2 == 0 {
			text, _ := json.Marshal(randomModel(r))
			json.Unmarshal(text, &m)
		} else {
			for _, d := range dials(bench.DefaultModel()) {
				m[d.Field] = pick()
			}
			m["http1"] = true
		}
		given = append(given, m)
	}
	text, err = json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	var legal []json.RawMessage
	b.evaluate(tab, fmt.Sprintf("(%s).map(legal)", text), &legal)
	for i, text := range legal {
		var m bench.Model
		if err := json.Unmarshal(text, &m); err != nil {
			t.Errorf("%v: %v", given[i], err)
		} else if err := m.Check(); err != nil {
			t.Errorf("%v became %s: %v", given[i], text, err)
		}
		if i%2 == 0 {
			before, _ := json.Marshal(given[i])
			var want bench.Model
			if json.Unmarshal(before, &want); m != want {
				t.Errorf("%+v became %+v", want, m)
			}
		}
	}
}

func TestEverySliderStaysWithinTheModel(t *testing.T) {
	m := bench.DefaultModel()
	m.RoundTrip, m.RequestsPerPage, m.SessionRequests, m.CacheHits = 537*time.Microsecond, 17, 7, 0.33
	for _, d := range dials(m) {
		text, _ := json.Marshal(m)
		for _, v := range d.Values {
			var fields map[string]any
			json.Unmarshal(text, &fields)
			fields["requests_per_page"] = 1000 // so that any number of them may use the session
			fields[d.Field] = v * d.Factor
			if d.Name == "requests-per-page" {
				fields["session_requests"] = 1
			}
			changed, _ := json.Marshal(fields)
			var other bench.Model
			if err := json.Unmarshal(changed, &other); err != nil {
				t.Errorf("%s of %v: %v", d.Name, v, err)
			} else if err := other.Check(); err != nil {
				t.Errorf("%s of %v: %v", d.Name, v, err)
			}
		}
		if len(d.Values) < 12 {
			t.Errorf("%s has %d values", d.Name, len(d.Values))
		}
	}
	if got := fmt.Sprint(dials(m)[0].Values[:14]); got != "[0 0.01 0.012 0.015 0.02 0.025 0.03 0.04 0.05 0.06 0.08 0.1 0.12 0.15]" {
		t.Errorf("the round trips begin with %s", got)
	}
}

// press presses a key in a tab, as a user does.
func (b *browser) press(tab, key string) {
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		b.Call(tab, "Input.dispatchKeyEvent", params{"type": kind, "key": key, "code": key,
			"windowsVirtualKeyCode": map[string]int{"End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}[key]}, nil)
	}
}

// A shown page is what its reader sees of the answer.
type shown struct {
	Answer, Told, Turns, Hash, Flags string
	Visible                          bool
}

const shownNow = `({Answer: element("answer").textContent, Hash: location.hash, Flags: element("flags").textContent,
	Told: [...document.querySelectorAll("[id^=told-]")].map((e) => e.textContent).join("\n"),
	Turns: [...document.querySelectorAll("[id^=turns-]")].map((e) => e.textContent).join("\n"),
	Visible: element("try").offsetHeight > 0})`

func TestSlidersAnswerAsTheCommandDoes(t *testing.T) {
	b := startBrowser(t)
	report := sample(t, 12, 0.01)
	page := pageOf(t, report)
	analyzed := make(map[bench.Model]*bench.Report)
	for _, v := range []struct {
		width  int
		scheme string
	}{{360, "light"}, {360, "dark"}, {1280, "light"}, {1280, "dark"}} {
		t.Run(fmt.Sprintf("%d pixels, %s", v.width, v.scheme), func(t *testing.T) {
			b.t = t
			tab, address := openPage(t, b, page, "", v.width, v.scheme)
			check := func(m bench.Model, hash string) shown {
				t.Helper()
				var got shown
				b.evaluate(tab, shownNow, &got)
				if analyzed[m] == nil {
					analyzed[m] = bench.Analyze(report.Results, m)
				}
				checkAnswer(t, got, analyzed[m])
				if got.Hash != hash || !got.Visible {
					t.Errorf("the address ends in %q, and the part is visible: %v", got.Hash, got.Visible)
				}
				var beyond int
				b.evaluate(tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`, &beyond)
				if beyond > 0 {
					t.Errorf("the page is %d pixels wider than the window", beyond)
				}
				return got
			}
			m := bench.DefaultModel()
			first := check(m, "")

			b.evaluate(tab, `element("dial-rtt").focus()`, nil)
			b.press(tab, "Home")
			m.RoundTrip = 0
			near := check(m, "#rtt=0")
			b.press(tab, "ArrowRight")
			m.RoundTrip = 10 * time.Microsecond
			check(m, "#rtt=0.01")
			b.press(tab, "End")
			m.RoundTrip = 100 * time.Millisecond
			far := check(m, "#rtt=100")
			if first.Told == near.Told || near.Told == far.Told || near.Answer == far.Answer {
				t.Errorf("another round trip changes nothing: %q", near.Answer)
			}

			b.evaluate(tab, `element("dial-http1").focus()`, nil)
			b.press(tab, " ")
			m.HTTP1 = true
			b.evaluate(tab, `element("dial-requests-per-page").focus()`, nil)
			b.press(tab, "ArrowRight")
			m.RequestsPerPage = 25
			b.evaluate(tab, `element("dial-cache-hits").focus()`, nil)
			b.press(tab, "ArrowRight")
			m.CacheHits = 0.85
			last := check(m, "#rtt=100&requests-per-page=25&cache-hits=85&http1=true")
			if want := "-rtt 100ms -requests-per-page 25 -cache-hits 85 -http1=true"; last.Flags != want {
				t.Errorf("the flags are %q, want %q", last.Flags, want)
			}
			for _, complaint := range b.complaints(tab, address) {
				t.Error(complaint)
			}

			tab, _ = openPage(t, b, page, last.Hash, v.width, v.scheme)
			if again := check(m, last.Hash); again != last {
				t.Errorf("loaded again, the page shows %+v instead of %+v", again, last)
			}
			b.evaluate(tab, `document.querySelector("button[type=reset]").focus()`, nil)
			b.press(tab, " ")
			check(bench.DefaultModel(), "#try")

			var small []string
			b.evaluate(tab, `[...document.querySelectorAll("#dials input[type=range], #dials label.check, #dials button")].
				filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.id)`, &small)
			if len(small) > 0 {
				t.Errorf("too small for a finger: %q", small)
			}
		})
	}
}

// checkAnswer holds what a page shows against what the command says of the same
// inputs.
func checkAnswer(t *testing.T, got shown, want *bench.Report) {
	t.Helper()
	told, turns := strings.Split(got.Told, "\n"), strings.Split(got.Turns, "\n")
	i := 0
	for _, p := range want.Pages {
		if p.RoundTrip != want.Model.RoundTrip || len(p.Engines) == 0 {
			continue
		}
		expected := map[bench.Outcome]string{
			bench.Ahead: p.Best[0] + " is ahead",
			bench.Equal: list(p.Best) + " are equal",
			bench.Open:  list(p.Best) + " are too close to call",
		}[p.Outcome]
		if p.Depends() {
			expected = "it depends on how busy the database is"
		}
		if !strings.HasPrefix(told[i], expected) {
			t.Errorf("%s: the page says %q, the command %q", p.Session, told[i], expected)
		}
		for _, s := range want.Sensitivity {
			if s.Session != p.Session {
				continue
			}
			for _, l := range s.Leads[1:] {
				found := false
				for clause := range strings.SplitSeq(turns[i], "Equal ") {
					var at float64
					_, err := fmt.Sscanf(clause, "when the database is %f ms away", &at)
					found = found || err == nil && math.Abs(at/(l.From.Value/1e6)-1) < 0.01 &&
						strings.Contains(turns[i], "beyond, "+l.Engine+" is ahead")
				}
				if !found {
					t.Errorf("%s: %q does not say that %s is ahead beyond %v ns", p.Session, turns[i], l.Engine, l.From.Value)
				}
			}
		}
		i++
	}
	if i != len(told) {
		t.Errorf("the page has %d sessions, the command %d", len(told), i)
	}
}

// The command takes what the page tells to give it, in the units of its flags.
func TestFlagsOfThePageAreTheCommands(t *testing.T) {
	b := startBrowser(t)
	tab, _ := openPage(t, b, pageOf(t, sample(t, 12, 0.01)), "#rtt=2&cache-hits=50", 1280, "light")
	var got shown
	b.evaluate(tab, shownNow, &got)
	if want := "-rtt 2ms -cache-hits 50"; got.Flags != want {
		t.Errorf("the flags are %q, want %q", got.Flags, want)
	}
}

// A run that ended after a few rounds has no verdict, and so must its page.
func TestFewRoundsGetNoSliders(t *testing.T) {
	if d := New(sample(t, 3, 0.01)); d.Try != nil {
		t.Error("the page of three rounds works out verdicts")
	}
}
