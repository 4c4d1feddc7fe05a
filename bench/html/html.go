// Package html writes a report as one page that needs nothing else: no network,
// no script, no other file. It can be read on a phone, printed, and in light and
// in dark.
//
// The plots are SVG in the page. The raw results, which the page offers as a
// download, are in it too, and each figure says where in them it comes from: by
// a JSON pointer (RFC 6901) in the title of its cell, which browsers show when
// the mouse is over it.
package html

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

var (
	//go:embed page.tmpl
	pageTemplate string

	//go:embed style.css
	styleSheet string
)

// A page is what the template is filled with.
type page struct {
	Style       template.CSS
	Title       string
	Engines     []legendItem
	Machine     string
	Run         string
	Date        string
	Warnings    []string
	Verdict     []string
	Caveats     []string
	Ahead       *table
	Turns       *table
	Assumptions []assumption
	Sections    []*section
	Statistics  []string
	Download    template.URL
	Bytes       int
	Contents    string // what of the sessions is in the page
}

// An assumption is one of the model's inputs.
type assumption struct{ Name, Value string }

// Write writes the page.
func Write(w io.Writer, r *suite.Report) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("html: %w", err)
	}
	b := &builder{r}
	env, settings := r.Environment, r.Settings
	p := page{
		Style:       template.CSS(styleSheet),
		Title:       "Sessions in " + list(settings.Engines),
		Machine:     fmt.Sprintf("%s, %s for Go; %s, %s", orUnknown(env.CPU), plural(env.Cores, "core", "cores"), env.GoVersion, env.Platform),
		Run:         fmt.Sprintf("%d rounds of %d ms samples in random order, seed %d", settings.Rounds, settings.Sample.Milliseconds(), settings.Seed),
		Date:        env.Started.Format("2 January 2006, 15:04 UTC"),
		Warnings:    b.warnings(),
		Verdict:     r.SpeedVerdict(),
		Caveats:     r.Caveats(),
		Ahead:       b.aheadTable(),
		Turns:       b.turnsTable(),
		Assumptions: assumptions(r.Model),
		Sections:    b.sections(),
		Statistics:  b.statistics(),
		Download:    template.URL("data:application/json;base64," + base64.StdEncoding.EncodeToString(raw)),
		Bytes:       len(raw),
		Contents:    b.contents(),
	}
	for _, engine := range settings.Engines {
		p.Engines = append(p.Engines, legendItem{b.engineKey(engine), engine})
	}
	t, err := template.New("page").Funcs(template.FuncMap{"inc": func(i int) int { return i + 1 }}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("html: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return fmt.Errorf("html: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown processor"
	}
	return s
}

// warnings says why the figures are worth less than they might be.
func (b *builder) warnings() []string {
	var warnings []string
	if b.Rounds < b.Settings.Rounds {
		warnings = append(warnings, fmt.Sprintf("Interrupted after %d of %d rounds. What follows is what those tell.", b.Rounds, b.Settings.Rounds))
	}
	for _, s := range b.Stages {
		if s.State == suite.Interrupted && s.Name != suite.Requests {
			warnings = append(warnings, fmt.Sprintf("Interrupted: not all was measured of %s.", s.Name))
		}
	}
	spread := 100 * b.Quiet.Spread
	switch {
	case b.Quiet.TooNoisy():
		warnings = append(warnings, fmt.Sprintf("Too noisy: an empty handler's time varied by %.0f %% from round to round. Something else kept the machine busy; times and ratios say little, and no engine is called ahead.", spread))
	case b.Quiet.Noisy():
		warnings = append(warnings, fmt.Sprintf("Noisy: an empty handler's time varied by %.0f %% from round to round, so that intervals are at 99 %% here, and differences need more evidence.", spread))
	}
	return warnings
}

// contents says what of the sessions' content is in the page.
func (b *builder) contents() string {
	if b.Survey != nil && slices.ContainsFunc(b.Survey.Keys, func(k bench.Keys) bool { return k.Name != "" }) {
		return "Of the sessions' content, the names of the heaviest keys are in this page, as was asked for, and nothing else."
	}
	return "Nothing of any session's content is in this page."
}

func assumptions(m bench.Model) []assumption {
	http := "HTTP/2: the first request of a page carries the cookie, the others a byte"
	if m.HTTP1 {
		http = "HTTP/1.1: each request carries the cookie"
	}
	return []assumption{
		{"Round trip to the database", milliseconds(m.RoundTrip)},
		{"Visitor's line", fmt.Sprintf("%v Mbit/s up, %v down", m.Uplink, m.Downlink)},
		{"Pages that read, for each that writes", fmt.Sprint(m.ReadsPerWrite)},
		{"Requests of a page", fmt.Sprintf("%d, of which one uses the session", m.RequestsPerPage)},
		{"HTTP", http},
		{"Prices", fmt.Sprintf("$%v for an hour of a core, $%v for a GB sent, $%v for a million queries", m.CPUHour, m.GBOut, m.MillionQueries)},
	}
}

// statistics says what the figures are worth.
func (b *builder) statistics() []string {
	told := 0
	for _, r := range b.Ratios {
		if r.Different {
			told++
		}
	}
	alpha := bench.Alpha
	if b.Quiet.Noisy() {
		alpha /= 5
	}
	lines := []string{
		fmt.Sprintf("The number of rounds was fixed beforehand. In each of them everything was measured once, in a random order, and ratios are taken within a round. No measurement was left out. "+
			"Intervals are those of the order statistics of the rounds, at %.0f %%, and assume nothing about how times are distributed.", 100*b.confidence()),
		fmt.Sprintf("Many comparisons find some differences by chance. The %s of the table of times were tested together: two engines count as different if the Mann-Whitney test tells them apart with Holm's correction, so that in all of them together there is "+
			"a chance of %v %% at most to find a difference where there is none, and the interval of their difference excludes 0. That holds for %d of them. The comparisons of pages are another family, tested in the same way. "+
			"Intervals are each at their own level, and not corrected.", plural(len(b.Ratios), "comparison", "comparisons"), 100*alpha, told),
	}
	if len(b.Empty.Nanosec) > 1 {
		lines = append(lines, fmt.Sprintf("How quiet the machine was: the middle half of an empty handler's times, over the rounds, spans %.1f %% of their median.", 100*b.Quiet.Spread))
	}
	lines = append(lines, "Ratios of one run can be trusted elsewhere; absolute times say something about this machine. Engines were measured with warm caches and a database that fits into memory. "+
		"There is no network in the time of a request, and one request at a time, except where a section says otherwise.")
	return lines
}
