package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// request is what a Manager knows of one request. It is that request's context
// as well, which saves wrapping one around it.
type request struct {
	context.Context // the one the request came with

	m *Manager
	r *http.Request // as it came
	w responseWriter

	mu      sync.Mutex
	session *Session // nil until it is loaded
	loadErr error    // of the last try
	sent    bool     // the final header has gone out, or is about to
	ended   bool     // the handler has returned

	cookieInHeader bool // beforeHeader has put a cookie into the header map
}

// requestKey finds the innermost request in a context.
type requestKey struct{}

func (req *request) Value(key any) any {
	if key == (requestKey{}) {
		return req
	}
	return req.Context.Value(key)
}

// outside is a context in which the request cannot be found: for stores and log
// handlers, which are called while the session is locked and would wait for
// ever if they asked for it.
type outside struct {
	context.Context
	req *request
}

// outside returns ctx, which is the request's or derived from it, without the
// request in it.
func (req *request) outside(ctx context.Context) context.Context {
	if ctx == context.Context(req) {
		return req.Context
	}
	return outside{ctx, req}
}

func (o outside) Value(key any) any {
	if key == (requestKey{}) {
		return o.req.Context.Value(key)
	}
	return o.Context.Value(key)
}

// load returns the session, from the store at its first call.
func (req *request) load(ctx context.Context) (*Session, error) {
	req.mu.Lock()
	defer req.mu.Unlock()
	if req.session != nil {
		return req.session, nil
	}
	if err := req.loadErr; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	ctx = req.outside(ctx)
	s, err := req.read(ctx)
	req.loadErr = err
	if err != nil {
		req.m.log.LogAttrs(ctx, slog.LevelError, "session: load failed", slog.Any("err", err))
		return nil, err
	}
	s.ended = req.ended
	if req.sent {
		s.sent = true
		req.m.log.LogAttrs(ctx, slog.LevelWarn, "session: loaded after the response headers were sent, which lack Vary: Cookie; load it earlier")
	}
	req.session = s
	return s, nil
}

// endSession flushes the session, without loading it if it is not loaded yet.
func (req *request) endSession() error {
	req.mu.Lock()
	s := req.session
	if s != nil {
		req.mu.Unlock()
		s.Flush()
		return nil
	}
	defer req.mu.Unlock()
	if req.ended {
		return ErrHeadersSent
	}
	s = &Session{m: req.m, req: req, accessed: true, sent: req.sent}
	for token := range req.m.tokens(req.r) {
		s.presented = true
		s.flushed = append(s.flushed, token)
	}
	req.session, req.loadErr = s, nil
	return nil
}

// read takes the first of the request's tokens that stands for a session. None
// is ever adopted for a new one.
func (req *request) read(ctx context.Context) (*Session, error) {
	s := &Session{m: req.m, req: req}
	for token := range req.m.tokens(req.r) {
		s.presented = true
		rec, err := req.m.store.Load(ctx, token)
		if err == nil {
			err = s.adopt(token, rec)
		}
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, errNotObject):
			req.m.log.LogAttrs(ctx, slog.LevelWarn, "session: stored data cannot be read, taking the session as empty", slog.Any("err", err))
		case errors.Is(err, ErrInvalidToken):
			req.m.log.LogAttrs(ctx, slog.LevelInfo, "session: cookie cannot be read, taking the session as empty", slog.Any("err", err))
		case errors.Is(err, ErrNotFound):
			req.m.log.LogAttrs(ctx, slog.LevelDebug, "session: cookie is of no living session", slog.Any("err", err))
		default:
			return nil, err
		}
	}
	return s, nil
}

// adopt fills s with what the store knows under token.
func (s *Session) adopt(token string, rec *Record) error {
	obj, err := parseObject(rec.Data)
	if err != nil {
		return err
	}
	s.obj = obj
	if end, ok := s.absoluteEnd(); ok && !time.Now().Before(end) {
		s.obj.clear()
		return ErrExpired
	}
	s.stored, s.token, s.loaded = true, token, *rec
	return nil
}

// beforeHeader is called once, before the final header with the given status
// goes out. It saves the session and sets the header fields; when it returns an
// error, the response must be the error handler's.
func (req *request) beforeHeader(status int) error {
	req.mu.Lock()
	req.sent = true
	s := req.session
	req.mu.Unlock()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if status >= 500 {
		s.abandon()
	} else if err = s.commit(req.Context); err != nil {
		s.discarded = true
	}
	s.sent = true
	h := req.w.w.Header()
	if err != nil {
		clearResponse(h)
	}
	addVary(h)
	req.cookieInHeader = s.writeCookie(h)
	return err
}

// fail answers the request in the handler's place.
func (req *request) fail(err error) {
	req.m.log.LogAttrs(req.Context, slog.LevelError, "session: answering with an error", slog.Int("status", ErrorStatus(err)), slog.Any("err", err))
	req.m.opts.ErrorHandler(req.w.w, req.r.WithContext(req), err)
}

// end is called when the handler has returned.
func (req *request) end() {
	if req.w.wroteHeader {
		req.saveLate()
		return
	}
	req.mu.Lock()
	loadErr := req.loadErr
	req.mu.Unlock()
	if loadErr != nil { // the handler saw it, and left the answer to us
		req.w.wroteHeader = true
		clearResponse(req.w.w.Header())
		addVary(req.w.w.Header())
		req.fail(loadErr)
		return
	}
	req.w.header(http.StatusOK)
	req.saveLate() // nothing to save, but late goroutines are told
}

// saveLate saves what was changed after the header went out, as far as that is
// possible without telling the client.
func (req *request) saveLate() {
	req.mu.Lock()
	req.ended = true
	s := req.session
	req.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.discarded {
		s.abandon()
		return
	}
	if !s.modified() && !s.renew && s.err == nil {
		return
	}
	if err := s.commitLate(req.Context); err != nil {
		s.fail(err)
	}
}

// abandon is called when the handler panicked.
func (req *request) abandon() {
	req.mu.Lock()
	req.ended = true
	s := req.session
	req.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.abandon()
	if !s.sent { // whoever recovers may still send a header
		h := req.w.w.Header()
		addVary(h)
		s.writeCookie(h)
	}
}
