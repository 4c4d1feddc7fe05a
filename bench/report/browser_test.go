package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"sessionengine/internal/testserver"
)

// A browser is a headless Chromium that is spoken to over a pair of pipes, in
// the DevTools protocol: messages in JSON, each with a zero byte at its end.
type browser struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	nextID int
	events []message
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Error     *struct{ Message string }
}

// startBrowser starts a Chromium that ends with the test. It skips the test
// where there is none.
func startBrowser(t *testing.T) *browser {
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
	args := []string{
		"--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--no-first-run",
		"--disable-dev-shm-usage", "--user-data-dir=" + profile, "--remote-debugging-pipe",
	}
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
	b := &browser{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
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
func (b *browser) receive() message {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	var m message
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return m
}

// call calls a method, of a tab if session is not empty, and puts its result
// into result unless that is nil. What happens meanwhile is kept in b.events.
func (b *browser) call(session, method string, params, result any) {
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
			b.events = append(b.events, m)
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

type params map[string]any

// open opens an address in a tab of its own, of that width, with light or dark
// colours, and returns the tab's session once the page has loaded.
func (b *browser) open(url string, width int, scheme string) (session string) {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", params{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("", "Target.attachToTarget", params{"targetId": target.TargetID, "flatten": true}, &attached)
	session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.call(session, domain+".enable", params{}, nil)
	}
	b.call(session, "Emulation.setDeviceMetricsOverride", params{"width": width, "height": 800, "deviceScaleFactor": 1,
		"mobile": false}, nil)
	b.call(session, "Emulation.setEmulatedMedia",
		params{"features": []params{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.events = nil
	b.call(session, "Page.navigate", params{"url": url}, nil)
	for !b.happened(session, "Page.loadEventFired") {
		b.events = append(b.events, b.receive())
	}
	return session
}

func (b *browser) happened(session, method string) bool {
	for _, e := range b.events {
		if e.SessionID == session && e.Method == method {
			return true
		}
	}
	return false
}

// evaluate evaluates an expression in a tab, and puts its value into result.
func (b *browser) evaluate(session, expression string, result any) {
	b.t.Helper()
	var reply struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call(session, "Runtime.evaluate", params{"expression": expression, "returnByValue": true}, &reply)
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

// complaints returns what the browser had to say of the page, and what it
// requested for it.
func (b *browser) complaints(session, url string) []error {
	var found []error
	for _, e := range b.events {
		if e.SessionID != session {
			continue
		}
		switch e.Method {
		case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
			found = append(found, fmt.Errorf("%s: %s", e.Method, e.Params))
		case "Network.requestWillBeSent":
			var sent struct{ Request struct{ URL string } }
			if err := json.Unmarshal(e.Params, &sent); err != nil {
				found = append(found, err)
			} else if u := sent.Request.URL; u != url && u != "data:," {
				found = append(found, errors.New("the page requests "+u))
			}
		}
	}
	return found
}

// screenshots writes the whole page to files of that name and a number.
func (b *browser) screenshots(session, name string) {
	b.t.Helper()
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.call(session, "Page.getLayoutMetrics", params{}, &size)
	const part = 1600
	for i := 0; float64(i*part) < size.CSSContentSize.Height; i++ {
		var picture struct{ Data []byte }
		height := min(part, size.CSSContentSize.Height-float64(i*part))
		b.call(session, "Page.captureScreenshot", params{
			"format": "png", "captureBeyondViewport": true,
			"clip": params{"x": 0, "y": i * part, "width": size.CSSContentSize.Width, "height": height, "scale": 1},
		}, &picture)
		if err := os.WriteFile(fmt.Sprintf("%s-%02d.png", name, i), picture.Data, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
