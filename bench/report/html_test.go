package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	nethtml "golang.org/x/net/html"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// raw returns the results that a page offers for download.
func raw(t *testing.T, page []byte) []byte {
	t.Helper()
	m := regexp.MustCompile(`download="report\.json" href="data:application/json;base64,([^"]*)"`).FindSubmatch(page)
	if m == nil {
		t.Fatal("the page has no raw results")
	}
	content, err := base64.StdEncoding.DecodeString(html.UnescapeString(string(m[1])))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// follow returns the value that a JSON pointer (RFC 6901) leads to.
func follow(t *testing.T, document any, pointer string) any {
	t.Helper()
	at := document
	for _, name := range strings.Split(pointer, "/")[1:] {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok {
				t.Fatalf("%s: there is no %q in the raw results", pointer, name)
			}
			at = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				t.Fatalf("%s: there is no %q among %d", pointer, name, len(v))
			}
			at = v[i]
		default:
			t.Fatalf("%s: %q is of a %T", pointer, name, at)
		}
	}
	return at
}

// A figure on the page is the one in the raw results that its title leads to,
// in some unit and rounded.
func TestEveryFigureIsInTheRawResults(t *testing.T) {
	page := pageOf(t, sample(t, 12, 0.01))
	var document map[string]any
	if err := json.Unmarshal(raw(t, page), &document); err != nil {
		t.Fatal(err)
	}
	// Allocations are those over the empty handler's of the same kind of request.
	empty := func(request string) float64 {
		q := follow(t, document, request).(map[string]any)
		for _, e := range document["empty"].([]any) {
			if e := e.(map[string]any); e["session"] == q["session"] && e["kind"] == q["kind"] {
				return e["allocs_per_op"].(float64)
			}
		}
		return 0
	}
	cells := regexp.MustCompile(`<td [^>]*title="([^"]*)"[^>]*>.*?<span class="v">([^<]*)</span>`).FindAllSubmatch(page,
		-1)
	checked := make(map[string]int) // by section of the results
	for _, m := range cells {
		pointer, text := html.UnescapeString(string(m[1])), html.UnescapeString(string(m[2]))
		number := strings.TrimLeft(strings.TrimRight(text, " %ms"), "<> ")
		got, err := strconv.ParseFloat(number, 64)
		var want float64
		switch v := follow(t, document, pointer).(type) {
		case float64:
			want = v
			if request, ok := strings.CutSuffix(pointer, "/allocs_per_op"); ok {
				want -= empty(request)
			}
		case map[string]any:
			value, ok := v["value"].(float64)
			if median, isSizes := v["median"].(float64); isSizes {
				value, ok = median, true
			}
			if !ok {
				value, ok = v["median"].(float64) // of sizes
			}
			if !ok {
				continue // an object that several figures are worked out from
			}
			want = value
		default:
			continue // a name
		}
		switch {
		case err != nil:
			continue // ~ and the like
		case strings.HasPrefix(pointer, "/wire/") && strings.ContainsAny(text, "+-"):
			continue // the difference to another cell
		case strings.HasPrefix(pointer, "/survey/") && strings.HasSuffix(text, "%") &&
			!strings.HasSuffix(pointer, "/share"):
			continue // a number of sessions, as a share of all
		}
		if !inSomeUnit(number, got, want) {
			t.Errorf("%s: the page says %s, the raw results %v", pointer, text, want)
		}
		checked[strings.Split(pointer, "/")[1]]++
	}
	for _, section := range []string{"requests", "costs", "ratios", "again", "floor_ratios", "pages", "sensitivity", "encoders",
		"wire", "load", "validation", "survey"} {
		if checked[section] < 3 {
			t.Errorf("%d figures of %s were checked", checked[section], section)
		}
	}
}

// inSomeUnit reports whether a number is the wanted one in milliseconds instead
// of nanoseconds, for example, or in percent, rounded to the digits that it has.
func inSomeUnit(text string, got, want float64) bool {
	_, decimals, _ := strings.Cut(text, ".")
	rounding := 0.5000001 * math.Pow10(-len(decimals))
	for _, unit := range []float64{1, 100, 1000, 1e-3, 1e-6, 1e6} {
		if math.Abs(got-want*unit) <= rounding {
			return true
		}
	}
	return math.Abs(got-want) <= 1 // whole numbers beyond which another engine is ahead
}

