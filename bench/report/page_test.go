package report

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"sessionengine/bench/suite"
)

// With -screenshots the pages that the tests look at can be looked at.
var screenshotDir = flag.String("screenshots", "", "write what the browser shows to this `directory`")

//go:embed testdata/audit.js
var audit string

func pageOf(t *testing.T, r *suite.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := New(r).WritePage(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	interrupted := sample(t, 12, 0.2)
	interrupted.Settings.Rounds = 20
	interrupted.Wire, interrupted.Load, interrupted.Validation = nil, nil, nil
	interrupted.Stages[2].State = suite.Interrupted
	type view struct {
		width  int
		scheme string
	}
	for _, tc := range []struct {
		name   string
		report *suite.Report
		views  []view
	}{
		{"a full run", sample(t, 12, 0.01), []view{{360, "light"}, {360, "dark"}, {768, "light"}, {1280, "light"},
			{1280, "dark"}}},
		{"an interrupted run on a noisy machine", interrupted, []view{{360, "light"}, {1280, "dark"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.t = t
			file := filepath.Join(t.TempDir(), "report.html")
			if err := os.WriteFile(file, pageOf(t, tc.report), 0o600); err != nil {
				t.Fatal(err)
			}
			address := (&url.URL{Scheme: "file", Path: file}).String()
			for _, v := range tc.views {
				name := fmt.Sprintf("%d pixels, %s", v.width, v.scheme)
				tab := b.open(address, v.width, v.scheme)
				var found struct {
					Problems []string
					Texts    int
					Least    float64
					Dark     bool
					Height   int
				}
				b.evaluate(tab, audit, &found)
				for _, problem := range found.Problems {
					t.Errorf("%s: %s", name, problem)
				}
				for _, complaint := range b.complaints(tab, address) {
					t.Errorf("%s: %v", name, complaint)
				}
				if found.Dark != (v.scheme == "dark") {
					t.Errorf("%s: the page is dark: %v", name, found.Dark)
				}
				t.Logf("%s: %d texts, least contrast %.2f, %d pixels high", name, found.Texts, found.Least,
					found.Height)
				if *screenshotDir != "" {
					b.screenshots(tab, filepath.Join(*screenshotDir,
						fmt.Sprintf("%.4s-%d-%s", tc.name, v.width, v.scheme)))
				}
			}
		})
	}
}
