package network

import (
	"context"
	"io"
	"net/http"

	"sessionengine/bench"
)

// NoSession is the name of the engine that keeps no sessions, and that all
// results contain: whatever is above its bytes and its time is the session's.
const NoSession = "none"

// none returns an engine that keeps no sessions: its site sets no cookie, and
// answers to a request for a value with what the value was to be. It is what
// all other engines are held against.
func none() bench.Engine {
	return bench.Engine{
		Name: NoSession,
		Open: func(context.Context, string, *bench.Counter) (bench.Site, error) { return noSite{}, nil },
	}
}

type noSite struct{}

func (noSite) Close() error { return nil }

func (noSite) Handler(a bench.Action) http.Handler {
	text := a.Read.Text()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}
