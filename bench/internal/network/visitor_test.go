package network

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

var versions = map[string]bool{"HTTP/1.1": true, "HTTP/2.0": false}

func visitSite(t *testing.T, http1 bool, h http.HandlerFunc) *visitor {
	t.Helper()
	server, err := serveTLS(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	conn, err := server.Dial(t.Context(), server.Addr, http1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newVisitor(conn, http1)
}

func TestAVisitorSpeaksTheVersionAskedFor(t *testing.T) {
	for version, http1 := range versions {
		v := visitSite(t, http1, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, strings.Join([]string{r.Proto, r.Host, r.URL.RequestURI(), r.Header.Get("Accept")}, " "))
		})
		for range 3 {
			status, body, err := v.get(t.Context(), "/path?query", http.Header{"Accept": {"*/*"}})
			want := version + " " + host + " /path?query */*"
			if err != nil || status != http.StatusTeapot || string(body) != want {
				t.Errorf("got %d, %q, %v; want 418, %q", status, body, err, want)
			}
		}
	}
}

func TestAVisitorKeepsReplacesAndForgetsItsCookie(t *testing.T) {
	for version, http1 := range versions {
		v := visitSite(t, http1, func(w http.ResponseWriter, r *http.Request) {
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
			_, body, err := v.get(t.Context(), step.path, nil)
			if err != nil || string(body) != step.sent || v.cookie != step.kept {
				t.Errorf("%s %s: sent %q, keeps %q, %v; want %q, %q", version, step.path, body, v.cookie, err,
					step.sent, step.kept)
			}
		}
	}
}

func TestAVisitorReceivesMoreThanTheWindows(t *testing.T) {
	const size, times = 5 << 20, 4 // the connection's window is 15 MB
	for version, http1 := range versions {
		v := visitSite(t, http1, func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, size))
		})
		for range times {
			if _, body, err := v.get(t.Context(), "/", nil); err != nil || len(body) != size {
				t.Fatalf("%s: got %d bytes, %v", version, len(body), err)
			}
		}
	}
}

func TestARequestEndsWithItsContext(t *testing.T) {
	for version, http1 := range versions {
		ctx, cancel := context.WithCancel(t.Context())
		v := visitSite(t, http1, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done() // the visitor goes away
		})
		if _, _, err := v.get(ctx, "/", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", version, err, context.Canceled)
		}
		v.close()
	}
}
