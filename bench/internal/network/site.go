package network

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"sessionengine/bench"
)

// A request is one that a visitor sends.
type request struct {
	path   string
	header http.Header
	use    use
	at     time.Time // of the server's clock in a trace, as its Date header tells
}

// use is what the handler of a request does with the session.
type use int

const (
	ignores use = iota // nothing
	reads              // reads a value
	changes            // sets a value
	arrives            // sets all of it
)

// handlers are those of a site, by what they do.
type handlers map[use]http.Handler

// firstNumber is where the numbers begin that changes set: they are as long as a
// moment in Unix time.
const firstNumber = 1_767_225_600

// handlersOf returns those of a site for visitors with that session. Each visitor
// has another number from the start: equal sessions might have equal cookies,
// which an engine could remember; and no change makes the session longer.
func handlersOf(site bench.Site, s bench.Session) handlers {
	number := new(atomic.Int64)
	number.Store(firstNumber)
	return handlers{
		ignores: site.Handler(bench.Action{}),
		reads:   site.Handler(bench.Action{Read: s.ReadEntry()}),
		changes: site.Handler(bench.Action{Count: number}),
		arrives: site.Handler(bench.Action{Set: s.Entries, Count: number}),
	}
}

// An answerError is an answer that is not the right one; the connection is as
// good as before. tooLarge says that the session does not fit the engine.
type answerError struct {
	reason   string
	tooLarge bool
}

func (e *answerError) Error() string { return e.reason }

// tooLarge returns why a session does not fit the engine, or "" if err says
// something else.
func tooLarge(err error) string {
	if e, ok := errors.AsType[*answerError](err); ok && e.tooLarge {
		return e.reason
	}
	return ""
}

// request sends a request and checks the answer.
func (v *visitor) request(ctx context.Context, r request, want string) error {
	status, body, err := v.get(ctx, r.path, r.header)
	switch {
	case err != nil:
		return err
	case status == http.StatusRequestEntityTooLarge:
		return &answerError{strings.TrimSpace(string(body)), true}
	case status != http.StatusOK:
		return &answerError{fmt.Sprintf("status %d", status), false}
	case string(body) != want:
		return &answerError{"the site answered with another value than the session has", false}
	}
	return nil
}

// The requests of visitors under load and over slow links.
var (
	login     = request{path: "/login", header: documentHeader(origin + "/"), use: arrives}
	read      = request{path: "/account/orders", header: documentHeader(origin + "/"), use: reads}
	write     = request{path: "/account/cart", header: documentHeader(origin + "/"), use: changes}
	untouched = request{path: "/static/image-1.webp", header: imageHeader(origin + read.path), use: ignores}
)

// A site serves one session of one engine.
type site struct {
	*server
	value string // what a read answers with
}

// serve starts a server.
func serve(s bench.Site, session bench.Session) (*site, error) {
	handlers := handlersOf(s, session)
	mux := http.NewServeMux()
	for _, r := range []request{login, read, write, untouched} {
		mux.Handle(r.path, handlers[r.use])
	}
	server, err := serveTLS(mux)
	if err != nil {
		return nil, err
	}
	return &site{server, session.ReadEntry().Text()}, nil
}

// A client is a visitor with a session of their own. It is not safe for
// concurrent use.
type client struct {
	site    *site
	addr    string // that leads to the site
	http1   bool
	visitor *visitor // nil without a connection
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
	c.visitor = newVisitor(conn, c.http1)
	if err := c.request(ctx, login); err != nil {
		c.close()
		return err
	}
	return nil
}

// warm connects the visitor and sends a request of each kind, so that what
// happens only once has happened.
func (c *client) warm(ctx context.Context) error {
	err := c.connect(ctx)
	for _, r := range []request{untouched, write, read} {
		if err == nil {
			err = c.request(ctx, r)
		}
	}
	if err != nil {
		c.close()
	}
	return err
}

// requestTimeout is when a request is given up.
const requestTimeout = 30 * time.Second

// request sends one request and checks the answer. The visitor is connected,
// and no longer is after an error of the connection.
func (c *client) request(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	want := ""
	if r.use == reads {
		want = c.site.value
	}
	err := c.visitor.request(ctx, r, want)
	if _, ok := errors.AsType[*answerError](err); err != nil && !ok {
		c.close()
	}
	return err
}

// close closes the connection.
func (c *client) close() {
	if c.visitor != nil {
		c.visitor.close()
		c.visitor = nil
	}
}
