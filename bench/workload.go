package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
)

// A task is something whose time is measured, n times in a row.
type task interface {
	// prepare makes what n runs use up. It is not timed.
	prepare(n int) error
	// run does it n times.
	run(n int) error
	// check returns an error unless the last run did what it should. It is not
	// timed.
	check() error
}

// ring is the number of visitors that take turns, each with a session of its
// own.
const ring = 32

// visitorsFor returns how many visitors take turns, so that an engine which
// remembers cache bytes of sessions has forgotten a visitor who comes back,
// unless the kind of request is that of a visitor who comes back at once.
func visitorsFor(kind Kind, s Session, cache int) int {
	switch kind {
	case Read, Write, Login:
		// A session takes its own size and its cookie's, and twice that is
		// about as much as it takes with what surrounds it.
		return ring + 3*cache/(2*s.Size+256)
	}
	return ring
}

// requests is the task of serving requests of one kind, to visitors who have
// sessions of one content.
type requests struct {
	session Session
	kind    Kind

	site          Site
	template      *http.Request
	handler       http.Handler // what is measured
	read, counted http.Handler // read the session's value; read its number
	count         atomic.Int64 // the number that was set last

	visitors []visitor
	first    int // the variant of the session that the first of them has
	next     int
	last     int    // who was served last
	before   string // the cookie that visitor came with
	rec      recorder
}

// A tooLargeError says that a session does not fit the engine.
type tooLargeError struct{ reason string }

func (e *tooLargeError) Error() string { return e.reason }

func newRequests(ctx context.Context, site Site, s Session, kind Kind, visitors int) (*requests, error) {
	t := &requests{session: s, kind: kind, site: site, template: newTemplate(ctx)}
	t.count.Store(firstCount)
	// Visitors of one task are not those of another, whom an engine may remember.
	t.first = slices.Index(Kinds(), kind) << 24
	t.handler = site.Handler(kind.action(s, &t.count))
	t.read = site.Handler(Action{Read: s.ReadEntry()})
	t.counted = site.Handler(Action{Read: Entry{Key: CountKey, Value: []byte("0")}})
	if kind == Logout {
		return t, nil // each request has to have a session of its own
	}
	return t, t.welcome(visitors)
}

// welcome puts n new visitors in the place of those there are.
func (t *requests) welcome(n int) error {
	t.first += len(t.visitors)
	t.visitors = make([]visitor, n)
	t.next = 0
	for i := range t.visitors {
		v := visitor{template: t.template}
		if t.kind != Anonymous {
			v.visit(t.site.Handler(Action{Set: t.session.variant(t.first + i).Entries}), &t.rec)
			if err := t.rec.failure(); err != nil {
				return err
			}
			if v.cookie() == "" {
				return errors.New("a new session came without a cookie")
			}
		}
		t.visitors[i] = v
	}
	return nil
}

// failure returns what kept the handler from answering.
func (r *recorder) failure() error {
	switch {
	case r.ok():
		return nil
	case r.status == http.StatusRequestEntityTooLarge:
		return &tooLargeError{string(bytes.TrimSpace(r.body))}
	}
	return fmt.Errorf("status %d: %s", r.status, bytes.TrimSpace(r.body))
}

func (t *requests) prepare(n int) error {
	switch t.kind {
	case Logout:
		return t.welcome(n)
	case Again:
		return t.run(len(t.visitors)) // so that they come back
	}
	return nil
}

func (t *requests) run(n int) error {
	for range n {
		t.last = t.next
		if t.next++; t.next == len(t.visitors) {
			t.next = 0
		}
		v := &t.visitors[t.last]
		t.before = v.cookie()
		v.visit(t.handler, &t.rec)
		if !t.rec.ok() {
			return t.rec.failure()
		}
	}
	return nil
}

func (t *requests) check() error {
	setCookies := len(t.rec.header["Set-Cookie"])
	v := &t.visitors[t.last]
	value := t.session.variant(t.first + t.last).ReadEntry().Text()
	switch t.kind {
	case Untouched, Anonymous, Read, Again:
		if setCookies != 0 {
			return errors.New("a cookie was set though nothing changed")
		}
	default:
		if setCookies > 1 {
			return fmt.Errorf("%d cookies were set", setCookies)
		}
	}
	switch t.kind {
	case Anonymous:
		if len(t.rec.body) != 0 {
			return errors.New("a visitor without a cookie has a session")
		}
		return nil
	case Logout:
		if v.cookie() != "" {
			return errors.New("the cookie is still there after the logout")
		}
		return nil
	case Read, Again:
		if string(t.rec.body) != value {
			return errors.New("the handler read another value than was set")
		}
		return nil
	}

	// What is there afterwards is asked for in other requests.
	if t.kind == Login && v.cookie() == t.before {
		return errors.New("the token is the same after the login")
	}
	var rec recorder
	v.visit(t.read, &rec)
	if !rec.ok() || string(rec.body) != value {
		return errors.New("the session lost a value")
	}
	if t.kind == Untouched {
		return nil
	}
	v.visit(t.counted, &rec)
	if want := strconv.FormatInt(t.count.Load(), 10); !rec.ok() || string(rec.body) != want {
		return errors.New("the value that was set last is not there")
	}
	return nil
}

// A traffic is what one request of a task moves.
type traffic struct {
	queries  float64 // statements sent to the database
	up, down float64 // bytes of the Cookie and of the Set-Cookie header's value
}

// observations is how many requests of a task are observed, after a first one.
const observations = 2 * ring

// observe runs the task a few times on a site that counts, checks each, and
// returns what a request moves on average.
func (t *requests) observe(count *Counter) (traffic, error) {
	const n = observations
	if err := t.prepare(n + 1); err != nil {
		return traffic{}, err
	}
	if err := t.run(1); err != nil { // prepares the statements
		return traffic{}, err
	}
	var sum traffic
	for range n {
		queries := count.Count()
		if err := t.run(1); err != nil {
			return traffic{}, err
		}
		sum.queries += float64(count.Count() - queries)
		sum.up += float64(len(t.before))
		for _, c := range t.rec.header["Set-Cookie"] {
			sum.down += float64(len(c))
		}
		if err := t.check(); err != nil {
			return traffic{}, err
		}
	}
	return traffic{sum.queries / n, sum.up / n, sum.down / n}, nil
}

// funcTask is a task that needs no preparation and returns its own errors.
type funcTask func() error

func (f funcTask) prepare(int) error { return nil }
func (f funcTask) check() error      { return nil }
func (f funcTask) run(n int) error {
	for range n {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// emptyCookie is what the empty handler's visitor sends.
const emptyCookie = "sessionid=0123456789abcdefghijklmnopqrstuv"

// newEmpty returns the task of serving requests by a handler that does nothing,
// with no engine around it: what the harness itself costs.
func newEmpty(ctx context.Context, cookie string) task {
	v, rec := visitor{template: newTemplate(ctx)}, new(recorder)
	v.setCookie(cookie)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return funcTask(func() error {
		v.visit(h, rec)
		return nil
	})
}
