package metrics_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Only package otelmetrics depends on OpenTelemetry.
func TestDependencies(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command")
	}
	out, err := exec.Command(goTool, "list", "-deps", "sessionengine/session", "sessionengine/signedcookie",
		"sessionengine/dbstore", "sessionengine/metrics").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "sessionengine/metrics\n") {
		t.Fatalf("go list printed %q", out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "opentelemetry") {
			t.Errorf("there is a dependency on %s", line)
		}
	}
}
