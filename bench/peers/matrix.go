package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// The matrix is what the libraries do where no figure shows it. Each cell of it
// is tried in this process, over a real connection.

// A library is one that is tried.
type library struct {
	name string
	// open sets up a site that keeps its sessions through the library, as its
	// documentation shows. Files go into dir.
	open func(ctx context.Context, dir string) (app, error)
}

// An app is a site.
type app interface {
	// handler returns the whole site, whose handler is serve.
	handler(serve func(http.ResponseWriter, *http.Request, visit)) http.Handler
	close() error
}

// A visit is the session of one request, as its handler uses it.
type visit interface {
	set(key, value string)
	get(key string) string
	expireIn(d time.Duration) // from now, for this session only
	logout()
	// save is what handlers call after changes, where the library asks for that.
	save() error
}

// These are what some apps can do.
type (
	// A breaker can make all saving fail from now on.
	breaker interface{ breakStore() }

	// A logger has a log, which is what the library tells it.
	logger interface{ logs() string }

	// A corrupter can make what is stored of a cookie's session unreadable.
	corrupter interface {
		corrupt(ctx context.Context, cookie string) error
	}

	// A compressor can make a cookie, properly signed, of a session with that
	// many bytes, all of them alike.
	compressor interface {
		bomb(ctx context.Context, size int) (cookie string, err error)
	}
)

// A verdict is whether a library did what it should.
type verdict string

const (
	good    verdict = "yes"
	bad     verdict = "NO"
	nothing verdict = "-" // there is nothing to try, or it is up to the application
)

// An outcome is a cell of the matrix.
type outcome struct {
	Library string  `json:"library"`
	Trial   string  `json:"trial"`
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"` // happened
}

// A trial is a row of the matrix.
type trial struct {
	name string
	how  string // it is tried
	run  func(*stage) (verdict, string, error)
}

// A stage is where one trial of one library takes place.
type stage struct {
	ctx     context.Context
	app     app
	servers []*httptest.Server
	logged  lockedBuffer // what the servers complained of
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A page is a handler of the site.
type page func(w http.ResponseWriter, r *http.Request, v visit)

// serve starts the site with pages under their paths, and returns its address.
func (b *stage) serve(pages map[string]page) string {
	mux := b.app.handler(func(w http.ResponseWriter, r *http.Request, v visit) {
		if p := pages[r.URL.Path]; p != nil {
			p(w, r, v)
			return
		}
		http.NotFound(w, r)
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(&b.logged, "", 0)
	s.Start()
	b.servers = append(b.servers, s)
	return s.URL
}

func (b *stage) close() error {
	for _, s := range b.servers {
		s.Close()
	}
	return b.app.close()
}

// A browser holds the cookie of the site, whatever its attributes. It is safe for
// concurrent use.
type browser struct {
	mu     sync.Mutex
	cookie string // name=value, or ""
}

// A response is what a browser got.
type response struct {
	status int
	header http.Header
	body   string
	hints  int    // 1xx responses before it
	set    string // the cookie that it sets, name=value; "" if none
}

// get requests a page, and keeps the cookie that it sets.
func (v *browser) get(ctx context.Context, url string) (*response, error) {
	v.mu.Lock()
	cookie := v.cookie
	v.mu.Unlock()
	res, err := get(ctx, url, cookie)
	if err != nil {
		return nil, err
	}
	if _, ok := res.header["Set-Cookie"]; ok {
		v.mu.Lock()
		v.cookie = res.set
		v.mu.Unlock()
	}
	return res, nil
}

// get requests a page with a cookie, or with none.
func get(ctx context.Context, url, cookie string) (*response, error) {
	hints := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		hints++
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	r := &response{status: res.StatusCode, header: res.Header, body: string(body), hints: hints}
	for _, line := range res.Header["Set-Cookie"] {
		pair, attributes, _ := strings.Cut(line, ";")
		if strings.Contains(attributes, "Max-Age=0") {
			r.set = ""
		} else {
			r.set = pair
		}
	}
	return r, nil
}

// try tries everything with every library, several libraries at a time since
// most of it is waiting.
func try(ctx context.Context, libraries []library, trials []trial) ([]outcome, error) {
	outcomes := make([][]outcome, len(libraries))
	errs := make([]error, len(libraries))
	var wg sync.WaitGroup
	for i, l := range libraries {
		wg.Go(func() {
			for _, t := range trials {
				o, err := l.try(ctx, t)
				if err != nil {
					errs[i] = fmt.Errorf("%s: %s: %w", l.name, t.name, err)
					return
				}
				outcomes[i] = append(outcomes[i], o)
			}
		})
	}
	wg.Wait()
	var all []outcome
	for _, o := range outcomes {
		all = append(all, o...)
	}
	return all, errors.Join(errs...)
}

// try tries one thing, on a site of its own.
func (l library) try(ctx context.Context, t trial) (o outcome, err error) {
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	app, err := l.open(ctx, dir)
	if err != nil {
		return o, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b := &stage{ctx: ctx, app: app}
	defer func() { err = errors.Join(err, b.close()) }()
	o = outcome{Library: l.name, Trial: t.name}
	o.Verdict, o.What, err = t.run(b)
	return o, err
}

// writeMatrix writes the outcomes: which library does what it should, and under
// that what happened.
func writeMatrix(w io.Writer, libraries []library, trials []trial, outcomes []outcome) error {
	cell := func(library, trial string) outcome {
		for _, o := range outcomes {
			if o.Library == library && o.Trial == trial {
				return o
			}
		}
		return outcome{}
	}
	fmt.Fprint(w, "yes: nothing that a handler has set is lost without a word, nothing is there that\n"+
		"should be gone, and nobody gets what is another visitor's. NO: that went wrong.\n"+
		"-: there is nothing to try, or the application decides. What was tried, and what\n"+
		"happened, is below.\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range libraries {
		fmt.Fprintf(table, "\t%s", l.name)
	}
	fmt.Fprintln(table)
	for _, t := range trials {
		fmt.Fprint(table, t.name)
		for _, l := range libraries {
			fmt.Fprintf(table, "\t%s", cell(l.name, t.name).Verdict)
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, t := range trials {
		fmt.Fprintf(w, "\n%s: %s\n", t.name, t.how)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, l := range libraries {
			o := cell(l.name, t.name)
			fmt.Fprintf(table, "  %s\t%s\t%s\n", o.Library, o.Verdict, o.What)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}
