package session

import (
	"context"
	"errors"
	"log/slog"
)

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
