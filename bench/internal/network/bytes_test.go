package network_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sessionengine/bench"
	"sessionengine/bench/internal/network"
)

func measure(t *testing.T, trace network.Trace, kinds ...string) *network.Traffic {
	t.Helper()
	result, err := network.CountBytes(t.Context(), engines(t, "signedcookie", "sealed", "dbstore"),
		sessions(t, kinds...), trace)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// unchanged is the default trace without changes of the session.
func unchanged() network.Trace {
	trace := network.DefaultTrace()
	trace.ChangeEvery = 0
	return trace
}

// pageRequests returns how many requests a page has.
func pageRequests(t network.Trace) int { return 1 + t.Calls + t.Assets }

// share returns what the session adds to a page.
func share(r *network.Traffic, c *network.TrafficCell) network.Bytes {
	return c.Page.Minus(r.Floor(c).Page)
}

func within(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance*want }

func TestEveryRequestOfHTTP1CarriesTheWholeCookie(t *testing.T) {
	for _, trace := range []network.Trace{network.DefaultTrace(), unchanged()} {
		r := measure(t, trace, "login", "oidc")
		for i := range r.Cells {
			c := &r.Cells[i]
			if c.Protocol != network.HTTP1 || c.Engine == network.NoSession {
				continue
			}
			perRequest := len("Cookie: \r\n") + c.Cookie
			want := float64(pageRequests(trace) * perRequest)
			if got := share(r, c).UpInTLS; !within(got, want, 0.02) {
				t.Errorf("%s, %s, a change every %d requests: a page has %.0f bytes more up; want about %.0f", c.Engine,
					c.Session, trace.ChangeEvery, got, want)
			}
		}
	}
}

func TestACookieThatDoesNotChangeIsNearlyFreeWithHTTP2(t *testing.T) {
	r := measure(t, unchanged(), "login", "cart", "large-cart")
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Protocol != network.HTTP2 || c.Engine == network.NoSession {
			continue
		}
		http1 := share(r, r.Cell(c.Engine, c.Session, network.HTTP1)).Up
		got := share(r, c)
		if got.Up <= 0 || got.Up > 0.05*http1 {
			t.Errorf("%s, %s: a page has %.0f bytes more up, and %.0f with HTTP/1.1", c.Engine, c.Session, got.Up,
				http1)
		}
		if got.Down > 30 {
			t.Errorf("%s, %s: a page has %.0f bytes more down though no cookie is set", c.Engine, c.Session, got.Down)
		}
	}
}

// A connection of HTTP/2 remembers a cookie up to the size that the model has; a
// larger one is sent with every request.
func TestALargeCookieIsSentWithEveryRequestOfHTTP2(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	var sessions []bench.Session
	for _, size := range []int{bench.HeaderRoom - 250, bench.HeaderRoom + 650} {
		text := make([]byte, size*3/4-60) // what base64 makes of it, and what is around it
		random.Read(text)
		s, err := bench.ParseSession(fmt.Appendf(nil, `{"user":"u","r":%q}`, base64.StdEncoding.EncodeToString(text)),
			fmt.Sprint(size))
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	trace := unchanged()
	r, err := network.CountBytes(t.Context(), engines(t, "sealed"), sessions, trace)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Protocol != network.HTTP2 || c.Engine == network.NoSession {
			continue
		}
		times := share(r, c).UpInTLS / float64(c.Cookie)
		t.Logf("a cookie of %d bytes is sent %.1f times with a page of %d requests", c.Cookie, times, pageRequests(trace))
		if large := c.Cookie > bench.HeaderRoom; large != (times > 0.5*float64(pageRequests(trace))) || !large && times > 1.1 {
			t.Errorf("the model has another size")
		}
	}
}

func TestAChangingCookieIsPaidForWithEachChangeWithHTTP2(t *testing.T) {
	r := measure(t, network.DefaultTrace(), "login", "cart")
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Protocol != network.HTTP2 || c.Engine == network.NoSession {
			continue
		}
		down := c.Change.DownInTLS - r.Floor(c).Change.DownInTLS
		up := c.After.UpInTLS - c.Other.UpInTLS
		if c.Engine == "dbstore" {
			if down > 20 || up > 5 {
				t.Errorf("%s, %s: a change takes %.0f bytes down and %.0f up though the cookie is the same", c.Engine,
					c.Session, down, up)
			}
			continue
		}
		// The Huffman code makes 6 bits of most of the cookie's characters.
		least := 0.7 * float64(c.Cookie)
		if down < least || up < least {
			t.Errorf("%s, %s: a change takes %.0f bytes down and %.0f up for a cookie of %d", c.Engine, c.Session, down,
				up, c.Cookie)
		}
	}
}

