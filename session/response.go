package session

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
)

// responseWriter saves the session before the first byte of the final response
// goes out, whichever way the handler sends it.
type responseWriter struct {
	w      http.ResponseWriter
	req    *request
	failed error // why the handler's response is dropped

	handedOut bool       // the handler has had the header map
	kept      headerCopy // the header as it was before that; once failed is set, as the error handler left it
}

// Unwrap is for [http.ResponseController].
func (w *responseWriter) Unwrap() http.ResponseWriter {
	w.handOut()
	return w.w
}

func (w *responseWriter) Header() http.Header {
	w.handOut()
	return w.w.Header()
}

// handOut is called before the handler gets the header map.
func (w *responseWriter) handOut() {
	if !w.handedOut {
		w.handedOut = true
		w.kept = copyHeader(w.w.Header())
	}
}

// header sees to the session before a final header with the given status. It
// reports whether the handler's response may be sent.
func (w *responseWriter) header(status int) bool {
	if w.req.phase() == handling {
		w.req.m.beforeHeader(w, status)
		if err := w.req.beforeHeader(status); err != nil {
			w.answer(err)
		}
	}
	return w.failed == nil
}

// answer has the error handler answer the request in the handler's place.
func (w *responseWriter) answer(err error) {
	w.failed = err
	if h, ok := answers(err); ok {
		h.ServeHTTP(w.w, w.req.inner)
	} else {
		w.req.m.opts.ErrorHandler(w.w, w.req.inner, err)
	}
	w.kept = copyHeader(w.w.Header())
}

// resetHeader takes everything out of the header that the handler put in, for a
// response that is not the handler's.
func (w *responseWriter) resetHeader() {
	h := w.w.Header()
	if w.handedOut {
		w.kept.restore(h)
	}
	takeField(h, "Cache-Control")
	deleteTargeted(h)
	h["Cache-Control"] = []string{"no-store"}
}

// dropLateHeader is called when the handler has returned. If it was answered
// for, what it has put into the header since then could still go out, as
// trailers or from a writer that buffers.
func (w *responseWriter) dropLateHeader() {
	if w.failed != nil {
		w.kept.restore(w.w.Header())
	}
}

// withheld reports whether the response that has not begun is not to begin for a
// 200 without a body: when the session could not be loaded and the handler just
// returns, some frameworks send that in its place, and the error handler's
// answer is the better one.
func (w *responseWriter) withheld() bool {
	return w.req.phase() == handling && w.req.failedLoad() != nil
}

func (w *responseWriter) WriteHeader(status int) {
	if status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols {
		if w.failed == nil {
			w.w.WriteHeader(status) // informational: another header follows
		}
		return
	}
	if status == http.StatusOK && w.withheld() {
		return
	}
	if w.header(status) {
		w.w.WriteHeader(status)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if len(p) == 0 && w.withheld() {
		return 0, nil
	}
	if !w.header(http.StatusOK) {
		return 0, w.failed
	}
	return w.w.Write(p)
}

// WriteString implements [io.StringWriter].
func (w *responseWriter) WriteString(s string) (int, error) {
	if len(s) == 0 && w.withheld() {
		return 0, nil
	}
	if !w.header(http.StatusOK) {
		return 0, w.failed
	}
	return io.WriteString(w.w, s)
}

// ReadFrom implements [io.ReaderFrom], so that files are still sent by the
// kernel.
func (w *responseWriter) ReadFrom(src io.Reader) (int64, error) {
	if w.withheld() {
		return io.Copy(struct{ io.Writer }{w}, src) // which may be empty
	}
	if !w.header(http.StatusOK) {
		return 0, w.failed
	}
	return io.Copy(w.w, src)
}

// Flush implements [http.Flusher].
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError is what [http.ResponseController.Flush] calls.
func (w *responseWriter) FlushError() error {
	if !w.header(http.StatusOK) {
		return w.failed
	}
	return http.NewResponseController(w.w).Flush()
}

// Hijack implements [http.Hijacker]. The session is saved before; a cookie that
// it needs is in the header map, which a handler that hijacks has to send
// itself. Changes made later are saved when the handler returns.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !canHijack(w.w) {
		return nil, nil, http.ErrNotSupported // and the response is still the handler's
	}
	first := w.req.phase() == handling
	if !w.header(http.StatusSwitchingProtocols) {
		return nil, nil, w.failed
	}
	conn, rw, err := http.NewResponseController(w.w).Hijack()
	if first && err == nil && w.req.told {
		w.req.m.log.LogAttrs(w.req.Context, slog.LevelWarn, "session: the connection was hijacked before "+
			"the session's cookie was sent; the handler has to send the header map")
	}
	return conn, rw, err
}

// canHijack reports whether an [http.ResponseController] would find a Hijacker.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}
