package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// A request's life, in the order of this file:
//
//	serve           calls the handler with a copy of the request,
//	load, end       in which the handler gets its session, or logs out;
//	beforeHeader    saves it before the first byte of the final response,
//	                whichever way it begins (response.go), and
//	finish          saves what was changed after that, when the handler has
//	                returned, or
//	panicked        saves nothing.
//
// What saving means is in commit.go.

// phase is how far a request has come. It only grows.
type phase int32

const (
	handling phase = iota // the handler runs, and the final header is still to come
	sent                  // the final header has gone out, or somebody else's in its place
	returned              // the handler has returned or panicked
)

// request is what a Manager knows of one request. It is that request's context
// as well, which saves wrapping one around it.
type request struct {
	context.Context // the one the request came with

	m     *Manager
	r     *http.Request // as it came
	inner *http.Request // the handler's copy of it, with this context
	w     responseWriter

	// mu guards what follows and all of the session. It is held while the store
	// is called.
	mu      sync.Mutex
	session *Session // nil until it is loaded
	loadErr error    // of the last try
	told    bool     // beforeHeader has put a cookie into the header

	// now is written with mu held. The response writer reads it without, so that
	// a body goes on while the session is being saved.
	now atomic.Int32
}

func (req *request) phase() phase { return phase(req.now.Load()) }

func (req *request) enter(p phase) { req.now.Store(int32(p)) }

// serve has the handler answer a request.
func (m *Manager) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	req := &request{Context: r.Context(), m: m, r: r}
	req.w = responseWriter{w: w, req: req}
	req.inner = r.WithContext(req)
	ok := false
	defer func() {
		if !ok { // a panic, which goes on
			req.panicked()
			removeFiles(r, req.inner)
		}
		handBack(r, req.inner)
	}()
	next.ServeHTTP(&req.w, req.inner)
	ok = true
	req.finish()
}

// isAround reports whether a handler of m that has not returned is around this
// one, for the same visitor. Others may be found: a request that a handler makes
// itself, with cookies of its own, in the context of the one that it serves.
func (m *Manager) isAround(r *http.Request) bool {
	req, err := m.request(r)
	return err == nil && req.phase() != returned && slices.Equal(r.Header["Cookie"], req.r.Header["Cookie"])
}

// load returns the session, from the store at its first call.
func (req *request) load(ctx context.Context) (*Session, error) {
	req.mu.Lock()
	defer req.mu.Unlock()
	if req.session != nil {
		return req.session, nil
	}
	if err := req.loadErr; err != nil && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	ctx = req.outside(ctx)
	s, err := req.read(ctx)
	req.loadErr = err
	if err != nil {
		req.m.log.LogAttrs(ctx, slog.LevelError, "session: load failed", slog.Any("err", err))
		return nil, err
	}
	if req.phase() != handling {
		req.m.log.LogAttrs(ctx, slog.LevelWarn,
			"session: loaded after the response headers were sent, which lack Vary: Cookie; load it earlier")
	}
	req.session = s
	return s, nil
}

// failedLoad returns the error of the handler's last try to load the session,
// or nil if it did not try or has it.
func (req *request) failedLoad() error {
	req.mu.Lock()
	defer req.mu.Unlock()
	return req.loadErr
}

// end flushes the session, without loading it if it is not loaded yet.
func (req *request) end() error {
	req.mu.Lock()
	defer req.mu.Unlock()
	if req.session == nil {
		if req.phase() == returned {
			return ErrHeadersSent
		}
		req.session, req.loadErr = &Session{m: req.m, req: req}, nil
		for range req.m.tokens(req.r) {
			req.session.presented = true
		}
	}
	s := req.session
	s.accessed = true
	s.flush()
	if s.presented && req.phase() != handling {
		return ErrHeadersSent
	}
	return nil
}

// beforeHeader is called once, before the final header with the given status
// goes out. It saves the session and sets the header fields; when it returns an
// error, the response must be the error handler's.
func (req *request) beforeHeader(status int) error {
	req.mu.Lock()
	defer req.mu.Unlock()
	s := req.session
	if s == nil {
		req.enter(sent)
		if req.loadErr != nil { // the handler answers that itself
			addVary(req.w.w.Header())
		}
		return nil
	}
	var err error
	if status >= 500 {
		s.discard()
	} else if err = s.commit(req.Context); err != nil {
		s.discarded = true
		req.w.resetHeader()
	}
	h := req.w.w.Header()
	addVary(h)
	req.told = s.writeCookie(h)
	req.enter(sent)
	return err
}

// finish is called when the handler has returned.
func (req *request) finish() {
	if req.phase() == handling {
		if err := req.failedLoad(); err != nil { // the handler saw it, and left the answer to us
			req.mu.Lock()
			req.enter(sent)
			req.mu.Unlock()
			req.w.resetHeader()
			addVary(req.w.w.Header())
			req.w.answer(err)
		} else {
			req.w.header(http.StatusOK)
		}
	}
	req.saveLate() // if there is nothing to save, late goroutines are told
	req.w.dropLateHeader()
}

// saveLate saves what was changed after the header went out, as far as that is
// possible without telling the client.
func (req *request) saveLate() {
	req.mu.Lock()
	defer req.mu.Unlock()
	defer req.enter(returned)
	s := req.session
	switch {
	case s == nil:
	case s.discarded:
		s.discard()
	case s.modified() || s.renew || s.touch || s.err != nil:
		if err := s.commitLate(req.Context); err != nil {
			s.fail(err)
		}
	}
}

// panicked is called when the handler panicked.
func (req *request) panicked() {
	req.w.dropLateHeader()
	req.mu.Lock()
	defer req.mu.Unlock()
	defer req.enter(returned)
	s := req.session
	if s == nil {
		return
	}
	s.discard()
	if req.phase() == handling { // whoever recovers may still send a header
		h := req.w.w.Header()
		addVary(h)
		s.writeCookie(h)
	}
}
