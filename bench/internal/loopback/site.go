package loopback

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"sessionengine/bench"
)

// NoSession is the name of the engine that keeps nothing.
const NoSession = "none"

// None returns an engine that keeps no sessions: its site sets no cookie, and
// answers to a request for a value with what the value was to be. It is what
// all other engines are held against.
func None() bench.Engine {
	return bench.Engine{
		Name: NoSession,
		Open: func(context.Context, string, *bench.Counter) (bench.Site, error) { return noSite{}, nil },
	}
}

type noSite struct{}

func (noSite) Close() error { return nil }

func (noSite) Handler(a bench.Action) http.Handler {
	text := Text(a.Read)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// ReadEntry returns the entry of a session that the sites' pages ask for: the
// first one with a short value such as a user id, or else the first.
func ReadEntry(s bench.Session) bench.Entry {
	for _, e := range s.Entries {
		if c := e.Value[0]; c != '{' && c != '[' && len(e.Value) <= 128 {
			return e
		}
	}
	return s.Entries[0]
}

// Text is how a site answers to a request for an entry: with a string as it is,
// and with anything else as JSON.
func Text(e bench.Entry) string {
	var s string
	if len(e.Value) > 0 && e.Value[0] == '"' && json.Unmarshal(e.Value, &s) == nil {
		return s
	}
	return string(e.Value)
}
