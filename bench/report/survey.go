package report

import (
	"fmt"
	"io"
	"strings"

	"sessionengine/bench/survey"
	"sessionengine/internal/cmdflag"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

// survey is the section of the user's own sessions. It has no title if there are
// none.
func (b *builder) survey() section {
	v := b.Survey
	if v == nil {
		return section{}
	}
	s := section{ID: "yours", Title: "your sessions", Intro: []string{plural(v.Sessions, "session")}}
	if v.Sample != nil {
		s.Intro = sampleLines(v.Sample)
	}
	s.add(b.surveyTable())
	s.draw(b.distribution())
	s.add(b.keyTable())
	if v.Training != nil {
		t := trainingTable(v.Training)
		t.Notes = append(t.Notes, "-train makes such a dictionary, and writes it to a file.")
		s.add(t)
	} else if n := len(s.Parts) - 1; s.Parts[n].Table != nil {
		t := s.Parts[n].Table
		t.Notes = append(t.Notes, fmt.Sprintf("No dictionary was tried: that takes %d different sessions which have "+
			"something in common.", survey.MinTraining))
	}
	return s
}

// sampleLines says which sessions were taken.
func sampleLines(s *survey.Sample) []string {
	n := s.Taken
	for _, l := range s.LeftOut {
		n -= l.Sessions
	}
	line := plural(n, "session")
	if int64(s.Taken) < s.Found {
		line += fmt.Sprintf(", of %d taken at random from %d", s.Taken, s.Found)
	}
	lines := []string{line}
	for _, l := range s.LeftOut {
		lines = append(lines, fmt.Sprintf("Left out: %d, the first at %s: %s.", l.Sessions, l.First, l.Reason))
	}
	return lines
}

// surveyTable has the sizes of the sessions and of their cookies.
func (b *builder) surveyTable() *table {
	v := b.Survey
	t := &table{Caption: "their sizes and those of their cookies",
		Columns: []string{"bytes", "too large", "min", "median", "p90", "p99", "max"}}
	line := func(name, from string, tooLarge cell, z survey.Sizes) {
		t.add(name, tooLarge, text("%d", z.Min).at("%s/min", from), text("%d", z.Median).at("%s/median", from),
			text("%d", z.P90).at("%s/p90", from), text("%d", z.P99).at("%s/p99", from),
			text("%d", z.Max).at("%s/max", from))
	}
	line("JSON", "/survey/json_bytes", none(""), v.JSON)
	for i, e := range v.Engines {
		tooLarge := text("%s", share(e.TooLarge, v.Tried)).at("/survey/engines/%d/too_large", i)
		line("cookie, "+e.Engine, fmt.Sprintf("/survey/engines/%d/cookie_bytes", i), tooLarge, e.Cookie)
	}
	if v.Tried < v.Sessions {
		t.Notes = []string{fmt.Sprintf("The cookies are those of %d sessions, evenly spaced.", v.Tried)}
	}
	return t
}

// keyTable has what the heaviest keys weigh.
func (b *builder) keyTable() *table {
	t := &table{Caption: "their heaviest keys",
		Columns: []string{"key", "in sessions", "mean B", "max B", "of all bytes"}}
	for i, k := range b.Survey.Keys {
		name := cmdflag.Word(k.Name)
		if k.Name == "" {
			name = fmt.Sprintf("no. %d", i+1)
			t.Notes = []string{"Names of keys are content, and are not shown unless they are asked for: -show-keys."}
		}
		t.add(name, text("%s", share(k.Sessions, b.Survey.Sessions)).at("/survey/keys/%d/sessions", i),
			text("%d", k.Mean).at("/survey/keys/%d/mean_bytes", i),
			text("%d", k.Max).at("/survey/keys/%d/max_bytes", i),
			text("%.1f%%", 100*k.Share).at("/survey/keys/%d/share", i))
	}
	return t.orNil()
}

// trainingTable has what a dictionary of the sessions' own saves.
func trainingTable(training *survey.Training) *table {
	intro := plural(training.Sessions, "session")
	if training.Copies > 0 {
		intro += fmt.Sprintf(", of which %d that equal another one were left out", training.Copies)
	}
	if training.Unused > 0 {
		intro += fmt.Sprintf(", and %d more than training takes", training.Unused)
	}
	t := &table{
		Caption: "what a dictionary of their own saves",
		Intro: []string{fmt.Sprintf("%s. In an order that follows from seed %d, the first %d made a dictionary of %d "+
			"bytes, and the other %d, which it has not seen, tell what it saves.", intro, training.Seed, training.Trained, training.Bytes,
			training.HeldOut)},
		Columns: []string{"bytes of cookie value", "median", "p90", "max", "mean", "saved", "too large"},
		Notes: []string{fmt.Sprintf("saved: of the mean, over the line above. too large: name and value together "+
			"exceed %d bytes, which browsers drop.",
			session.MaxCookieBytes)},
	}
	scheme, above := "", 0
	for i, c := range training.Cookies {
		saved := none("")
		if c.Scheme != scheme {
			t.begin(c.Scheme)
		} else {
			saved = text("%.0f%%", 100*(1-float64(c.Mean)/float64(above)))
		}
		scheme, above = c.Scheme, c.Mean
		from := fmt.Sprintf("/survey/training/cookies/%d", i)
		t.add(c.Compression, text("%d", c.Median).at("%s/median", from), text("%d", c.P90).at("%s/p90", from),
			text("%d", c.Max).at("%s/max", from),
			text("%d", c.Mean).at("%s/mean", from), saved,
			text("%s", share(c.TooLarge, training.HeldOut)).at("%s/too_large", from))
	}
	return t
}

// WriteTraining writes which sessions were taken and what a dictionary that was
// trained on some of them saves on the others, as text.
func WriteTraining(w io.Writer, s *survey.Sample, t *survey.Training) error {
	p := new(printer)
	for _, line := range sampleLines(s) {
		p.paragraph(line)
	}
	made := trainingTable(t)
	p.title(made.Caption)
	p.table(made)
	p.out.WriteByte('\n')
	if t.Saves(signedcookie.Signed) > 0 || t.Saves(signedcookie.Sealed) > 0 {
		p.paragraph("signedcookie.Options.Dictionary takes it. Keep it for as long as there are cookies that were " +
			"made with it: they cannot be read without. It contains what many sessions share, and no more of one " +
			"than that.")
	} else {
		p.paragraph("It saves nothing that the built-in dictionary does not: do without it.")
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

// distribution shows how many of the sessions have which size.
func (b *builder) distribution() *figure {
	v := b.Survey
	if len(v.Distribution) == 0 {
		return nil
	}
	f := &figure{Title: "their sizes as JSON"}
	for i, bin := range v.Distribution {
		f.Bars = append(f.Bars, bar{fmt.Sprintf("up to %8d B", bin.Bytes), bin.Sessions,
			share(bin.Sessions, v.Sessions), fmt.Sprintf("/survey/distribution/%d/sessions", i)})
	}
	f.Alt = fmt.Sprintf("How many of the sessions have which size, in %d ranges from %s to %s.", len(f.Bars),
		strings.Join(strings.Fields(f.Bars[0].Name), " "),
		strings.Join(strings.Fields(f.Bars[len(f.Bars)-1].Name), " "))
	return f
}
