package django_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheCodeOfTheGuideIsThatOfTheExamples: the examples are compiled and run.
func TestTheCodeOfTheGuideIsThatOfTheExamples(t *testing.T) {
	guide, err := os.ReadFile("MIGRATING.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	// What the guide leaves out is how the examples report errors.
	handling := regexp.MustCompile(`if err != nil \{\nfmt\.Println\(err\)\nreturn\n\}\n|defer store\.Close\(\)\n`)
	source := handling.ReplaceAllString(flush(string(examples)), "")
	source = strings.Replace(source, flush(`auth, err := django.NewAuth(secretKey, django.Options{})`), "", 1)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of code in the guide", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(source, flush(block[1])) {
			t.Errorf("this is in no example:\n%s", block[1])
		}
	}
}

// flush returns code without indentation and empty lines.
func flush(code string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(code, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// TestTheGuideNamesTestsThatThereAre and links to files that there are.
func TestTheGuideNamesTestsThatThereAre(t *testing.T) {
	guide, err := os.ReadFile("MIGRATING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(guide), -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("a link to %s: %v", link[1], err)
		}
	}
	source, err := os.ReadFile("site_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`Test[A-Z]\w+`).FindAllString(string(guide), -1) {
		if !strings.Contains(string(source), "func "+name+"(") {
			t.Errorf("there is no %s", name)
		}
	}
}
