package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the documents take for granted: a snippet may use it without saying what it is.
const snippetPrelude = `
var (
	ctx      context.Context
	db       *sql.DB
	logger   *slog.Logger
	mux      *http.ServeMux
	r        *http.Request
	w        http.ResponseWriter
	s        *session.Session
	sessions *session.Manager
	auth     *django.Auth
	t        *testing.T
	m        *testing.M
	site     *url.URL

	addr, cert, file, hash, id, item, key, password, secretKey string

	secret, next, old            []byte
	engine, store, cookies, rows session.SessionStore
	askAgain, deleteAccount      http.Handler

	list         revocation.List
	passwordHash func(ctx context.Context, user string) (string, error)
	myengine     struct {
		Open func(folder string) (*dbstore.Store, error)
	}
)
`

// A snippet is Go code of a document or a doc comment.
type snippet struct{ place, code string }

// markdownGo finds the blocks of a document, indented or not.
var markdownGo = regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```$")

// commentGo finds what only Go has, and not the shell, SQL and tables that comments show as well.
var commentGo = regexp.MustCompile(`(?m):=|^(func|var|type|if|for|return|package) |^\w+\.[A-Z]\w*\(`)

// snippets returns all Go snippets of the documents and comments below the folder.
func snippets(t *testing.T, folder string) []snippet {
	var found []snippet
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range markdownGo.FindAllSubmatchIndex(text, -1) {
				line := 1 + bytes.Count(text[:m[2]], []byte("\n"))
				found = append(found, snippet{fmt.Sprintf("%s:%d", path, line), string(text[m[2]:m[3]])})
			}
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			for _, group := range f.Comments {
				for _, block := range new(comment.Parser).Parse(group.Text()).Content {
					code, ok := block.(*comment.Code)
					if ok && commentGo.MatchString(code.Text) {
						found = append(found, snippet{files.Position(group.Pos()).String(), code.Text})
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A snippetChecker type-checks snippets. They may use every package of this module, and these of the standard library.
type snippetChecker struct {
	files   *token.FileSet
	imports string
	prelude *ast.File
	types   types.Importer
}

func newSnippetChecker(t *testing.T) *snippetChecker {
	standard := []string{"context", "database/sql", "errors", "fmt", "log", "log/slog", "net/http", "net/http/httptest",
		"net/http/httputil", "net/url", "os", "strings", "testing", "time"}
	list := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Export}}", "./..."},
		standard...)
	cmd := exec.Command("go", list...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	c := &snippetChecker{files: token.NewFileSet()}
	export := make(map[string]string) // file names, by import path
	var imports strings.Builder
	for line := range strings.Lines(string(out)) {
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		export[column[0]] = column[2]
		own := strings.HasPrefix(column[0], "sessionengine/") && column[1] != "main"
		for _, path := range standard {
			own = own || path == column[0]
		}
		if own {
			fmt.Fprintf(&imports, "import %q;", column[0])
		}
	}
	c.imports = imports.String()
	c.types = importer.ForCompiler(c.files, "gc",
		func(path string) (io.ReadCloser, error) { return os.Open(export[path]) })
	c.prelude, err = parser.ParseFile(c.files, "prelude", "package snippet;"+c.imports+snippetPrelude, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check returns what is wrong with a snippet: a file, declarations or statements. A line of "…" stands for anything.
// Variables and imports need not be used.
func (c *snippetChecker) check(s snippet) error {
	code := regexp.MustCompile(`(?m)^\s*…$`).ReplaceAllString(s.code, "")
	line := "\n//line " + s.place + "\n"
	begin := "package snippet;" + c.imports
	parsed := []*ast.File{c.prelude}
	switch {
	case strings.HasPrefix(code, "package"):
		begin, line = "", strings.TrimPrefix(line, "\n")
		parsed = nil
	case regexp.MustCompile(`(?m)^(func|type|import) \w`).MatchString(code):
	default:
		begin += "\nfunc _() (_ any) {"
		code += "\npanic(0)}"
	}
	f, err := parser.ParseFile(c.files, "", begin+line+code, 0)
	if err != nil {
		return err
	}
	parsed = append(parsed, f)
	var wrong error
	conf := types.Config{Importer: c.types, Error: func(err error) {
		if e, ok := err.(types.Error); !ok || !e.Soft {
			wrong = cmp.Or(wrong, err)
		}
	}}
	conf.Check("snippet", c.files, parsed, nil)
	return wrong
}

// Every Go snippet of the documents and of the doc comments compiles.
func TestSnippetsCompile(t *testing.T) {
	checker := newSnippetChecker(t)
	inDocument, inComment := 0, 0
	for _, s := range snippets(t, ".") {
		if strings.Contains(s.place, ".md:") {
			inDocument++
		} else {
			inComment++
		}
		if err := checker.check(s); err != nil {
			t.Errorf("%v\n%s", err, s.code)
		}
	}
	if inDocument < 10 || inComment < 10 {
		t.Errorf("found %d snippets in documents and %d in comments", inDocument, inComment)
	}

	for _, wrong := range []string{
		`store, err := sqlite.Open(ctx, "sessions.db", nil)`,
		`session.NoSuchFunction(s)`,
		`store := session.NewManager(store, session.Options{})`,
		"if err != nil {",
		"func f() int { return undefined }",
		"package main\n\nfunc main() { fmt.Println() }",
	} {
		if checker.check(snippet{"wrong:1", wrong}) == nil {
			t.Errorf("this compiles: %s", wrong)
		}
	}
}
