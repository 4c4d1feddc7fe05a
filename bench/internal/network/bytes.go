package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"sessionengine/bench"
)

// CountBytes lets a visitor with each of the sessions browse a site with each of
// the engines, and one without any session, over HTTP/1.1 and over HTTP/2.
func CountBytes(ctx context.Context, engines []bench.Engine, sessions []bench.Session, trace Trace) (*Traffic, error) {
	dir, err := os.MkdirTemp("", "wire-")
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	defer os.RemoveAll(dir)

	result := &Traffic{Trace: trace}
	for i, engine := range append([]bench.Engine{none()}, engines...) {
		cells, err := countEngine(ctx, engine, filepath.Join(dir, strconv.Itoa(i)), sessions, trace)
		if err != nil {
			return nil, fmt.Errorf("network: %s: %w", engine.Name, err)
		}
		result.Cells = append(result.Cells, cells...)
	}
	return result, nil
}

func countEngine(ctx context.Context, engine bench.Engine, dir string, sessions []bench.Session,
	trace Trace) (cells []TrafficCell, err error) {
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
			cell := TrafficCell{Engine: engine.Name, Session: s.Name, Protocol: protocol}
			if err := cell.measure(ctx, site, s, trace); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", s.Name, protocol, err)
			}
			cells = append(cells, cell)
		}
	}
	return cells, nil
}

// measure lets one visitor walk the trace.
func (c *TrafficCell) measure(ctx context.Context, site bench.Site, s bench.Session, trace Trace) error {
	requests := append([]request{arrival}, trace.requests()...)
	server, err := serveTLS(&shop{requests: requests, handlers: handlersOf(site, s)})
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
	visitor := newVisitor(line, c.Protocol == HTTP1)

	moved := make([]Bytes, len(requests))
	before := c.Handshake
	for i, r := range requests {
		want := ""
		if r.use == reads {
			want = s.ReadEntry().Text()
		}
		err := visitor.request(ctx, r, want)
		if reason := tooLarge(err); reason != "" {
			*c = TrafficCell{Engine: c.Engine, Session: c.Session, Protocol: c.Protocol, TooLarge: reason}
			return nil
		}
		if err != nil {
			return err
		}
		now := line.counted()
		moved[i] = now.Minus(before)
		before = now
	}
	c.Cookie = len(visitor.cookie)
	c.Arrival = moved[0]
	c.average(requests[1:], trace.Pages, moved[1:])
	return nil
}
