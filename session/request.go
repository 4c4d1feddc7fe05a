package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// request is what a Manager knows of one request. It is that request's context
// as well, which saves wrapping one around it.
type request struct {
	context.Context // the one the request came with

	m     *Manager
	r     *http.Request // as it came
	inner *http.Request // the handler's copy of it, with this context
	w     responseWriter

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
		req.m.log.LogAttrs(ctx, slog.LevelWarn,
			"session: loaded after the response headers were sent, which lack Vary: Cookie; load it earlier")
	}
	req.session = s
	return s, nil
}

// endSession flushes the session, without loading it if it is not loaded yet.
func (req *request) endSession() error {
	req.mu.Lock()
	s := req.session
	sent := req.sent
	if s != nil {
		req.mu.Unlock()
		s.Flush()
	} else {
		defer req.mu.Unlock()
		if req.ended {
			return ErrHeadersSent
		}
		s = &Session{m: req.m, req: req, accessed: true, sent: sent}
		for token := range req.m.tokens(req.r) {
			s.presented = true
			s.flushed = append(s.flushed, token)
		}
		req.session, req.loadErr = s, nil
	}
	if sent && s.presented {
		return ErrHeadersSent
	}
	return nil
}

// read loads the sessions that the request's tokens stand for and takes the one
// that was saved last, so that a login wins over what was there before it. No
// token is ever adopted for a new session.
func (req *request) read(ctx context.Context) (*Session, error) {
	s := &Session{m: req.m, req: req}
	var refused refusal
	presented := false
	for token := range req.m.tokens(req.r) {
		presented = true
		rec, err := req.m.store.Load(ctx, token)
		if err == nil {
			c := s
			if s.stored {
				c = &Session{m: req.m, req: req}
			}
			if err = c.adopt(token, rec); err == nil && c != s {
				s = newer(s, c)
			}
		}
		if err != nil && !refused.add(err) {
			return nil, err
		}
	}
	s.presented = presented
	refused.log(ctx, req.m.log)
	return s, nil
}

// newer returns the one of two sessions of a request that was saved last, with
// the other's token and others among its others. Where that cannot be known it
// is b, whose cookie came later: browsers send the cookie of the longer path
// first, and of one path the older one (RFC 6265, section 5.4).
func newer(a, b *Session) *Session {
	x, knownA := a.savedAt()
	y, knownB := b.savedAt()
	if knownA && knownB && x.After(y) {
		a, b = b, a
	}
	b.others = append(append(b.others, a.others...), a.token)
	return b
}

// refusal is why cookies of a request stand for no session: the worst of the
// reasons, for one line in the log.
type refusal struct {
	n     int
	level slog.Level
	msg   string
	err   error
}

// add notes an error of loading a session, and reports whether it is such a
// reason; if not, the store failed.
func (f *refusal) add(err error) bool {
	var level slog.Level
	var msg string
	switch {
	case errors.Is(err, errNotObject), errors.Is(err, errNotUnderstood):
		level, msg = slog.LevelWarn, "session: stored data cannot be read"
	case errors.Is(err, ErrInvalidToken):
		level, msg = slog.LevelInfo, "session: cookie cannot be read"
	case errors.Is(err, ErrNotFound):
		level, msg = slog.LevelDebug, "session: cookie is of no living session"
	default:
		return false
	}
	if f.n == 0 || level > f.level {
		f.level, f.msg, f.err = level, msg, err
	}
	f.n++
	return true
}

func (f *refusal) log(ctx context.Context, log *slog.Logger) {
	if f.n > 0 {
		log.LogAttrs(ctx, f.level, f.msg, slog.Int("cookies", f.n), slog.Any("err", f.err))
	}
}

// adopt fills s with what the store knows under token.
func (s *Session) adopt(token string, rec *Record) error {
	obj, err := parseObject(rec.Data)
	if err != nil {
		return err
	}
	if !obj.understood() {
		return errNotUnderstood
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
	s, loadErr := req.session, req.loadErr
	req.mu.Unlock()
	if s == nil {
		if loadErr != nil { // the handler answers that itself
			addVary(req.w.w.Header())
		}
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
	if err != nil {
		req.w.resetHeader()
	}
	h := req.w.w.Header()
	addVary(h)
	req.cookieInHeader = s.writeCookie(h)
	return err
}

// failedLoad returns the error of the handler's last try to load the session,
// or nil if it did not try or has it.
func (req *request) failedLoad() error {
	req.mu.Lock()
	defer req.mu.Unlock()
	if req.session != nil {
		return nil
	}
	return req.loadErr
}

// end is called when the handler has returned.
func (req *request) end() {
	if w := &req.w; !w.wroteHeader {
		if err := req.failedLoad(); err != nil { // the handler saw it, and left the answer to us
			w.wroteHeader = true
			req.mu.Lock()
			req.sent = true
			req.mu.Unlock()
			w.resetHeader()
			addVary(w.w.Header())
			w.fail(err)
		} else {
			w.header(http.StatusOK)
		}
	}
	req.saveLate() // if there is nothing to save, late goroutines are told
	req.w.dropLateHeader()
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
	if !s.modified() && !s.renew && !s.touch && s.err == nil {
		return
	}
	if err := s.commitLate(req.Context); err != nil {
		s.fail(err)
	}
}

// abandon is called when the handler panicked.
func (req *request) abandon() {
	req.w.dropLateHeader()
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

// removeFiles removes the files of the form that the handlers have parsed, which
// net/http does not do for a request whose handler panicked.
func removeFiles(r, inner *http.Request) {
	if form := inner.MultipartForm; form != nil && form != r.MultipartForm {
		form.RemoveAll()
	}
}

// handBack notes in r what was noted in the copy of it that the handlers had, as
// if they had had r itself: net/http removes the files of the MultipartForm of
// its own request, and middleware around this one may log the pattern. Only what
// differs is written, since others may read r meanwhile.
func handBack(r, inner *http.Request) {
	if inner.MultipartForm != nil && r.MultipartForm != inner.MultipartForm {
		r.MultipartForm = inner.MultipartForm
	}
	if inner.Form != nil && r.Form == nil {
		r.Form = inner.Form
	}
	if inner.PostForm != nil && r.PostForm == nil {
		r.PostForm = inner.PostForm
	}
	if r.Pattern != inner.Pattern {
		r.Pattern = inner.Pattern
		for part := range strings.SplitSeq(inner.Pattern, "{") {
			name, _, ok := strings.Cut(part, "}")
			name, _, _ = strings.Cut(name, ":") // other routers' regular expressions
			name = strings.TrimSuffix(name, "...")
			if value := inner.PathValue(name); ok && value != "" {
				r.SetPathValue(name, value)
			}
		}
	}
	for _, field := range []struct{ to, from *string }{
		{&r.Method, &inner.Method}, {&r.Host, &inner.Host}, {&r.RemoteAddr, &inner.RemoteAddr}, {&r.RequestURI, &inner.RequestURI},
	} {
		if *field.to != *field.from {
			*field.to = *field.from
		}
	}
	if r.URL != inner.URL {
		r.URL = inner.URL
	}
}
