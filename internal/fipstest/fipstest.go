// Package fipstest runs tests in Go's FIPS 140-only mode.
package fipstest

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// Only reports whether the process is in FIPS 140-only mode, in which a test has
// to go on. Otherwise Only has run the test, which has no parent, in a process
// that is, and the test has only to return: it has failed if it failed there.
func Only(t *testing.T) bool {
	t.Helper()
	if fips140.Enforced() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}
