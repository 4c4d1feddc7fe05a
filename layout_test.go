package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
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
		{[]string{"./session"}, []string{"sessionengine/", "github.com/", "golang.org/x/", "modernc.org/",
			"go.opentelemetry.io/", "database/sql"}},
		{[]string{"./session", "./signedcookie"}, []string{
			"database/sql", "modernc.org/", "github.com/jackc/", "github.com/go-sql-driver/", "golang.org/x/perf",
			"go.opentelemetry.io/", "github.com/go-jose",
			"sessionengine/bench", "sessionengine/dbsc", "sessionengine/dbstore", "sessionengine/metrics", "testing",
		}},
		{[]string{"./dbstore"}, []string{"modernc.org/", "github.com/", "golang.org/x/perf", "sessionengine/bench",
			"testing"}},
		{[]string{"./dbstore/postgres"}, []string{"modernc.org/", "github.com/go-sql-driver/", "sessionengine/bench"}},
		{[]string{"./redisstore"}, []string{"database/sql", "modernc.org/", "github.com/jackc/", "golang.org/x/perf",
			"sessionengine/bench", "testing"}},
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
			own := slices.ContainsFunc(tc.pkgs, func(p string) bool {
				folder := "sessionengine/" + strings.TrimPrefix(p, "./")
				return dep == folder || strings.HasPrefix(dep, folder+"/internal/")
			})
			if own {
				continue
			}
			for _, prefix := range tc.forbidden {
				if dep == prefix || strings.HasPrefix(dep, prefix) &&
					(strings.HasSuffix(prefix, "/") || strings.HasPrefix(dep, prefix+"/")) {
					t.Errorf("%v depends on %s", tc.pkgs, dep)
				}
			}
		}
	}
}

// The table in DESIGN.md says who may import whom.
func TestLayout(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string][]string) // folders, by the folder that may import them
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(design)) {
		columns := strings.Split(line, "|")
		if len(columns) != 5 || !strings.HasPrefix(line, "| `") {
			continue
		}
		var others []string
		for _, m := range code.FindAllStringSubmatch(columns[3], -1) {
			others = append(others, m[1])
		}
		if strings.TrimSpace(columns[3]) == "everything" {
			others = []string{""}
		}
		for _, m := range code.FindAllStringSubmatch(columns[1], -1) {
			allowed[m[1]] = others
		}
	}
	in := func(pkg, folder string) bool {
		return folder == "" || pkg == folder || strings.HasPrefix(pkg, folder+"/")
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(strings.TrimPrefix(words[0], "sessionengine"), "/")
		if pkg == "" {
			pkg = "compare.go"
		}
		if in(pkg, "internal") || in(pkg, "examples") || strings.Contains(pkg, "/internal/") && allowed[pkg] == nil {
			continue
		}
		row := pkg // the folder in the table that the package is in
		for allowed[row] == nil && strings.Contains(row, "/") {
			row = path.Dir(row)
		}
		if others, ok := allowed[row]; !ok {
			t.Errorf("%s is not in the table of DESIGN.md", pkg)
		} else {
			for _, word := range words[1:] {
				other, own := strings.CutPrefix(word, "sessionengine/")
				fine := func(folder string) bool { return in(other, folder) }
				if own && !in(other, row) && !in(other, "internal") && !strings.Contains(other, "/internal/") &&
					!slices.ContainsFunc(others, fine) {
					t.Errorf("%s imports %s; the table of DESIGN.md allows %q", pkg, other, others)
				}
			}
		}
	}
}

// Each row of the table of bounds in DESIGN.md says what happens beyond the bound, and names tests that there are.
func TestBoundsNameTheirTests(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(design), "\n## Bounds\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		column := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| what ") {
			continue
		}
		if rows++; len(column) != 4 || slices.Contains(column, "") {
			t.Errorf("a row without its four columns: %s", line)
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSuffix(column[3], " |"), "; ") {
			folder, names, ok := strings.Cut(strings.ReplaceAll(part, "`", ""), ": ")
			files, err := filepath.Glob(folder + "/*_test.go")
			if !ok || err != nil || len(files) == 0 {
				t.Errorf("no tests in %q", part)
			}
			var source strings.Builder
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source.Write(text)
			}
			for name := range strings.SplitSeq(names, ", ") {
				if !strings.HasPrefix(name, "Test") || !strings.Contains(source.String(), "func "+name+"(") {
					t.Errorf("%s has no test %q", folder, name)
				}
			}
		}
	}
	if rows < 15 {
		t.Errorf("found %d rows", rows)
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

// The files and folders that CONTRIBUTING.md names are there.
func TestContributingNamesFilesThatThereAre(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	named, inTable := 0, 0
	for line := range strings.Lines(string(text)) {
		for _, m := range regexp.MustCompile("`([\\w.]+(/[\\w.]+)*)`").FindAllStringSubmatch(line, -1) {
			file := m[1]
			if folder, _, _ := strings.Cut(file, "/"); folder == file && !strings.HasSuffix(file, ".go") &&
				!strings.HasSuffix(file, ".md") {
				continue // a name in the code
			}
			named++
			if strings.HasPrefix(line, "| ") {
				inTable++
			}
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
	}
	if named < 40 || inTable < 30 {
		t.Errorf("found %d files, %d of them in the table", named, inTable)
	}
}
