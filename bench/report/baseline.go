package report

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/suite"
	"sessionengine/internal/cmdflag"
)

// A Baseline is an earlier run that a run is compared with, and what counts as
// failure, as a command's flags say.
type Baseline struct {
	path       string
	before     *bench.Results // nil without -baseline
	conditions []bench.Condition
}

// DeclareBaseline declares -baseline and -fail-if.
func DeclareBaseline(flags *flag.FlagSet) *Baseline {
	b := new(Baseline)
	flags.StringVar(&b.path, "baseline", "", "compare with an earlier run, whose -json report is in this `file`, and "+
		"say what\nhas changed")
	flags.Func("fail-if", "exit with status 1 if this `condition` is met: 'read > 1.05' if requests that read\ntake "+
		"more than 1.05 times as long as in the -baseline or, without one, as with\nthe first engine; so for again, "+
		"write, login, logout, and any of them;\n'cookie > 600' (bytes), 'queries > 2' or 'allocs > 100' if a request "+
		"of this run\nhas more; worse if anything is worse than in the -baseline. May be given again",
		func(text string) error {
			c, err := bench.ParseCondition(text)
			b.conditions = append(b.conditions, c)
			return err
		})
	return b
}

// Open reads the earlier run, so that one that does not do is known before the
// measurements.
func (b *Baseline) Open(engines []bench.Engine, sessions []bench.Session) error {
	for _, c := range b.conditions {
		if c.NeedsBaseline() && b.path == "" {
			return fmt.Errorf("-fail-if %s needs -baseline", c)
		}
	}
	if b.path == "" {
		return nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return fmt.Errorf("-baseline: %w", cmdflag.WithoutPath(err, b.path))
	}
	defer f.Close()
	if b.before, err = suite.ReadJSON(f); err == nil {
		var names []string
		for _, e := range engines {
			names = append(names, e.Name)
		}
		var sizes []bench.SessionSize
		for _, s := range sessions {
			sizes = append(sizes, bench.SessionSize{Name: s.Name, Size: s.Size})
		}
		err = b.before.Comparable(names, sizes)
	}
	if err != nil {
		return fmt.Errorf("-baseline: %s: %w", b.path, err)
	}
	return nil
}

// Compare puts into the report what has changed, if there is a baseline. Documents
// are drawn up after that.
func (b *Baseline) Compare(found *suite.Report) (err error) {
	if b.before == nil || found.Rounds == 0 {
		return nil
	}
	found.Changes, err = found.Since(b.before)
	return err
}

// shownReasons is how many of the reasons for a failure are in the error.
const shownReasons = 3

// Judge returns an error if a condition of -fail-if is met, or cannot be told. The
// report is written before that.
func (b *Baseline) Judge(found *suite.Report) error {
	var failures []string
	for _, c := range b.conditions {
		reasons, err := c.Check(found.Report, found.Changes)
		if more := len(reasons) - shownReasons; more > 0 {
			reasons = append(reasons[:shownReasons], fmt.Sprintf("and %d more", more))
		}
		if reasons != nil {
			err = errors.New(strings.Join(reasons, "; "))
		}
		if err != nil {
			failures = append(failures, fmt.Sprintf("-fail-if %s: %v", c, err))
		}
	}
	if failures != nil {
		return errors.New(strings.Join(failures, "; "))
	}
	return nil
}

// changes is what is different from the baseline.
func (b *builder) changes() section {
	c := b.Changes
	if c == nil {
		return section{}
	}
	t := &table{Caption: "since the baseline", Columns: []string{"engine, session", "request", "what", "before", "now"}}
	different, unknown, widest := 0, 0, 0.0
	for i, one := range c.Times {
		if math.IsInf(one.Lo, 0) {
			unknown++
		} else {
			widest = max(widest, one.Hi/one.Ratio.Value-1, 1-one.Lo/one.Ratio.Value)
		}
		if one.Different {
			different++
			ratio := text("×%s", short(one.Ratio.Value)).at("/changes/times/%d/ratio", i)
			ratio.Spread = spread(one.Ratio)
			t.add(one.Engine+", "+one.Session, text("%s", one.Kind), text("time"), text("1"), ratio)
		}
	}
	for i, f := range c.Facts {
		of := f.Engine
		if f.Session != "" {
			of += ", " + f.Session
		}
		at := func(s, member string) cell { return text("%s", s).at("/changes/facts/%d/%s", i, member) }
		what, _, _ := strings.Cut(f.What, ":")
		t.add(of, text("%s", f.Kind), text("%s", what), at(f.Before, "before"), at(f.Now, "now"))
	}
	s := section{ID: "changes", Title: "since the baseline"}
	s.Intro = append(s.Intro, fmt.Sprintf("The baseline is a run of %s on %s with %s. Of %s that both have, %s; of what "+
		"was counted or tried, %s.", c.Before.Started.Format("2 January 2006, 15:04 UTC"), orUnknown(c.Before.CPU),
		c.Before.GoVersion, plural(len(c.Times), "time"), differ(different), differ(len(c.Facts))))
	if len(c.Times) > unknown {
		s.Intro = append(s.Intro, fmt.Sprintf("It takes a change of about %.0f %% to be noticed; more "+
			"rounds notice smaller ones.",
			math.Ceil(100*(widest+0.02))))
	}
	if unknown > 0 {
		s.Intro = append(s.Intro, fmt.Sprintf("%s could not be told, for lack of measurements.", plural(unknown, "time")))
	}
	if len(c.Missing) > 0 {
		s.Intro = append(s.Intro, "Not compared: "+strings.Join(c.Missing, "; ")+".")
	}
	t.Notes = []string{"A time of one run cannot be compared with one of another. What is compared is how many times " +
		"as long a request takes as what was measured beside it in the same run: its engine's floor or, where there " +
		"is none, the first engine's. A time counts as different if the interval that allows for all these comparisons " +
		"is outside of 0.98 to 1.02."}
	s.add(t.orNil())
	return s
}

func differ(n int) string {
	switch n {
	case 0:
		return "none has changed"
	case 1:
		return "1 has changed"
	}
	return fmt.Sprintf("%d have changed", n)
}
