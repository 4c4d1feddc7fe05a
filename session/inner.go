package session

import (
	"context"
	"net/http"
	"strings"
)

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
		{&r.Method, &inner.Method}, {&r.Host, &inner.Host}, {&r.RemoteAddr, &inner.RemoteAddr},
		{&r.RequestURI, &inner.RequestURI},
	} {
		if *field.to != *field.from {
			*field.to = *field.from
		}
	}
	if r.URL != inner.URL {
		r.URL = inner.URL
	}
}
