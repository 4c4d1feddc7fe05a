package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An application compiles what it uses, and nothing else.
func TestDependencies(t *testing.T) {
	for _, tc := range []struct {
		pkgs      []string
		forbidden []string // prefixes
	}{
		{[]string{"./session"}, []string{"sessionengine/", "github.com/", "golang.org/x/", "modernc.org/", "go.opentelemetry.io/", "database/sql"}},
		{[]string{"./session", "./signedcookie"}, []string{
			"database/sql", "modernc.org/", "github.com/jackc/", "github.com/go-sql-driver/", "golang.org/x/perf", "go.opentelemetry.io/",
			"sessionengine/bench", "sessionengine/dbstore", "sessionengine/metrics", "testing",
		}},
		{[]string{"./dbstore"}, []string{"modernc.org/", "github.com/", "golang.org/x/perf", "sessionengine/bench", "testing"}},
		{[]string{"./dbstore/postgres"}, []string{"modernc.org/", "github.com/go-sql-driver/", "sessionengine/bench"}},
		{[]string{"./dbstore/mysql"}, []string{"modernc.org/", "github.com/jackc/", "sessionengine/bench"}},
	} {
		out, err := exec.Command("go", append([]string{"list", "-deps"}, tc.pkgs...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 20 {
			t.Fatalf("%v: go list names %d packages only", tc.pkgs, len(deps))
		}
		for _, dep := range deps {
			own := slices.ContainsFunc(tc.pkgs, func(p string) bool { return dep == "sessionengine/"+strings.TrimPrefix(p, "./") })
			if own {
				continue
			}
			for _, prefix := range tc.forbidden {
				if dep == prefix || strings.HasPrefix(dep, prefix) && (strings.HasSuffix(prefix, "/") || strings.HasPrefix(dep, prefix+"/")) {
					t.Errorf("%v depends on %s", tc.pkgs, dep)
				}
			}
		}
	}
}

// "go run compare.go" works as long as the root has one file that is no test.
func TestOneFileInTheRoot(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	if !slices.Equal(files, []string{"compare.go"}) {
		t.Errorf("Go files in the root: %q", files)
	}
}
