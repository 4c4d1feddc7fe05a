package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"sessionengine/internal/testbrowser"
)

// A browser shows pages, and tells what it has to say of them.
type browser struct {
	*testbrowser.Browser
	t *testing.T
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	return &browser{testbrowser.Start(t), t}
}

type params = testbrowser.Params

// open opens an address in a tab of its own, of that width, with light or dark
// colours, and returns the tab's session once the page has loaded.
func (b *browser) open(url string, width int, scheme string) (session string) {
	b.t.Helper()
	session = b.Attach()
	b.Call(session, "Emulation.setDeviceMetricsOverride", params{"width": width, "height": 800, "deviceScaleFactor": 1,
		"mobile": false}, nil)
	b.Call(session, "Emulation.setEmulatedMedia",
		params{"features": []params{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.Navigate(session, url)
	return session
}

// evaluate evaluates an expression in a tab, and puts its value into result.
func (b *browser) evaluate(session, expression string, result any) {
	b.t.Helper()
	b.Evaluate(session, expression, result)
}

// complaints returns what the browser had to say of the page, and what it
// requested for it.
func (b *browser) complaints(session, url string) []error {
	var found []error
	for _, e := range b.Events {
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
	b.Call(session, "Page.getLayoutMetrics", params{}, &size)
	const part = 1600
	for i := 0; float64(i*part) < size.CSSContentSize.Height; i++ {
		var picture struct{ Data []byte }
		height := min(part, size.CSSContentSize.Height-float64(i*part))
		b.Call(session, "Page.captureScreenshot", params{
			"format": "png", "captureBeyondViewport": true,
			"clip": params{"x": 0, "y": i * part, "width": size.CSSContentSize.Width, "height": height, "scale": 1},
		}, &picture)
		if err := os.WriteFile(fmt.Sprintf("%s-%02d.png", name, i), picture.Data, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
