package session

import "net/http"

// Guard watches over sessions that are bound to something besides their cookie,
// such as a key that the visitor's device keeps: see package dbsc, and
// [Session.SetBinding]. Its methods are called by several goroutines at once.
type Guard interface {
	// Admit is called when a session that has a binding was found for a request.
	// nil lets the request have the session. An error that matches [ErrNotFound]
	// leaves the visitor without one, as a cookie that cannot be read would: the
	// stored session stays as it is, and no cookie is deleted. Any other error is
	// what [Load] returns; if it is an [http.Handler] as well, that answers the
	// request in the place of the handler and of Options.ErrorHandler.
	//
	// r is the request as the Manager got it. The session is locked, and cannot be
	// found in r's context.
	Admit(r *http.Request, binding string) error

	// BeforeHeader is called before a response whose status is below 500 begins,
	// if the session was loaded. It may change the session, which is saved after
	// it, and the header, which it asks for only if it has something to add. It
	// may not write the response.
	BeforeHeader(header func() http.Header, r *http.Request, s *Session)
}

// SetBinding notes in the session what it is bound to, "" for nothing. It is for
// a [Guard], which alone knows what the text means; applications do not call it.
// Like the owner it is no value: a session that has nothing else is empty.
func (s *Session) SetBinding(binding string) { s.setText(bindingKey, binding) }

// Binding returns what [Session.SetBinding] said last, or "".
func (s *Session) Binding() string { return s.getText(bindingKey) }

// admit asks the Manager's guard whether a request may have the session that o
// holds.
func (m *Manager) admit(r *http.Request, o *object) error {
	if m.opts.Guard == nil {
		return nil
	}
	raw, bound := o.get(bindingKey)
	switch {
	case !bound:
		return nil
	case raw[0] != '"':
		return errNotUnderstood
	}
	return m.opts.Guard.Admit(r, o.text(bindingKey))
}

// beforeHeader has the Manager's guard see the session before it is saved.
func (m *Manager) beforeHeader(w *responseWriter, status int) {
	if m.opts.Guard == nil || status >= 500 {
		return
	}
	w.req.mu.Lock()
	s := w.req.session
	w.req.mu.Unlock()
	if s != nil {
		m.opts.Guard.BeforeHeader(w.Header, w.req.inner, s)
	}
}

// answers reports whether an error of a load is a guard's answer to the request.
func answers(err error) (http.Handler, bool) {
	h, ok := err.(http.Handler)
	return h, ok
}
