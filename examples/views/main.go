// Views is a site of four pages that shows what a session does: one page saves
// something in it, one shows it, one deletes it, and the home page finds out
// whether the browser accepts cookies. It runs on either engine:
//
//	go run ./examples/views -engine signedcookie
//	go run ./examples/views -engine dbstore
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sessionengine/dbstore/sqlite"
	"sessionengine/session"
	"sessionengine/signedcookie"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "views: %v; -h shows the usage\n", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "views:", err)
		os.Exit(1)
	}
}

// errUsage says that the command line is wrong.
var errUsage = errors.New("wrong usage")

// run serves the site until ctx ends, and then lets the requests that are under
// way come to their end.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("views", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	engine := flags.String("engine", "signedcookie", "`name` of where sessions are kept: signedcookie or dbstore")
	addr := flags.String("addr", "127.0.0.1:8000", "`host:port` to listen on")
	database := flags.String("db", ":memory:",
		"`file` of dbstore's SQLite database; :memory: lives as long as the program")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		fmt.Fprintln(stderr, "Usage: views [flags]")
		flags.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	}

	store, err := openStore(ctx, *engine, *database)
	if err != nil {
		return err
	}
	if closer, ok := store.(io.Closer); ok {
		defer closer.Close()
	}
	site, err := newSite(store, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "sessions in %s; http://%s/\n", *engine, listener.Addr())

	server := &http.Server{Handler: site, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil {
		return fmt.Errorf("shutting down: %w", err)
	}
	return nil
}

// openStore is the only place that knows one engine from another.
func openStore(ctx context.Context, engine, database string) (session.SessionStore, error) {
	switch engine {
	case "signedcookie":
		// A new secret at each start ends all sessions with the
		// program. A real site reads its own from where it keeps secrets.
		secret := make([]byte, 32)
		rand.Read(secret)
		return signedcookie.New(secret, signedcookie.Options{})
	case "dbstore":
		return sqlite.Open(ctx, database, sqlite.Options{})
	}
	return nil, fmt.Errorf("%w: -engine is %q, want signedcookie or dbstore", errUsage, engine)
}

// newSite returns the site with its sessions in store.
func newSite(store session.SessionStore, logger *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("POST /save", save)
	mux.HandleFunc("GET /show", show)
	mux.HandleFunc("POST /delete", remove)

	m, err := session.NewManager(store, session.Options{
		Cookie: session.CookieOptions{InsecureAllowHTTP: true}, // this program speaks no TLS
		Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return m.Handler(mux), nil
}

// home leaves a mark in the session. If the next request brings it back, the
// browser accepts cookies, and the mark has done its duty.
func home(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return // the store is down: the middleware answers
	}
	if s.TestCookieWorked() {
		s.DeleteTestCookie()
		page(w, "Your browser accepts cookies.")
		return
	}
	s.SetTestCookie()
	page(w, "Please enable cookies, and load this page again.")
}

// save puts two values into the session.
func save(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	s.Set("user_id", 20)
	s.Set("team", "Barcelona")
	page(w, "Saved user_id and team.")
}

// show reads them. It changes nothing, so that nothing is saved and no cookie
// is set.
func show(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	userID, ok := session.Get[int](s, "user_id")
	if !ok {
		page(w, "There is no user_id in the session.")
		return
	}
	team, _ := session.Get[string](s, "team")
	page(w, fmt.Sprintf("user_id is %d, team is %s.", userID, team))
}

// remove deletes them. If nothing else is in the session it ends: the row in
// the database is deleted, and so is the cookie.
func remove(w http.ResponseWriter, r *http.Request) {
	s, err := session.Load(r)
	if err != nil {
		return
	}
	s.Delete("user_id")
	s.Delete("team")
	page(w, "Deleted user_id and team.")
}

// page writes a page with a text, which is the program's own, and the ways to
// the other pages.
func page(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Sessions</title>
<p>%s</p>
<p><a href="/">home</a> <a href="/show">show</a></p>
<form method="post">
<button formaction="/save">save</button>
<button formaction="/delete">delete</button>
</form>
</html>
`, text)
}
