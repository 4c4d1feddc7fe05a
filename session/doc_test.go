package session_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the package's documentation shows compiles.
func TestTheSnippetsOfTheDocumentationCompile(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	inside := false
	for line := range strings.Lines(string(text)) {
		code, ok := strings.CutPrefix(line, "//\t")
		switch {
		case ok && !inside:
			blocks = append(blocks, code)
			inside = true
		case ok:
			blocks[len(blocks)-1] += code
		case line != "//\n":
			inside = false
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d snippets in doc.go", len(blocks))
	}
	file := filepath.Join(t.TempDir(), "main.go")
	source := `package main

import (
	"context"
	"net/http"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
)

func main() {}

func serve(ctx context.Context, addr string, mux *http.ServeMux) {
` + blocks[0] + `
	_ = err
}

func handle(w http.ResponseWriter, r *http.Request) {
` + blocks[1] + `
	_, _ = team, ok
}
`
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, source)
	}
}
