// Package testbrowser starts a private headless Chromium for tests, and speaks to
// it in the DevTools protocol.
package testbrowser

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"sessionengine/internal/testserver"
)

// A Browser is a headless Chromium that is spoken to over a pair of pipes, in
// the DevTools protocol: messages in JSON, each with a zero byte at its end.
type Browser struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	nextID int

	// Events are what happened since they were last set to nil.
	Events []Message
}

// Message is a message of the protocol.
type Message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Error     *struct{ Message string }
}

// Start starts a Chromium with these and some more arguments, which ends with the
// test. It skips the test where there is none.
func Start(t *testing.T, args ...string) *Browser {
	t.Helper()
	path := testserver.Program(t, "chromium", "chromium-browser", "google-chrome")
	// Processes of its own may still write to the profile when it has ended, so
	// that this is not a directory of the test.
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if err = os.RemoveAll(profile); err == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error(err)
	})
	args = append([]string{
		"--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--no-first-run",
		"--disable-dev-shm-usage", "--user-data-dir=" + profile, "--remote-debugging-pipe",
	}, args...)
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // which root cannot have
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+profile)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &Browser{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		// It ends when nobody can speak to it any more.
		b.in.Close()
		io.Copy(io.Discard, b.out)
		out.Close()
		cmd.Wait()
	})
	return b
}

// receive reads the next message.
func (b *Browser) receive() Message {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	var m Message
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return m
}

// Call calls a method, of a tab if session is not empty, and puts its result
// into result unless that is nil. What happens meanwhile is kept in Events.
func (b *Browser) Call(session, method string, params, result any) {
	b.t.Helper()
	b.nextID++
	id := b.nextID
	request, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Method    string `json:"method"`
		Params    any    `json:"params"`
		SessionID string `json:"sessionId,omitempty"`
	}{id, method, params, session})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(request, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		m := b.receive()
		if m.ID != id {
			b.Events = append(b.Events, m)
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// Params are the parameters of a method.
type Params map[string]any

// Attach opens a tab of its own and returns its session.
func (b *Browser) Attach() (session string) {
	b.t.Helper()
	var target struct{ TargetID string }
	b.Call("", "Target.createTarget", Params{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.Call("", "Target.attachToTarget", Params{"targetId": target.TargetID, "flatten": true}, &attached)
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.Call(attached.SessionID, domain+".enable", Params{}, nil)
	}
	return attached.SessionID
}

// Navigate opens an address in a tab, and returns once the page has loaded.
// Events has what happened since.
func (b *Browser) Navigate(session, url string) {
	b.t.Helper()
	b.Events = nil
	b.Call(session, "Page.navigate", Params{"url": url}, nil)
	b.Wait(session, "Page.loadEventFired")
}

// Wait returns once an event of a tab is among Events.
func (b *Browser) Wait(session, method string) {
	b.t.Helper()
	for !b.happened(session, method) {
		b.Events = append(b.Events, b.receive())
	}
}

func (b *Browser) happened(session, method string) bool {
	for _, e := range b.Events {
		if e.SessionID == session && e.Method == method {
			return true
		}
	}
	return false
}

// Evaluate evaluates an expression in a tab, and puts its value into result.
func (b *Browser) Evaluate(session, expression string, result any) {
	b.t.Helper()
	var reply struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.Call(session, "Runtime.evaluate", Params{"expression": expression, "returnByValue": true}, &reply)
	if reply.ExceptionDetails != nil {
		b.t.Fatalf("the script: %s", reply.ExceptionDetails)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(reply.Result.Value, result); err != nil {
		b.t.Fatal(err)
	}
}
