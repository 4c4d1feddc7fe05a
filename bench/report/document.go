// Package report writes what a run found, for people and for programs: as text
// for a terminal, as one page of HTML with plots, and as Markdown; as CSV, and in
// the format of Go's benchmarks.
//
// The first three say the same. [New] draws up the tables and figures once, and
// the writers only put them into their form: no number is worked out while it is
// written. The page adds what a terminal has no room for: plots, with the tables
// that spell them out, what a number is when there is more to say, and where in
// the raw results it is, as a JSON pointer (RFC 6901).
package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/suite"
	"sessionengine/bench/survey"
)

// A Document is a report as it is to be read.
type Document struct {
	Title    string
	Date     string
	Engines  []string
	Facts    []fact    // of the run
	Warnings []string  // why the figures are worth less than they might be
	Measured []section // what was measured
	Model    []section // what follows for pages
	Verdict  section
	Method   []string // how it was measured, and what of the sessions is in the document

	Try *tryOut // of the page

	look look

	raw *suite.Report
}

// A fact is something about the whole run.
type fact struct{ Name, Value string }

// A section is a part of the document under a heading.
type section struct {
	ID, Title string
	Missing   string // why there is nothing, if there is nothing
	Intro     []string
	Parts     []part
}

// A part of a section is a table or a figure.
type part struct {
	Table  *table
	Figure *figure
}

func (s *section) add(tables ...*table) {
	for _, t := range tables {
		if t != nil {
			s.Parts = append(s.Parts, part{Table: t})
		}
	}
}

func (s *section) draw(figures ...*figure) {
	for _, f := range figures {
		if f != nil {
			s.Parts = append(s.Parts, part{Figure: f})
		}
	}
}

// A table has a name for each row, in the first column.
type table struct {
	Caption string
	Intro   []string // paragraphs above it
	Columns []string
	Groups  []group
	Notes   []string // paragraphs below it
	Ditto   int      // of the first columns, what repeats the line above may be left out
	Detail  bool     // not everybody's interest
}

// A group is a number of rows under a common name, or under none.
type group struct {
	Name string
	Rows []row
}

// A row may have fewer cells than the table: the last one then spans the rest.
type row struct {
	Name  string
	Cells []cell
	Minor bool // it explains the one above
}

// A cell is a number, or a word.
type cell struct {
	Text   string
	Spread string // how far its interval reaches
	More   string // what there is to say besides
	From   string // where it is in the raw results, as a JSON pointer
	Ahead  bool   // of the others in its column
	None   bool   // there is no number
}

func (t *table) add(name string, cells ...cell) {
	if len(t.Groups) == 0 {
		t.Groups = []group{{}}
	}
	g := &t.Groups[len(t.Groups)-1]
	g.Rows = append(g.Rows, row{Name: name, Cells: cells})
}

// begin begins a group of rows.
func (t *table) begin(name string) { t.Groups = append(t.Groups, group{Name: name}) }

// orNil returns nil instead of a table without rows.
func (t *table) orNil() *table {
	t.Groups = slices.DeleteFunc(t.Groups, func(g group) bool { return len(g.Rows) == 0 })
	if len(t.Groups) == 0 {
		return nil
	}
	return t
}

// text returns a cell.
func text(format string, args ...any) cell { return cell{Text: fmt.Sprintf(format, args...)} }

// none returns a cell without a number, for a reason.
func none(why string) cell { return cell{Text: why, None: true} }

// at returns the cell with the place of its number.
func (c cell) at(format string, args ...any) cell {
	c.From = fmt.Sprintf(format, args...)
	return c
}

// New draws up the document of a report.
func New(r *suite.Report) *Document {
	b := &builder{r}
	env, settings := r.Environment, r.Settings
	d := &Document{
		Title:   "Sessions in " + strings.Join(settings.Engines, ", "),
		Date:    env.Started.Format("2 January 2006, 15:04 UTC"),
		Engines: settings.Engines,
		Facts: []fact{
			{"machine", fmt.Sprintf("%s, %d cores for Go", orUnknown(env.CPU), env.Cores)},
			{"software", env.GoVersion + ", " + env.Platform},
			{"run", fmt.Sprintf("%d rounds of samples of about %v in random order, seed %d", settings.Rounds,
				settings.Sample, settings.Seed)},
		},
		Warnings: b.warnings(),
		Measured: []section{b.changes(), b.times(), b.cookies(), b.survey(), b.behaviours(), b.wire(), b.load()},
		Model:    []section{b.pages(), b.atYourSize(), b.validation()},
		Verdict:  section{ID: "verdict", Title: "which engine to use", Intro: r.Verdict()},
		Method:   b.method(),
		raw:      r,
	}
	d.Try, d.look = b.tryOut(), b.look()
	if r.Rounds > 0 {
		d.Verdict.add(d.look.pages)
		d.Verdict.draw(b.mapFigure())
	}
	for _, sections := range []*[]section{&d.Measured, &d.Model} {
		*sections = slices.DeleteFunc(*sections, func(s section) bool { return s.Title == "" })
	}
	return d
}

