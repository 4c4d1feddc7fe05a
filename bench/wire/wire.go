// Package wire counts the bytes that sessions cost on the wire: whole requests
// and responses of a browsing visitor, over real connections with TLS, for
// HTTP/1.1 and HTTP/2.
//
// The two differ in what a cookie costs. HTTP/1.1 sends it whole with each
// request. HTTP/2 sends a header field whole once, and then a reference of a
// byte or two for as long as the field is the same and both sides remember it
// (RFC 7541, section 2.3): 4096 bytes of header fields, each counted with 32
// more. So a cookie that does not change is nearly free, one that does is paid
// for with each change, and a large one pushes other fields out and is pushed
// out itself.
//
// The visitor sends what Chrome sends, and chooses as Chrome does which fields
// the table is to hold; the server is net/http's. Requests come one after the
// other, which with HTTP/2 changes only how many of them share a TLS record.
// Bodies have a few bytes, and the certificate is a short one.
//
// Counts repeat within a percent or two, and not exactly: tokens are random, and
// the Huffman code of HTTP/2 (RFC 7541, section 5.2) takes 5 to 8 bits for a
// character of theirs; and the server puts a response's header and body into one
// TLS record or into two, as it happens, which take 22 bytes more each. The Date
// header is the trace's own.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sessionengine/bench"
	"sessionengine/bench/internal/loopback"
)

// NoSession is the name of the engine that keeps no sessions, and that all
// results contain: whatever is above its bytes is the session's.
const NoSession = loopback.NoSession

// Measure lets a visitor with each of the sessions browse a site with each of
// the engines, and one without any session, over HTTP/1.1 and over HTTP/2.
func Measure(ctx context.Context, engines []bench.Engine, sessions []bench.Session, trace Trace) (*Result, error) {
	if err := trace.Check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wire-")
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	defer os.RemoveAll(dir)

	result := &Result{Trace: trace}
	for i, engine := range append([]bench.Engine{loopback.None()}, engines...) {
		cells, err := measureEngine(ctx, engine, filepath.Join(dir, strconv.Itoa(i)), sessions, trace)
		if err != nil {
			return nil, fmt.Errorf("wire: %s: %w", engine.Name, err)
		}
		result.Cells = append(result.Cells, cells...)
	}
	return result, nil
}

func measureEngine(ctx context.Context, engine bench.Engine, dir string, sessions []bench.Session, trace Trace) (cells []Cell, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	site, err := engine.Open(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, site.Close()) }()
	for _, s := range sessions {
		for _, protocol := range []string{HTTP1, HTTP2} {
			cell := Cell{Engine: engine.Name, Session: s.Name, Protocol: protocol}
			if err := cell.measure(ctx, site, s, trace); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", s.Name, protocol, err)
			}
			cells = append(cells, cell)
		}
	}
	return cells, nil
}

// measure lets one visitor walk the trace.
func (c *Cell) measure(ctx context.Context, site bench.Site, s bench.Session, trace Trace) error {
	requests := append([]request{arrival}, trace.requests()...)
	server, err := loopback.Serve(newHandler(site, s, requests))
	if err != nil {
		return err
	}
	defer server.Close()
	line, err := connect(ctx, server, c.Protocol == HTTP1)
	if err != nil {
		return err
	}
	defer line.Close()
	c.Handshake = line.counted()
	visitor := loopback.NewVisitor(line, c.Protocol == HTTP1)

	moved := make([]Bytes, len(requests))
	before := c.Handshake
	for i, r := range requests {
		err := get(ctx, visitor, r, valueFor(s, r))
		if tooLarge, ok := errors.AsType[*tooLargeError](err); ok {
			*c = Cell{Engine: c.Engine, Session: c.Session, Protocol: c.Protocol, TooLarge: tooLarge.reason}
			return nil
		}
		if err != nil {
			return err
		}
		now := line.counted()
		moved[i] = now.Minus(before)
		before = now
	}
	c.Cookie = len(visitor.Cookie())
	c.Arrival = moved[0]
	c.average(requests[1:], trace.Pages, moved[1:])
	return nil
}

// valueFor returns what the site answers to a request with.
func valueFor(s bench.Session, r request) string {
	if r.use == reads {
		return loopback.Text(loopback.ReadEntry(s))
	}
	return ""
}

// get sends a request and checks the answer.
func get(ctx context.Context, visitor *loopback.Visitor, r request, want string) error {
	status, body, err := visitor.Get(ctx, r.path, r.header)
	switch {
	case err != nil:
		return err
	case status == http.StatusRequestEntityTooLarge:
		return &tooLargeError{strings.TrimSpace(string(body))}
	case status != http.StatusOK:
		return fmt.Errorf("status %d", status)
	case string(body) != want:
		return errors.New("the site answered with another value than the session has")
	}
	return nil
}

// A tooLargeError says that a session does not fit the engine.
type tooLargeError struct{ reason string }

func (e *tooLargeError) Error() string { return e.reason }
