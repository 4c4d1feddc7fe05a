package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"sessionengine/session"
)

// storeSite is a Site over a session.Manager.
type storeSite struct {
	manager *session.Manager
	close   func() error
}

// NewSite returns a site that keeps its sessions in store, with the defaults of
// package session. Closing the site calls close, unless that is nil.
func NewSite(store session.SessionStore, close func() error) (Site, error) {
	m, err := session.NewManager(store, session.Options{ErrorHandler: answerError,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if close == nil {
		close = func() error { return nil }
	}
	return &storeSite{m, close}, nil
}

// StoreEngine returns an engine of that name which keeps sessions in the stores
// that open opens, with the defaults of package session. Each site has a store of
// its own, and two are there at a time: one is timed, and one counts its queries.
// dir is an empty folder for the store's files. A store that uses database/sql
// takes its connections from count.OpenDB, which counts nothing if count is nil;
// another one that asks a server calls count.Add for each round trip, unless count
// is nil. If the store has a method Close() error, it is called in the end.
func StoreEngine(name string, open func(ctx context.Context, dir string, count *Counter) (session.SessionStore, error),
) Engine {
	return Engine{Name: name, Open: func(ctx context.Context, dir string, count *Counter) (Site, error) {
		store, err := open(ctx, dir, count)
		if err != nil {
			return nil, err
		}
		var release func() error
		if closer, ok := store.(io.Closer); ok {
			release = closer.Close
		}
		return NewSite(store, release)
	}}
}

func answerError(w http.ResponseWriter, _ *http.Request, err error) {
	status := session.ErrorStatus(err)
	if _, ok := errors.AsType[*session.TooLargeError](err); ok {
		status = http.StatusRequestEntityTooLarge
	}
	http.Error(w, err.Error(), status)
}

func (s *storeSite) Close() error { return s.close() }

func (s *storeSite) Handler(a Action) http.Handler {
	if a.TouchesNothing() {
		return s.manager.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}
	_, readsString := a.Read.str()
	return s.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess, err := session.Load(r)
		if err != nil {
			return // the middleware answers
		}
		if a.Renew {
			sess.Renew()
		}
		for _, e := range a.Set {
			sess.Set(e.Key, e.Value)
		}
		if a.Count != nil {
			sess.Set(CountKey, a.Count.Add(1))
		}
		var text string
		switch {
		case a.Read.Key == "":
		case readsString:
			text, _ = session.Get[string](sess, a.Read.Key)
		default:
			raw, _ := session.Get[json.RawMessage](sess, a.Read.Key)
			text = string(raw)
		}
		if a.Flush {
			sess.Flush()
		}
		if a.Meanwhile != nil {
			a.Meanwhile()
		}
		if text != "" {
			io.WriteString(w, text)
		}
	}))
}
