package html

import (
	"fmt"
	"strconv"

	"sessionengine/bench"
)

// surveySection shows the user's own sessions.
func (b *builder) surveySection() *section {
	v := b.Survey
	s := &section{ID: "yours", Title: "Your sessions"}
	intro := plural(v.Sessions, "session", "sessions")
	if v.Sample != nil && int64(v.Sample.Taken) < v.Sample.Found {
		intro += fmt.Sprintf(", of %d taken at random from %d", v.Sample.Taken, v.Sample.Found)
	}
	intro += "."
	if v.Sample != nil {
		for _, l := range v.Sample.LeftOut {
			intro += fmt.Sprintf(" Left out: %d: %s.", l.Sessions, l.Reason)
		}
	}
	s.Intro = []string{intro}
	if len(v.Distribution) > 0 {
		s.add(b.distributionFigure())
		s.Beside = true
	}
	s.Tables = append(s.Tables, b.surveyTable())
	if len(v.Keys) > 0 {
		s.Tables = append(s.Tables, b.keyTable())
	}
	if v.Training != nil {
		s.Tables = append(s.Tables, b.trainingTable())
	}
	return s
}

// surveyTable shows the sizes of the sessions and of their cookies.
func (b *builder) surveyTable() *table {
	v := b.Survey
	t := &table{Caption: "Bytes", Columns: []string{"", "too large", "least", "median", "90 %", "99 %", "greatest"}}
	line := func(name, from string, tooLarge cell, z bench.Sizes) row {
		return row{Name: name, Cells: []cell{
			tooLarge, textCell(strconv.Itoa(z.Min)).at("%s/min", from), textCell(strconv.Itoa(z.Median)).at("%s/median", from),
			textCell(strconv.Itoa(z.P90)).at("%s/p90", from), textCell(strconv.Itoa(z.P99)).at("%s/p99", from), textCell(strconv.Itoa(z.Max)).at("%s/max", from),
		}}
	}
	g := group{Rows: []row{line("JSON", "/survey/json_bytes", none("–"), v.JSON)}}
	for i, e := range v.Engines {
		tooLarge := share(e.TooLarge, v.Tried).at("/survey/engines/%d/too_large", i)
		g.Rows = append(g.Rows, line("cookie, "+e.Engine, fmt.Sprintf("/survey/engines/%d/cookie_bytes", i), tooLarge, e.Cookie))
	}
	t.Groups = []group{g}
	if v.Tried < v.Sessions {
		t.Notes = []string{fmt.Sprintf("The cookies are those of %d sessions, evenly spaced.", v.Tried)}
	}
	return t
}

// share returns a cell for n of a total.
func share(n, total int) cell {
	switch {
	case n == 0:
		return textCell("none")
	case 2000*n < total:
		return textCell("<0.1 %")
	}
	return textCell(strconv.FormatFloat(100*float64(n)/float64(total), 'f', 1, 64) + " %")
}

// keyTable shows what the heaviest keys weigh.
func (b *builder) keyTable() *table {
	t := &table{
		Caption: "The heaviest keys",
		Columns: []string{"key", "in sessions", "mean, bytes", "greatest, bytes", "of all bytes"},
	}
	var g group
	hidden := false
	for i, k := range b.Survey.Keys {
		name := k.Name
		if name == "" {
			name, hidden = fmt.Sprintf("no. %d", i+1), true
		}
		g.Rows = append(g.Rows, row{Name: name, Cells: []cell{
			share(k.Sessions, b.Survey.Sessions).at("/survey/keys/%d/sessions", i),
			textCell(strconv.Itoa(k.Mean)).at("/survey/keys/%d/mean_bytes", i),
			textCell(strconv.Itoa(k.Max)).at("/survey/keys/%d/max_bytes", i),
			textCell(strconv.FormatFloat(100*k.Share, 'f', 1, 64)+" %").at("/survey/keys/%d/share", i),
		}})
	}
	t.Groups = []group{g}
	if hidden {
		t.Notes = []string{"Names of keys are content, and are not here unless they are asked for: -show-keys."}
	}
	return t
}

// trainingTable shows what a dictionary of the sessions' own saves.
func (b *builder) trainingTable() *table {
	training := b.Survey.Training
	t := &table{
		Caption: "What a dictionary of their own saves, in bytes of a cookie's value",
		Columns: []string{"compression", "median", "90 %", "greatest", "mean", "too large"},
		Notes: []string{fmt.Sprintf("A dictionary of %d bytes, made from %d of the sessions, and tried on %d others, which it has not seen.",
			training.Bytes, training.Trained, training.HeldOut)},
	}
	for i, c := range training.Cookies {
		if n := len(t.Groups); n == 0 || t.Groups[n-1].Name != c.Scheme {
			t.Groups = append(t.Groups, group{Name: c.Scheme})
		}
		g, from := &t.Groups[len(t.Groups)-1], fmt.Sprintf("/survey/training/cookies/%d", i)
		g.Rows = append(g.Rows, row{Name: c.Compression, Cells: []cell{
			textCell(strconv.Itoa(c.Median)).at("%s/median", from), textCell(strconv.Itoa(c.P90)).at("%s/p90", from),
			textCell(strconv.Itoa(c.Max)).at("%s/max", from), textCell(strconv.Itoa(c.Mean)).at("%s/mean", from),
			share(c.TooLarge, training.HeldOut).at("%s/too_large", from),
		}})
	}
	return t
}
