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
// Counts repeat within a percent or two, and not exactly: tokens are random, and
// the Huffman code of HTTP/2 (RFC 7541, section 5.2) takes 5 to 8 bits for a
// character of theirs; and a server puts a response's header and body into one
// TLS record or into two, as it happens, which are 22 bytes each. The Date
// header is the trace's own.
//
// What is not like a browser and a site on the internet: the client is Go's,
// which puts all fields into the table, the path included, while Chrome keeps
// paths out, so that a large cookie stays in the table longer with Chrome;
// requests come one after the other, which with HTTP/2 only changes how many of
// them share a record; the certificate is a short one; bodies have a few bytes.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
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
	requests := trace.requests()
	server, err := loopback.Serve(newHandler(site, s, requests))
	if err != nil {
		return err
	}
	defer server.Close()
	var conn *countingConn
	visitor := server.Visitor(c.Protocol == HTTP1, func(ctx context.Context) (net.Conn, error) {
		if conn != nil {
			return nil, errors.New("the connection was lost")
		}
		tcp, err := new(net.Dialer).DialContext(ctx, "tcp", server.Addr)
		if err != nil {
			return nil, err
		}
		conn = &countingConn{Conn: tcp}
		return conn, nil
	})
	defer visitor.Close()

	arriving := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(tls.ConnectionState, error) { c.Handshake = conn.counted() },
	})
	err = get(arriving, visitor, arrival, "")
	before := c.Handshake
	var moved []Bytes
	for i := 0; i < len(requests) && err == nil; i++ {
		now := conn.counted()
		if i == 0 {
			c.Arrival = now.Minus(before)
		} else {
			moved = append(moved, now.Minus(before))
		}
		before = now
		err = get(ctx, visitor, requests[i], valueFor(s, requests[i]))
	}
	if tooLarge, ok := errors.AsType[*tooLargeError](err); ok {
		*c = Cell{Engine: c.Engine, Session: c.Session, Protocol: c.Protocol, TooLarge: tooLarge.reason}
		return nil
	}
	if err != nil {
		return err
	}
	moved = append(moved, conn.counted().Minus(before))
	c.Cookie = len(visitor.Cookie())
	c.average(trace, requests, moved)
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
