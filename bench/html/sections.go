package html

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// A section is a part of the page under a heading.
type section struct {
	ID      string
	Title   string
	Missing string   // why there is nothing, if there is nothing
	Intro   []string // paragraphs
	Figures []*figure
	Beside  bool // whether the first table is beside the figure where there is room
	Tables  []*table
}

func (s *section) add(figures ...*figure) {
	for _, f := range figures {
		if f != nil {
			s.Figures = append(s.Figures, f)
		}
	}
}

// A builder makes the parts of a page from a report.
type builder struct{ *suite.Report }

// confidence is that of the intervals of a report.
func (b *builder) confidence() float64 {
	if b.Quiet.Noisy() {
		return 0.99
	}
	return 0.95
}

func (b *builder) size(session string) int {
	for _, s := range b.Settings.Sessions {
		if s.Name == session {
			return s.Size
		}
	}
	return 0
}

func bytesOf(n int) string { return strconv.Itoa(n) + " B" }

// sessionName names a session with its size.
func sessionName(s bench.SessionSize) string { return s.Name + ", " + bytesOf(s.Size) }

// requestIndex returns where a kind of request is in the results, or -1.
func (b *builder) requestIndex(engine, session string, kind bench.Kind) int {
	return slices.IndexFunc(b.Requests, func(q bench.RequestResult) bool {
		return q.Engine == engine && q.Session == session && q.Kind == kind
	})
}

func (b *builder) request(engine, session string, kind bench.Kind) *bench.RequestResult {
	if i := b.requestIndex(engine, session, kind); i >= 0 {
		return &b.Requests[i]
	}
	return nil
}

// net returns the nanoseconds of a request over the empty handler's.
func (b *builder) net(q *bench.RequestResult) []float64 {
	net := slices.Clone(q.Nanosec)
	for i := range net {
		net[i] -= b.Empty.Nanosec[i]
	}
	return net
}

// missing tells why a stage has nothing to show.
func (b *builder) missing(stage suite.StageName) string {
	if b.State(stage) == suite.Interrupted {
		return "The run was interrupted before this was measured."
	}
	return "Not measured in this run. go run . -full -html report.html measures it."
}

// partly tells that a stage was interrupted, if it was.
func (b *builder) partly(stage suite.StageName, rounds int) []string {
	if b.State(stage) != suite.Interrupted {
		return nil
	}
	return []string{fmt.Sprintf("Interrupted: what follows is from %s.", plural(rounds, "complete round", "complete rounds"))}
}

// sections returns all of the page's, in their order.
func (b *builder) sections() []*section {
	all := []*section{
		b.mapSection(), b.pageSection(), b.timeSection(), b.cookieSection(), b.wireSection(),
		b.loadSection(), b.validationSection(), b.behaviourSection(),
	}
	if b.Survey != nil {
		all = append(all, b.surveySection())
	}
	for _, s := range all {
		for _, t := range s.Tables {
			t.Folded = t.Folded || t.rows() > longTable
		}
	}
	return all
}

// longTable is the number of rows that a table has at most without being folded.
const longTable = 40

// engineKey is the glyph of an engine.
func (b *builder) engineKey(engine string) template.HTML { return key(b.style(engine)) }
