package report

import (
	"strings"
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/scale"
	"sessionengine/bench/suite"
)

// The table shows what was worked out, what is none, and what is not known.
func TestAtYourSize(t *testing.T) {
	cores := bench.Estimate{Value: 2, Lo: 1.9, Hi: 2.1, N: 12}
	b := &builder{&suite.Report{Report: &bench.Report{Results: new(bench.Results), Model: bench.DefaultModel()}}}
	if s := b.atYourSize(); s.Title != "" {
		t.Errorf("without sites: %+v", s)
	}
	b.Sites = []scale.Outlook{{
		Site: scale.Large, Session: bench.SessionSize{Name: "login", Size: 220},
		Engines: []scale.Needs{
			{Engine: "signedcookie", Cores: cores, Up: 45.6e9, Down: 5e6, Price: bench.Estimate{Value: 1234.5}},
			{Engine: "dbstore", Cores: bench.Estimate{Value: 1e-5}, Queries: 1100, Connections: 0.55, Up: 999, Down: 1e15,
				Rows: &scale.RowNeeds{Row: scale.Row{Table: 400, Index: 80, Cleanup: 2e-4}, Table: 4e9, Index: 8e8,
					Expire: 714285.7, Cleanup: 142.9}},
			{Engine: "own", Queries: 3},
		},
		TooLarge: []string{"sealed"},
	}}
	text := strings.Builder{}
	(&Document{Model: []section{b.atYourSize()}, raw: b.Report}).WriteText(&text)
	got := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{
		"10 000 000 sessions alive, 20 000 requests a second",
		"signedcookie 2±5% 0 0 - - 45.6 GB 5 MB 1 234",
		"dbstore <0.001 1 100 0.55 4.80 GB 2.38 min 999 B 1 PB 0",
		"own 0 3 0 ? ? 0 B 0 B 0",
		"sealed too large",
		"of dbstore (SQLite) 400 + 80 bytes × sessions, and 200 µs × expired rows",
		"Sessions are like login, of 220 bytes, and live for 14 days; 20 requests a page",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, text.String())
		}
	}
}
