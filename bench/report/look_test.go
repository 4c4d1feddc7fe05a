package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// manyOf makes results of so many engines and sessions of those of a sample.
func manyOf(results *bench.Results, engines []string, sessions int) *bench.Results {
	all := *results
	all.Settings.Engines, all.Settings.Sessions = engines, nil
	all.Requests, all.Empty, all.Floors, all.Behaviours = nil, nil, nil, nil
	for i := range sessions {
		of := results.Settings.Sessions[i%len(results.Settings.Sessions)]
		size := bench.SessionSize{Name: fmt.Sprintf("%s-%d", of.Name, i), Size: of.Size + i}
		all.Settings.Sessions = append(all.Settings.Sessions, size)
		for _, e := range results.Empty {
			if e.Session == of.Name {
				e.Session = size.Name
				all.Empty = append(all.Empty, e)
			}
		}
		for j, engine := range engines {
			for _, q := range results.Requests {
				if q.Session == of.Name && q.Engine == sampleEngines[j%len(sampleEngines)] {
					q.Session, q.Engine = size.Name, engine
					all.Requests = append(all.Requests, q)
				}
			}
		}
	}
	for j, engine := range engines {
		for _, b := range results.Behaviours {
			if b.Engine == sampleEngines[j%len(sampleEngines)] {
				b.Engine = engine
				all.Behaviours = append(all.Behaviours, b)
			}
		}
	}
	return &all
}

func lookOf(t *testing.T, r *bench.Report) string {
	t.Helper()
	var b strings.Builder
	if err := New(&suite.Report{Report: r}).WriteLook(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) > 40 {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.ContainsAny(line, "~÷≫*") {
			t.Errorf("a sign without words: %s", line)
		}
	}
	return b.String()
}

func TestTheVerdictFitsOnAScreen(t *testing.T) {
	results := sample(t, 12, 0.01).Results
	for _, tc := range []struct {
		engines  []string
		sessions int
		left     string
	}{
		{[]string{"signedcookie", "dbstore"}, 1, ""},
		{[]string{"signedcookie", "dbstore"}, 3, ""},
		{[]string{"signedcookie", "dbstore"}, 7, " of 7 sessions, which -tables shows"},
		{[]string{"signedcookie", "dbstore-postgres", "signedcookie+revocation", "dbstore-sync", "a-store-of-another"}, 18,
			" of 18 sessions, which -tables shows"},
	} {
		r := bench.Analyze(manyOf(results, tc.engines, tc.sessions), bench.DefaultModel())
		text := lookOf(t, r)
		for _, want := range []string{"Use ", tc.left, "works after the logout", "How sure: ", "Assumed: ",
			"-tables (all tables)", tc.engines[len(tc.engines)-1]} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("%d engines, %d sessions: nothing of %q in\n%s", len(tc.engines), tc.sessions, want, text)
			}
		}
		if tc.left == "" && strings.Contains(text, "Left out") {
			t.Errorf("%d engines, %d sessions: something is left out of\n%s", len(tc.engines), tc.sessions, text)
		}
	}
}

func TestTheVerdictIsAboutEnginesThatDoWhatIsNeeded(t *testing.T) {
	model := bench.DefaultModel()
	model.MustLogOut = true
	r := bench.Analyze(manyOf(sample(t, 12, 0.01).Results, []string{"signedcookie", "dbstore"}, 3), model)
	text := strings.Join(strings.Fields(lookOf(t, r)), " ")
	for _, want := range []string{
		"Ruled out: signedcookie, with which a stolen cookie works after the logout; a slow request logs the visitor in again.",
		"Use dbstore for all sessions of this run (49 to 493 bytes).", "ruled out", "the only one",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in %q", want, text)
		}
	}
	for _, p := range r.Pages {
		if len(p.RuledOut) != 1 || len(p.Engines) != 1 {
			t.Errorf("%s: %d engines, %d ruled out", p.Session, len(p.Engines), len(p.RuledOut))
		}
	}
	model.MustLogOut, model.KeepChanges = false, true
	if r := bench.Analyze(r.Results, model); r.RuledOut("signedcookie") != "two requests set different keys: one is lost" ||
		r.RuledOut("dbstore") != "" {
		t.Errorf("ruled out: %q, %q", r.RuledOut("signedcookie"), r.RuledOut("dbstore"))
	}
	for i := range r.Behaviours {
		r.Behaviours[i].Observed = true
	}
	if advice := strings.Join(bench.Analyze(r.Results, model).Advice(), " "); !strings.Contains(advice,
		"No engine of this run does what you need.") {
		t.Errorf("with no engine left: %q", advice)
	}
}

func TestSpreadOut(t *testing.T) {
	if got := fmt.Sprint(spreadOut(7)); got != "[0 6 3 1 4 2 5]" {
		t.Errorf("got %s", got)
	}
	for n := range 40 {
		order := spreadOut(n)
		slices.Sort(order)
		for i := range n {
			if order[i] != i {
				t.Fatalf("of %d: %v", n, order)
			}
		}
	}
}
