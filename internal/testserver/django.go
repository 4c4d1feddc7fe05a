package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Django is a version of Django that is installed, or in the cache.
type Django struct {
	// Version is what Django calls itself, such as 4.2.21.
	Version string

	python string
	path   string // PYTHONPATH, or empty for that of the environment
}

// Command returns a command that runs Python with this Django.
func (d Django) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.python, args...)
	if d.path != "" {
		cmd.Env = append(os.Environ(), "PYTHONPATH="+d.path)
	}
	return cmd
}

// Djangos returns the versions of Django that there are, the machine's own
// first: at least one, or the test is skipped. If the environment variable
// SESSIONENGINE_REQUIRE_SERVERS is 1, a version that is missing fails the test.
// SESSIONENGINE_PYTHON names an interpreter to use instead of the machine's.
func Djangos(t testing.TB) []Django {
	t.Helper()
	djangos, missing := findDjangos()
	switch {
	case len(missing) > 0 && os.Getenv(requireVariable) == "1":
		t.Fatalf("not found: %s; .ci/run fetches what is missing", strings.Join(missing, ", "))
	case len(djangos) == 0:
		t.Skip("no Python with Django")
	}
	return djangos
}

var findDjangos = sync.OnceValues(func() (djangos []Django, missing []string) {
	for _, name := range []string{"", "django-4.2", "django-5.2"} {
		path := ""
		if name != "" {
			dir, ok := cached(name)
			if !ok {
				missing = append(missing, name)
				continue
			}
			path = filepath.Join(dir, "usr/lib/python3/dist-packages")
		}
		found := false
		for _, python := range pythons() {
			d := Django{python: python, path: path}
			out, err := d.Command("-c", "import django; print(django.get_version())").Output()
			if found = err == nil; found {
				d.Version = strings.TrimSpace(string(out))
				if !slices.ContainsFunc(djangos, func(other Django) bool { return other.Version == d.Version }) {
					djangos = append(djangos, d)
				}
				break
			}
		}
		if !found && name == "" {
			missing = append(missing, "Python with Django")
		} else if !found {
			missing = append(missing, "Python for "+name)
		}
	}
	return djangos, missing
})

// pythons returns the interpreters to try.
func pythons() []string {
	if p := os.Getenv("SESSIONENGINE_PYTHON"); p != "" {
		return []string{p}
	}
	return []string{"/usr/bin/python3", "python3"}
}

// Python returns a Python interpreter that has a module, or the test is skipped;
// see [Djangos].
func Python(t testing.TB, module string) string {
	t.Helper()
	for _, python := range pythons() {
		if exec.Command(python, "-c", "import "+module).Run() == nil {
			return python
		}
	}
	if os.Getenv(requireVariable) == "1" {
		t.Fatalf("no Python with %s; .ci/run installs it", module)
	}
	t.Skipf("no Python with %s", module)
	return ""
}
