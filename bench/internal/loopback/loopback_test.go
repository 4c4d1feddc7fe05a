package loopback_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"sessionengine/bench/internal/loopback"
)

func visit(t *testing.T, http1 bool, h http.HandlerFunc) *loopback.Visitor {
	t.Helper()
	server, err := loopback.Serve(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	v := server.Visitor(http1, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Addr)
	})
	t.Cleanup(v.Close)
	return v
}

func TestAVisitorSpeaksTheProtocolAskedFor(t *testing.T) {
	for http1, p := range map[bool]string{true: "HTTP/1.1", false: "HTTP/2.0"} {
		v := visit(t, http1, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Proto+" "+r.Host)
		})
		status, body, err := v.Get(t.Context(), "/", nil)
		if want := p + " " + loopback.Host; err != nil || status != http.StatusOK || string(body) != want {
			t.Errorf("%s: got %d, %q, %v; want 200, %q", p, status, body, err, want)
		}
	}
}

func TestAVisitorKeepsReplacesAndForgetsItsCookie(t *testing.T) {
	v := visit(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			http.SetCookie(w, &http.Cookie{Name: "id", Value: "1", MaxAge: 10})
		case "/second":
			http.SetCookie(w, &http.Cookie{Name: "id", Value: "2"})
		case "/forget":
			http.SetCookie(w, &http.Cookie{Name: "id", MaxAge: -1})
		}
		io.WriteString(w, r.Header.Get("Cookie"))
	})
	for _, step := range []struct{ path, sent, kept string }{
		{"/first", "", "id=1"},
		{"/", "id=1", "id=1"},
		{"/second", "id=1", "id=2"},
		{"/forget", "id=2", ""},
		{"/", "", ""},
	} {
		_, body, err := v.Get(t.Context(), step.path, nil)
		if err != nil || string(body) != step.sent || v.Cookie() != step.kept {
			t.Errorf("%s: sent %q, keeps %q, %v; want %q, %q", step.path, body, v.Cookie(), err, step.sent, step.kept)
		}
	}
}
