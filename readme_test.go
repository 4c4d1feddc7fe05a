package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessionengine/internal/testserver"
)

// readmeBlocks returns the fenced blocks of the README in the given language.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(m[1]))
	}
	if len(blocks) == 0 {
		t.Fatalf("the README has no block of %s", language)
	}
	return blocks
}

// The server that the README shows is the one in examples/hello, and so is
// compiled and tried.
func TestREADMEShowsTheExample(t *testing.T) {
	program, err := os.ReadFile("examples/hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ = bytes.Cut(program, []byte("\npackage main\n"))
	for _, block := range readmeBlocks(t, "go") {
		if strings.Contains(block, string(program)) {
			return
		}
	}
	t.Error("no Go block of the README is examples/hello/main.go")
}

// So is the login.
func TestREADMEShowsTheLogin(t *testing.T) {
	program, err := os.ReadFile("examples/login/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range readmeBlocks(t, "go") {
		if strings.HasPrefix(block, "func login(") && bytes.Contains(program, []byte(block)) {
			return
		}
	}
	t.Error("no Go block of the README is the login of examples/login/main.go")
}

// What the README shows of curl is what curl shows.
func TestREADMETranscript(t *testing.T) {
	testserver.Program(t, "curl")
	var transcript string
	for _, block := range readmeBlocks(t, "console") {
		if strings.Contains(block, "$ curl") {
			transcript = block
		}
	}
	dir := t.TempDir()
	hello := filepath.Join(dir, "hello")
	if out, err := exec.Command("go", "build", "-o", hello, "./examples/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	server := exec.Command(hello, "-addr", addr)
	server.Dir = dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	for range 100 {
		if res, err := http.Get("http://" + addr); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}

	var want, got strings.Builder
	for line := range strings.Lines(transcript) {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case !ok:
			want.WriteString(line)
		case strings.HasPrefix(command, "curl"):
			curl := exec.Command("sh", "-c", strings.ReplaceAll(command, "127.0.0.1:8000", addr))
			curl.Dir = dir
			out, err := curl.Output()
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			got.Write(out)
		case strings.HasPrefix(command, "go run ./examples/hello"):
		default:
			t.Errorf("what is %q?", command)
		}
	}
	normal := func(s string) string {
		s = strings.ReplaceAll(s, "\r", "")
		s = regexp.MustCompile(`sessionid=[a-z0-9]{32};`).ReplaceAllString(s, "sessionid=TOKEN;")
		return regexp.MustCompile(`(?m)^Date: .*$`).ReplaceAllString(s, "Date: NOW")
	}
	if normal(got.String()) != normal(want.String()) {
		t.Errorf("curl shows\n%s\nthe README\n%s", normal(got.String()), normal(want.String()))
	}
}

// The other commands of the README run, word for word. They take minutes, so
// that this is for those who ask for it.
func TestREADMECommands(t *testing.T) {
	if os.Getenv("SESSIONENGINE_README") == "" {
		t.Skip("set SESSIONENGINE_README=1 to run the README's commands")
	}
	for _, block := range readmeBlocks(t, "console") {
		if strings.Contains(block, "$ curl") {
			continue // TestREADMETranscript
		}
		for line := range strings.Lines(block) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			if strings.HasPrefix(command, "go test ./...") {
				continue // this is it
			}
			t.Logf("$ %s", command)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
			cmd.Env = append(os.Environ(), "SESSIONENGINE_README=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			} else if len(bytes.TrimSpace(out)) == 0 {
				t.Errorf("%s says nothing", command)
			}
		}
	}
}

// The README's table of behaviours says what was found when they were tried.
func TestREADMEBehaviours(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile("bench/results/behaviours.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string) // by trial, in the order of the libraries there
	for line := range strings.Lines(string(results)) {
		if fields := regexp.MustCompile(`  +`).Split(strings.TrimSpace(line), -1); len(fields) == 6 {
			found[fields[0]] = fields[1:]
		}
	}
	trials := map[string]string{
		"of 50 parallel writers, kept": "parallel writers", "a logged-out session stays dead": "replay after logout",
		"… while a slow request saves": "resurrection", "old values stay away when an old cookie is sent": "old cookie",
		"`http.Flusher` before the first write: the session is saved": "flush first",
		"103 Early Hints, and then a change: it is saved":             "early hints",
		"a failing store gives one response":                          "failing store",
	}
	words := map[string]string{"yes": "yes", "50": "yes", "no": "NO", "1": "NO", "lost": "NO"}
	rows := 0
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		trial, ok := trials[cells[0]]
		if !ok {
			continue
		}
		rows++
		for i, cell := range cells[1:] {
			if words[cell] != found[trial][i] {
				t.Errorf("%s: README says %q of library %d, and the trial %q", cells[0], cell, i, found[trial][i])
			}
		}
	}
	if rows != len(trials) {
		t.Errorf("%d rows of the table were looked up, of %d", rows, len(trials))
	}
}
