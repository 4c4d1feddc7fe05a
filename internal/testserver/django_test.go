package testserver_test

import (
	"strings"
	"testing"

	"sessionengine/internal/testserver"
)

func TestEachDjangoIsTheOneThatItSays(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range testserver.Djangos(t) {
		out, err := d.Command("-c", "import django; print(django.get_version())").Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != d.Version {
			t.Errorf("Django %s runs as %q, %v", d.Version, got, err)
		}
		if seen[d.Version] {
			t.Errorf("Django %s is there twice", d.Version)
		}
		seen[d.Version] = true
	}
	t.Logf("versions: %v", seen)
}