func TestTheCookieOfARowIsSmallWhateverTheSession(t *testing.T) {
	r := measure(t, network.Trace{Pages: 1, Calls: 1}, "login", "token-cache")
	for _, session := range []string{"login", "token-cache"} {
		if c := r.Cell("dbstore", session, network.HTTP2); c == nil || c.Cookie == 0 || c.Cookie > 64 ||
			c.TooLarge != "" {
			t.Errorf("%s: %+v", session, c)
		}
	}
}

func TestASessionThatDoesNotFitIsReportedByTheCount(t *testing.T) {
	r := measure(t, network.Trace{Pages: 1, Calls: 1}, "token-cache")
	for _, protocol := range []string{network.HTTP1, network.HTTP2} {
		got := r.Cell("signedcookie", "token-cache", protocol)
		if got == nil || got.TooLarge == "" {
			t.Fatalf("%s: got %+v, want a reason", protocol, got)
		}
		want := network.TrafficCell{Engine: "signedcookie", Session: "token-cache", Protocol: protocol,
			TooLarge: got.TooLarge}
		if *got != want {
			t.Errorf("%s: got %+v, want nothing but a reason", protocol, got)
		}
	}
}

func TestCountsRepeat(t *testing.T) {
	first := measure(t, network.DefaultTrace(), "login", "cart")
	second := measure(t, network.DefaultTrace(), "login", "cart")
	for i := range first.Cells {
		a, b := &first.Cells[i], &second.Cells[i]
		if !within(a.Page.UpInTLS, b.Page.UpInTLS, 0.02) || !within(a.Page.DownInTLS, b.Page.DownInTLS, 0.02) {
			t.Errorf("%s, %s, %s: a page is %+v, and then %+v", a.Engine, a.Session, a.Protocol, a.Page, b.Page)
		}
	}
}

func TestTLSTakesPartOfTheBytes(t *testing.T) {
	const record = 22 - 1e-6 // the least that a message takes
	for _, c := range measure(t, network.DefaultTrace(), "login").Cells {
		for _, b := range []network.Bytes{c.Arrival, c.Request, c.Change, c.After, c.Other} {
			if b.Up < b.UpInTLS+record || b.Down < b.DownInTLS+record || b.UpInTLS <= 0 || b.DownInTLS <= 0 {
				t.Errorf("%s, %s: %+v", c.Engine, c.Protocol, b)
			}
		}
		if c.Handshake.Up < 200 || c.Handshake.Down < 400 {
			t.Errorf("%s, %s: a handshake of %+v", c.Engine, c.Protocol, c.Handshake)
		}
	}
}

func TestMeansAddUp(t *testing.T) {
	trace := network.Trace{Pages: 4, Calls: 1, Assets: 3, ChangeEvery: 5} // the last asset of each page
	for _, c := range measure(t, trace, "login").Cells {
		n := float64(trace.Pages)
		page := (n*c.Change.Up + (n-1)*c.After.Up + (n*float64(pageRequests(trace))-2*n+1)*c.Other.Up) / n
		if !within(c.Page.Up, page, 1e-9) || !within(c.Page.Up, c.Request.Up*float64(pageRequests(trace)), 1e-9) {
			t.Errorf("%s, %s: a page has %v bytes up, its requests %v, and by kind %v", c.Engine, c.Protocol, c.Page.Up,
				c.Request.Up*float64(pageRequests(trace)), page)
		}
	}
}

func TestResultSurvivesJSON(t *testing.T) {
	want := measure(t, network.Trace{Pages: 1, Assets: 1, ChangeEvery: 2}, "login")
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got network.Traffic
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("%v: got %+v, want %+v", err, got, want)
	}
}

func TestMeasureEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := network.CountBytes(ctx, engines(t, "signedcookie", "sealed", "dbstore"), sessions(t, "login"),
		network.DefaultTrace())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// forgetful is a site that does not keep sessions.
type forgetful struct{ status int }

func (f forgetful) Handler(bench.Action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(f.status) })
}
func (forgetful) Close() error { return nil }

func TestASiteThatDoesNotWorkIsNotMeasured(t *testing.T) {
	for name, status := range map[string]int{"fails": http.StatusServiceUnavailable, "loses sessions": http.StatusOK} {
		engine := bench.Engine{Name: "broken", Open: func(context.Context, string, *bench.Counter) (bench.Site, error) {
			return forgetful{status}, nil
		}}
		_, err := network.CountBytes(t.Context(), []bench.Engine{engine}, sessions(t, "login"), network.DefaultTrace())
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: got %v, want an error that names the engine", name, err)
		}
	}
}
