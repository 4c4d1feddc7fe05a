package report

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/suite"
)

// overview is the page over the machines whose results are in bench/results.
const overview = "../results/MACHINES.md"

// The page over all machines says what their results say. With -update it is
// written again.
func TestOverviewOfMachines(t *testing.T) {
	files, err := filepath.Glob("../results/*/compare.json.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no results: %v", err)
	}
	slices.Sort(files)
	var b bytes.Buffer
	b.WriteString("# Machines\n\nWhat `go run .` found on each machine that results of are here. Ratios are of the " +
		"processor time of a request, with the half-width of their 95 % interval; times do not leave the machine, and " +
		"are in its folder. This page is made by `go test ./bench/report -run Overview -update`.\n")
	for _, file := range files {
		results, err := readPacked(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		writeMachine(&b, filepath.Base(filepath.Dir(file)), bench.Analyze(results, bench.DefaultModel()))
	}
	if *update {
		if err := os.WriteFile(overview, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(overview)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s does not say what the results say; run with -update and look at the difference", overview)
	}
}

// readPacked reads a report of -json that gzip has packed.
func readPacked(file string) (*bench.Results, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return suite.ReadJSON(text)
}

// writeMachine writes the part of a machine.
func writeMachine(b *bytes.Buffer, folder string, r *bench.Report) {
	env := r.Environment
	fmt.Fprintf(b, "\n## [%s](%s/compare.txt)\n\n%s, %d cores for Go; %s, %s; %s; %d rounds", folder, folder, env.CPU,
		env.Cores, env.GoVersion, env.Platform, env.Started.Format("2 January 2006"), r.Rounds)
	if r.Others >= 0 {
		fmt.Fprintf(b, "; other programs used %.0f %% of the processor", 100*r.Others)
	}
	b.WriteString(".\n\n| session | engine | read ÷ " + r.Settings.Engines[0] + " | write ÷ " + r.Settings.Engines[0] +
		" | login | equal at a round trip of |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
	for _, s := range r.Settings.Sessions {
		for _, engine := range r.Settings.Engines[1:] {
			fmt.Fprintf(b, "| %s, %d B | %s", s.Name, s.Size, engine)
			for _, kind := range []bench.Kind{bench.Read, bench.Write, bench.Login} {
				i := slices.IndexFunc(r.Ratios, func(q bench.RatioResult) bool {
					return q.Session == s.Name && q.Engine == engine && q.Kind == kind
				})
				if i < 0 {
					b.WriteString(" | too large for the first")
					continue
				}
				ratio := r.Ratios[i].Ratio
				fmt.Fprintf(b, " | %.2f ±%.1f %%", ratio.Value, 100*ratio.Spread())
			}
			equal := "-"
			for _, p := range r.Pages {
				if p.Session == s.Name && p.EqualAt != nil {
					equal = fmt.Sprintf("%.2f ms ±%.1f %%", p.EqualAt.Value/1e6, 100*p.EqualAt.Spread())
				}
			}
			fmt.Fprintf(b, " | %s |\n", equal)
		}
	}
	fmt.Fprintf(b, "\n%s\n", strings.Join(r.Verdict(), "\n"))
}
