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
//	serve           calls the handler with a copy of the request (inner.go);
//	load, end       give the handler its session (load.go), or log out;
//	beforeHeader    saves the session and sets the cookie before the first byte
//	                of the final response, whichever way that begins: it is
//	                called by responseWriter.header (response.go) when the
//	                handler writes, and by finish if it wrote nothing;
//	finish          also saves what was changed after the header, when the
//	                handler has returned;
//	panicked        saves nothing, in finish's place.
//
// What saving means, before the header and after it, is in commit.go.

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
	told    bool     // beforeHeader has put a cookie into the header, which Hijack has to tell the handler

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
	req, err := m.request(r.Context())
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
		if _, ok := answers(err); !ok {
			req.m.log.LogAttrs(ctx, slog.LevelError, "session: load failed", slog.Any("err", err))
		}
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

// unanswered is the status of a handler that returned without writing anything.
const unanswered = 0

// beforeHeader is called before the final header with the given status goes out,
// in the phase handling only, which it ends. It saves the session and sets the
// header fields; when it returns an error, the response must be the error
// handler's.
func (req *request) beforeHeader(status int) error {
	req.mu.Lock()
	defer req.mu.Unlock()
	s := req.session
	if s == nil {
		req.enter(sent)
		if req.loadErr == nil {
			return nil
		}
		var err error
		_, guards := answers(req.loadErr)
		if guards || status == unanswered { // otherwise the handler saw the error, and this is its answer
			req.w.resetHeader()
			err = req.loadErr
		}
		addVary(req.w.w.Header())
		return err
	}
	var err error
	if status >= 500 {
		s.discard()
	} else if err = s.commit(req.Context); err != nil {
		req.m.log.LogAttrs(req.Context, slog.LevelError, "session: answering with an error",
			slog.Int("status", ErrorStatus(err)), slog.String("pattern", req.inner.Pattern), slog.Any("err", err))
		s.discarded = true
		req.w.resetHeader()
	}
	h := req.w.w.Header()
	addVary(h)
	deleted := s.cookie == cookieDelete
	req.told = s.writeCookie(h)
	if err == nil {
		s.forbidStoring(h, deleted)
	}
	req.enter(sent)
	return err
}

// finish is called when the handler has returned.
func (req *request) finish() {
	req.w.header(unanswered) // unless it has answered; net/http writes the header itself
	req.saveLate()
	req.w.dropLateHeader()
}

// saveLate saves what was changed after the header went out, as far as that is
// possible without telling the client. From then on changes, by goroutines that
// the handler has left behind, are errors.
func (req *request) saveLate() {
	req.mu.Lock()
	defer req.mu.Unlock()
	defer req.enter(returned)
	s := req.session
	switch {
	case s == nil:
	case s.discarded:
		s.discard() // a logout that came after it still holds
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