// element calls f for an element of the page and all in it.
func element(n *nethtml.Node, f func(*nethtml.Node)) {
	f(n)
	for c := range n.ChildNodes() {
		element(c, f)
	}
}

// inner returns the text of those elements of that class, or of all.
func inner(n *nethtml.Node, class string) string {
	var b strings.Builder
	element(n, func(n *nethtml.Node) {
		if n.Type == nethtml.TextNode && (class == "" ||
			slices.ContainsFunc(n.Parent.Attr,
				func(a nethtml.Attribute) bool { return a.Key == "class" && a.Val == class })) {
			b.WriteString(n.Data)
		}
	})
	return b.String()
}

// squeeze leaves out what differs between the forms of a document: white space,
// stars and case.
func squeeze(s string) string {
	return strings.NewReplacer("*", "", "\\", "", "|", "").Replace(strings.ToLower(strings.Join(strings.Fields(s), "")))
}

// Whatever is in a table of the page is in the text and in the Markdown too, and
// what the text has is on the page.
func TestAllFormsSayTheSame(t *testing.T) {
	d := New(sample(t, 12, 0.01))
	var page, md bytes.Buffer
	if err := errors.Join(d.WritePage(&page), d.WriteMarkdown(&md)); err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]map[string]bool) // of the forms
	for form, text := range map[string]string{"text": textOf(t, d), "markdown": md.String()} {
		lines[form] = make(map[string]bool)
		for line := range strings.Lines(text) {
			lines[form][squeeze(line)] = true
		}
	}
	root, err := nethtml.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	onPage := make(map[string]bool)
	onlyPage := map[string]bool{"where the verdict changes": true, "milliseconds of a page": true} // tables of figures
	tables := 0
	element(root, func(n *nethtml.Node) {
		if n.Data != "table" || slices.ContainsFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Val == "pages-now" }) {
			return // that one is the script's
		}
		tables++
		caption := ""
		element(n, func(n *nethtml.Node) {
			switch n.Data {
			case "caption":
				caption = strings.ToLower(inner(n, ""))
			case "tr":
				line := ""
				element(n, func(n *nethtml.Node) {
					switch n.Data {
					case "th":
						line += inner(n, "")
					case "td":
						line += inner(n, "v") // and its interval
						element(n, func(n *nethtml.Node) {
							if n.Type == nethtml.TextNode && strings.HasPrefix(n.Data, "±") {
								line += n.Data
							}
						})
					}
				})
				line = squeeze(line)
				onPage[line] = true
				for form, lines := range lines {
					found := lines[line]
					if caption == "bytes of cookie" { // whose text does not repeat the line above
						for l := range lines {
							found = found || l != "" && strings.HasSuffix(line, l)
						}
					}
					if !found && !(form == "text" && onlyPage[caption]) {
						t.Errorf("%s of %q is not in the %s", line, caption, form)
					}
				}
			}
		})
	})
	for _, sections := range [][]section{d.Measured, d.Model, {d.Verdict}} {
		for _, s := range sections {
			for _, part := range s.Parts {
				if part.Table == nil {
					continue
				}
				tables--
				for _, line := range part.Table.lines() {
					if part.Table.Ditto == 0 && !onPage[squeeze(strings.Join(line, ""))] {
						t.Errorf("%q of %q is not on the page", line, part.Table.Caption)
					}
				}
			}
		}
	}
	if tables != len(onlyPage) {
		t.Errorf("the page has %d tables more than the text", tables)
	}
	for _, bar := range d.raw.Survey.Distribution {
		if want := fmt.Sprintf(">%d, ", bar.Sessions); !strings.Contains(string(pageOf(t, d.raw)), want) {
			t.Errorf("there is no bar of %d sessions on the page", bar.Sessions)
		}
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	page := pageOf(t, sample(t, 12, 0.01))
	for _, m := range regexp.MustCompile(`(?i)\b(?:href|src|srcset|action|data|poster|xlink:href)="([^"]*)"`).FindAllSubmatch(page, -1) {
		if target := string(m[1]); !strings.HasPrefix(target, "#") && !strings.HasPrefix(target, "data:") {
			t.Errorf("the page refers to %q", target)
		}
	}
	// The names of namespaces are no addresses.
	page = regexp.MustCompile(`xmlns(:xlink)?="[^"]*"`).ReplaceAll(page, nil)
	for _, forbidden := range []string{"<script src", "@import", "url(", "http://", "https://", "<iframe", "ZgotmplZ"} {
		if bytes.Contains(page, []byte(forbidden)) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	// One script is run, and only as it is: another byte in it, and its hash is
	// another.
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllSubmatch(page, -1)
	if n := bytes.Count(page, []byte("<script")); len(scripts) != 1 || n != 2 {
		t.Fatalf("the page has %d elements of scripts, of which %d are run", n, len(scripts))
	}
	sum := sha256.Sum256(scripts[0][1])
	want := "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if m := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(page); m == nil ||
		html.UnescapeString(string(m[1])) != want {
		t.Errorf("the page's policy is %q, want %q", m[1], want)
	}
}

func TestPageCanBeReadWithoutSeeingIt(t *testing.T) {
	page := pageOf(t, sample(t, 12, 0.01))
	plots := regexp.MustCompile(`<[^>]*><svg [^>]*>`).FindAll(page, -1)
	shown := 0
	for _, svg := range plots {
		switch {
		case bytes.Contains(svg, []byte(`aria-hidden="true"`)):
		case bytes.Contains(svg, []byte(`role="img" aria-label="`)) && !bytes.Contains(svg, []byte(`aria-label=""`)):
			shown++
		default:
			t.Errorf("a plot without a text: %s", svg)
		}
	}
	if shown < 12 {
		t.Errorf("%d plots", shown)
	}
	tables := bytes.Count(page, []byte("<table"))
	if captions := bytes.Count(page, []byte("<caption")); captions != tables || tables < 12 {
		t.Errorf("%d captions for %d tables", captions, tables)
	}
	if headless := regexp.MustCompile(`<th(?:>| [^>]*)`).FindAll(page, -1); slices.ContainsFunc(headless,
		func(th []byte) bool { return !bytes.Contains(th, []byte("scope=")) }) {
		t.Error("a table's header does not say what it is the header of")
	}
}

func TestPageSaysWhatWasNotMeasured(t *testing.T) {
	quick := sample(t, 12, 0.01)
	quick.Wire, quick.Load, quick.Links, quick.Validation, quick.Encoders, quick.Survey = nil, nil, nil, nil, nil, nil
	for i := range quick.Stages[1:] {
		quick.Stages[i+1].State = suite.NotAsked
	}
	interrupted := sample(t, 12, 0.01)
	interrupted.Wire, interrupted.Load, interrupted.Links, interrupted.Validation = nil, nil, nil, nil
	interrupted.Settings.Rounds = 20
	for i := range interrupted.Stages {
		interrupted.Stages[i].State = suite.Interrupted
	}
	for _, tc := range []struct {
		name   string
		report *suite.Report
		texts  map[string]int // and how often they are there at least
	}{
		{"a quick run", quick, map[string]int{"Not measured in this run: bytes on the wire, load through a server, ": 1}},
		{"an interrupted run", interrupted, map[string]int{
			"The run was interrupted before this was measured: bytes on the wire, load through a server, ": 1, "INTERRUPTED after 12 of 20 rounds": 1,
			"INTERRUPTED: not all was measured of": 1,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page := pageOf(t, tc.report)
			for text, want := range tc.texts {
				if n := bytes.Count(page, []byte(text)); n < want {
					t.Errorf("%q is there %d times, want %d", text, n, want)
				}
			}
			for id, want := range map[string]bool{"wire": false, "load": false, "validation": false, "time": true, "page": true} {
				if got := bytes.Contains(page, []byte(`<section id="`+id+`">`)); got != want {
					t.Errorf("section %s is there: %v", id, got)
				}
			}
		})
	}
}

func TestPageOfARunInterruptedAtOnce(t *testing.T) {
	report := sample(t, 0, 0)
	report.Settings.Rounds = 10
	report.Wire, report.Load, report.Links, report.Validation, report.Survey = nil, nil, nil, nil, nil
	report.Requests, report.Floors, report.Behaviours = nil, nil, nil
	report.Ratios, report.Floor, report.Pages, report.Sensitivity = nil, nil, nil, nil
	page := pageOf(t, report)
	for _, want := range []string{"INTERRUPTED after 0 of 10 rounds", "No verdict: nothing was measured"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestPageOfFewRoundsHasNoVerdict(t *testing.T) {
	page := string(pageOf(t, sample(t, 2, 0.01)))
	if !strings.Contains(page, "±∞") {
		t.Error("an interval of two rounds is not infinite")
	}
	if !strings.Contains(page, "No verdict: it takes 12 rounds") {
		t.Error("an engine is called ahead after two rounds")
	}
}

func TestNamesAreText(t *testing.T) {
	report := sample(t, 6, 0.01)
	page := pageOf(t, report)
	if bytes.Contains(page, []byte("<b>cart</b>")) {
		t.Error("the name of a key is a part of the page's markup")
	}
	if !bytes.Contains(page, []byte("&lt;b&gt;cart&lt;/b&gt;")) {
		t.Error("the name of a key that was asked for is not shown")
	}
	if !bytes.Contains(page, []byte("the names of the heaviest keys are here")) {
		t.Error("the page does not say that it contains names of keys")
	}
	report.Survey.Keys[1].Name = ""
	if !bytes.Contains(pageOf(t, report), []byte("Nothing of any session&#39;s content is here.")) {
		t.Error("the page does not say that it contains nothing of the sessions")
	}
}

// Whatever was measured, there is a page.
func TestPageOfOddFigures(t *testing.T) {
	for name, change := range map[string]func(*suite.Report){
		"one engine": func(r *suite.Report) {
			r.Report = bench.Analyze(r.Only("dbstore"), bench.DefaultModel())
		},
		"a database in the process": func(r *suite.Report) {
			m := bench.DefaultModel()
			m.RoundTrip = 0
			r.Report = bench.Analyze(r.Results, m)
		},
		"a database at the end of the world": func(r *suite.Report) {
			m := bench.DefaultModel()
			m.RoundTrip = time.Second
			m.HTTP1 = true
			r.Report = bench.Analyze(r.Results, m)
		},
		"requests that take less than the empty handler": func(r *suite.Report) {
			for i := range r.Empty {
				for _, samples := range r.Empty[i].Nanosec {
					for j := range samples {
						samples[j] = 1e9
					}
				}
			}
			r.Report = bench.Analyze(r.Results, bench.DefaultModel())
		},
		"one session": func(r *suite.Report) {
			r.Settings.Sessions = r.Settings.Sessions[:1]
			r.Report = bench.Analyze(r.Results, bench.DefaultModel())
		},
		"sessions that no engine holds": func(r *suite.Report) {
			for i := range r.Requests {
				r.Requests[i].TooLarge, r.Requests[i].Cell = "too large", bench.Cell{}
			}
			r.Report = bench.Analyze(r.Results, bench.DefaultModel())
			for i := range r.Wire.Cells {
				r.Wire.Cells[i].TooLarge = "too large"
			}
		},
		"load under which nothing was answered": func(r *suite.Report) {
			for i := range r.Load.Samples {
				r.Load.Samples[i].Latency.N = 0
				r.Load.Samples[i].Median = bench.Summarize(nil, 0.95)
			}
		},
		"many engines": func(r *suite.Report) {
			results := *r.Results
			for _, extra := range []string{"a", "b", "c", "d", "e"} {
				results.Settings.Engines = append(slices.Clone(results.Settings.Engines), extra)
				for _, q := range r.Results.Requests {
					if q.Engine == "dbstore" {
						q.Engine = extra
						results.Requests = append(results.Requests, q)
					}
				}
			}
			r.Report = bench.Analyze(&results, bench.DefaultModel())
		},
	} {
		t.Run(name, func(t *testing.T) {
			report := sample(t, 8, 0.01)
			change(report)
			page := pageOf(t, report)
			if !json.Valid(raw(t, page)) {
				t.Error("the raw results are not JSON")
			}
			if i := bytes.Index(page, []byte("NaN")); i >= 0 {
				t.Errorf("a figure is not a number: %s", page[max(0, i-200):i+10])
			}
		})
	}
}

func TestWriteReportsAFailure(t *testing.T) {
	if err := New(sample(t, 6, 0.01)).WritePage(failing{}); err != io.ErrClosedPipe {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
