package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sessionengine/bench"
	"sessionengine/session"
	"sessionengine/session/sessiontest"
)

func TestFileStoreIsAnEngine(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) session.SessionStore { return newFileStore(t.TempDir()) },
		sessiontest.Features{Revocable: true, DetectsConflicts: true, StableToken: true, Parallel: true})
}

func TestReportHasTheOwnStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	var out strings.Builder
	if err := run(t.Context(), []string{"-rounds", "1", "-time", "1ms", "-json", file}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "files") {
		t.Errorf("there is nothing of the store in %s", out.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found bench.Results
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, q := range found.Requests {
		if q.Engine == "files" {
			kinds++
		}
	}
	if want := 2 * len(bench.Kinds()); kinds != want || !slices.Contains(found.Settings.Engines, "files") {
		t.Errorf("%d kinds of request were measured, want %d", kinds, want)
	}
}
