package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"sessionengine/bench"
	"sessionengine/bench/internal/loopback"
)

// NoSession is the name of the engine that keeps no sessions, and that all
// results contain: whatever is above its time is the session's.
const NoSession = loopback.NoSession

// The paths of a site, each with what its handler does with the session.
const (
	loginPath     = "/login"               // sets all of it
	readPath      = "/account/orders"      // reads a value
	writePath     = "/account/cart"        // sets a value
	untouchedPath = "/static/image-1.webp" // nothing
)

// firstNumber is where the numbers begin that writes set: they are as long as a
// moment in Unix time.
const firstNumber = 1_767_225_600

// A site serves one session of one engine.
type site struct {
	*loopback.Server
	value string // what a read answers with
}

// serve starts a server.
func serve(s bench.Site, session bench.Session) (*site, error) {
	number := new(atomic.Int64)
	number.Store(firstNumber)
	entry := loopback.ReadEntry(session)
	mux := http.NewServeMux()
	// Each visitor has another number from the start: equal sessions might have
	// equal cookies, which an engine could remember.
	mux.Handle(loginPath, s.Handler(bench.Action{Set: session.Entries, Count: number}))
	mux.Handle(readPath, s.Handler(bench.Action{Read: entry}))
	mux.Handle(writePath, s.Handler(bench.Action{Count: number}))
	mux.Handle(untouchedPath, s.Handler(bench.Action{}))
	server, err := loopback.Serve(mux)
	if err != nil {
		return nil, err
	}
	return &site{server, loopback.Text(entry)}, nil
}

// A tooLargeError says that a session does not fit the engine.
type tooLargeError struct{ reason string }

func (e *tooLargeError) Error() string { return e.reason }

// tooLarge returns why a session does not fit the engine, or "" if err says
// something else.
func tooLarge(err error) string {
	if e, ok := errors.AsType[*tooLargeError](err); ok {
		return e.reason
	}
	return ""
}

// A client is a visitor with a session of their own. It is not safe for
// concurrent use.
type client struct {
	site    *site
	addr    string // that leads to the site
	http1   bool
	visitor *loopback.Visitor // nil without a connection
}

// connect connects the visitor, unless they are connected, and gives them a
// session.
func (c *client) connect(ctx context.Context) error {
	if c.visitor != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := c.site.Dial(ctx, c.addr, c.http1)
	if err != nil {
		return err
	}
	c.visitor = loopback.NewVisitor(conn, c.http1)
	if err := c.request(ctx, loginPath); err != nil {
		c.close()
		return err
	}
	return nil
}

// warm connects the visitor and sends a request of each kind, so that what
// happens only once has happened.
func (c *client) warm(ctx context.Context) error {
	err := c.connect(ctx)
	for _, path := range []string{untouchedPath, writePath, readPath} {
		if err == nil {
			err = c.request(ctx, path)
		}
	}
	if err != nil {
		c.close()
	}
	return err
}

// The headers of requests.
var (
	documentHeader = loopback.DocumentHeader("https://" + loopback.Host + "/")
	imageHeader    = loopback.ImageHeader("https://" + loopback.Host + readPath)
)

// requestTimeout is when a request is given up.
const requestTimeout = 30 * time.Second

// request sends one request and checks the answer. The visitor is connected,
// and no longer is after an error of the connection.
func (c *client) request(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	header := documentHeader
	if path == untouchedPath {
		header = imageHeader
	}
	status, body, err := c.visitor.Get(ctx, path, header)
	switch {
	case err != nil:
		c.close()
		return err
	case status == http.StatusRequestEntityTooLarge:
		return &tooLargeError{strings.TrimSpace(string(body))}
	case status != http.StatusOK:
		return fmt.Errorf("status %d", status)
	case path == readPath && string(body) != c.site.value:
		return errors.New("the site answered with another value than the session has")
	}
	return nil
}

// close closes the connection.
func (c *client) close() {
	if c.visitor != nil {
		c.visitor.Close()
		c.visitor = nil
	}
}