// A builder makes the parts of a document.
type builder struct{ *suite.Report }

// warnings says why the figures are worth less than they might be.
func (b *builder) warnings() []string {
	var warnings []string
	if b.Rounds < b.Settings.Rounds {
		warnings = append(warnings, fmt.Sprintf("INTERRUPTED after %d of %d rounds. What follows is what those tell.",
			b.Rounds, b.Settings.Rounds))
	}
	var missing []string
	for _, s := range b.Stages {
		if s.State == suite.Interrupted {
			missing = append(missing, string(s.Name))
		}
	}
	if missing != nil {
		warnings = append(warnings, "INTERRUPTED: not all was measured of "+strings.Join(missing, ", ")+".")
	}
	if b.Rounds > 0 && b.Settings.Rounds < bench.MinRounds {
		warnings = append(warnings, fmt.Sprintf("%d rounds are too few for intervals, and so for a verdict: it takes %d.",
			b.Settings.Rounds, bench.MinRounds))
	}
	return warnings
}

// missing says why a stage has nothing to show.
func (b *builder) missing(stage suite.StageName) string {
	if b.State(stage) == suite.Interrupted {
		return interruptedBefore
	}
	return notMeasured
}

// Why a section has nothing to show.
const (
	interruptedBefore = "The run was interrupted before this was measured"
	notMeasured       = "Not measured in this run"
)

// missing says which sections have nothing to show, and why, a sentence a line.
func (d *Document) missing() []string {
	var lines []string
	for _, why := range []string{interruptedBefore, notMeasured} {
		var titles []string
		for _, s := range slices.Concat(d.Measured, d.Model) {
			if s.Missing == why {
				titles = append(titles, s.Title)
			}
		}
		if titles != nil {
			lines = append(lines, why+": "+strings.Join(titles, ", ")+".")
		}
	}
	if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], notMeasured) {
		lines[n-1] += " go run . -full -html report.html measures that."
	}
	return lines
}

// partly says that a stage was interrupted, if it was.
func (b *builder) partly(stage suite.StageName, rounds int) []string {
	if b.State(stage) != suite.Interrupted {
		return nil
	}
	return []string{fmt.Sprintf("Interrupted: what follows is from %d complete rounds.", rounds)}
}

// method says how it was measured and what the figures are worth.
func (b *builder) method() []string {
	told := 0
	for _, r := range b.Ratios {
		if r.Different {
			told++
		}
	}
	lines := []string{
		"The number of rounds was fixed beforehand. In each of them everything was measured, in a random order: the " +
			"engines in turns, in bursts of samples of about a tenth of a millisecond, with the same number of requests " +
			"in a sample for all that are compared. What else runs on a machine only adds to a time, and most samples " +
			"that short are not disturbed. So the time of a request is the 10 % quantile of its samples, less that of an " +
			"empty handler that was measured beside it. What its garbage costs later is added: bytes, times the price of " +
			"collecting a byte, which was measured too. Of requests that wait for a disk or for a server, the processor " +
			"time is told apart, and how long they took is shown as a distribution.",
		fmt.Sprintf("Intervals are at 95 %%: the rounds were drawn again ten thousand times, whole and for all engines "+
			"together. A single time has a lower end that is 5 %% lower, since a machine that is slow during the whole "+
			"run looks like a dear engine; a ratio does not need that. Two engines count as different if the interval of "+
			"their ratio lies outside 0.98 to 1.02 and they differ by more than 0.2 µs, at a level that leaves a chance of 5 %% for all %d comparisons of the "+
			"table together. That holds for %d of them.", len(b.Ratios), told),
	}
	if b.Others >= 0 {
		lines = append(lines, fmt.Sprintf("Other programs used %.0f %% of the processor meanwhile. That makes intervals "+
			"wider, and changes nothing else.", 100*b.Others))
	}
	lines = append(lines, "Ratios of one run can be trusted elsewhere; absolute times say something about this "+
		"machine. Engines were measured with warm caches and a database that fits into memory. There is no network in "+
		"the time of a request, and one request at a time, except where a section says otherwise.")
	contents := "Nothing of any session's content is here."
	if b.Survey != nil && slices.ContainsFunc(b.Survey.Keys, func(k survey.Keys) bool { return k.Name != "" }) {
		contents = "Of the sessions' content, the names of the heaviest keys are here, as was asked for, and nothing " +
			"else."
	}
	return append(lines, contents)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown processor"
	}
	return s
}

// sessionName names a session with its size.
func sessionName(s bench.SessionSize) string { return fmt.Sprintf("%s, %d B", s.Name, s.Size) }

func (b *builder) size(session string) int {
	for _, s := range b.Settings.Sessions {
		if s.Name == session {
			return s.Size
		}
	}
	return 0
}

// known reports whether there is an interval that says something.
func known(e bench.Estimate) bool { return !math.IsInf(e.Spread(), 0) && !math.IsNaN(e.Spread()) }
