// Package testserver starts private database servers for tests: from the
// binaries that are installed, in a temporary folder, on a free port of the
// loopback interface. It can kill and restart them.
//
// A package's tests share a server, which starts when the first of them asks
// for it:
//
//	var server = testserver.Postgres()
//
//	func TestMain(m *testing.M) { os.Exit(testserver.Main(m, server)) }
//
//	func TestSomething(t *testing.T) {
//		url := server.Start(t).URL
//		…
//	}
package testserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// requireVariable names the environment variable which, set to 1, makes tests
// fail that would be skipped because a server is not installed.
const requireVariable = "SESSIONENGINE_REQUIRE_SERVERS"

// startTimeout is how long a server may take to answer.
const startTimeout = 2 * time.Minute

// Server is a database server, started or not. Its methods are not for
// concurrent use, unless they say so.
type Server struct {
	// Driver and URL open the database through database/sql; Driver is empty for a
	// server that has no such driver. URL is empty until the server has been
	// started; it stays the same when it is restarted.
	Driver, URL string

	// Addr is where the server listens, as host:port.
	Addr string

	kind kind

	once sync.Once
	err  error  // of the first start
	dir  string // the temporary folder
	proc *process
}

// kind is what differs between servers.
type kind struct {
	name string
	user string // whom it runs as if the tests run as root
	// setUp makes a new database in dir; run returns the command of the server.
	setUp func(dir string, user *credential) error
	run   func(dir, host, port string) (*exec.Cmd, error)
	// open returns the driver's name and what it opens.
	open func(addr string) (driver, url string)
	// ping, unless nil, asks a server that database/sql does not know whether it
	// answers.
	ping func(ctx context.Context, addr string) error
	// ready, unless nil, is an error as long as a server that answers does not
	// serve yet.
	ready func(ctx context.Context, db *sql.DB) error
	// promote makes a standby the primary.
	promote func(dir string, user *credential) error
}

// errUnavailable says that a server is not installed.
var errUnavailable = errors.New("not installed")

// Main runs a package's tests, and stops its servers after them. It returns the
// code to exit with.
func Main(m *testing.M, servers ...*Server) int {
	defer func() {
		for _, s := range servers {
			s.Stop()
		}
	}()
	return m.Run()
}

// Start starts the server, unless it is running, and returns it. If it is not
// installed the test is skipped, or fails if the environment variable
// SESSIONENGINE_REQUIRE_SERVERS is 1. Several tests may call it at once.
func (s *Server) Start(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.err = s.first() })
	failOrSkip(t, s.err)
	return s
}

// failOrSkip ends a test whose server has not started.
func failOrSkip(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errUnavailable) && os.Getenv(requireVariable) != "1":
		t.Skipf("%v", err)
	case err != nil:
		t.Fatalf("%v", err)
	}
}

// Program returns the path of the first of the programs that is installed. If
// none is, the test is skipped, or fails as in [Server.Start].
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv(requireVariable) == "1" {
		t.Fatalf("%s is not installed, and %s is set", names[0], requireVariable)
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

// Kill ends the server and all of its processes with SIGKILL, as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.proc.kill()
}

// Restart starts the server again after Kill, at the same address, and waits
// until it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("restart %s: %v", s.kind.name, err)
	}
}

// Promote makes a standby the primary, and waits until it accepts writes.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	user, err := lookUp(s.kind.user)
	if err == nil {
		err = s.kind.promote(s.dir, user)
	}
	if err != nil {
		t.Fatalf("promote %s: %v", s.kind.name, err)
	}
}

// Open opens a pool of connections, which is closed at the test's end.
func (s *Server) Open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.Driver, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// first sets the server up and starts it.
func (s *Server) first() error {
	user, err := lookUp(s.kind.user)
	if err != nil {
		return fmt.Errorf("%s: %w", s.kind.name, err)
	}
	if s.dir, err = os.MkdirTemp("", "testserver-"); err != nil {
		return err
	}
	if err := user.own(s.dir); err != nil {
		return err
	}
	if err := s.kind.setUp(s.dir, user); err != nil {
		return fmt.Errorf("set up %s: %w", s.kind.name, err)
	}
	// Another program may take a port between our asking for it and the
	// server's.
	for range 3 {
		if s.Addr, err = freeAddr(); err != nil {
			return err
		}
		s.Driver, s.URL = s.kind.open(s.Addr)
		if err = s.start(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("start %s: %w", s.kind.name, err)
}

// start starts the server and waits until it answers.
func (s *Server) start() error {
	user, err := lookUp(s.kind.user)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	cmd, err := s.kind.run(s.dir, host, port)
	if err != nil {
		return err
	}
	logPath := filepath.Join(s.dir, "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if s.proc, err = startProcess(cmd, user); err != nil {
		return err
	}
	if err := s.wait(); err != nil {
		s.proc.kill()
		text, _ := os.ReadFile(logPath)
		return fmt.Errorf("%w; the end of its log: %s", err, text[max(0, len(text)-2000):])
	}
	return nil
}

// wait waits until the server answers.
func (s *Server) wait() error {
	ask := func(ctx context.Context) error { return s.kind.ping(ctx, s.Addr) }
	if s.kind.ping == nil {
		db, err := sql.Open(s.Driver, s.URL)
		if err != nil {
			return err
		}
		defer db.Close()
		ask = func(ctx context.Context) error {
			err := db.PingContext(ctx)
			if err == nil && s.kind.ready != nil {
				err = s.kind.ready(ctx, db)
			}
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.proc.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server for good, and deletes its folder. [Main] does so.
func (s *Server) Stop() {
	if s.proc != nil {
		s.proc.kill()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// freeAddr returns an address of the loopback interface that nobody listens on.
// Its port is below those that the system gives to outgoing connections, one of
// which could otherwise take it while the server is down.
func freeAddr() (string, error) {
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(17000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", err
		}
	}
}

// find returns the newest of the binaries that match one of the patterns.
func find(patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if !strings.Contains(pattern, "/") {
			if path, err := exec.LookPath(pattern); err == nil {
				return path, nil
			}
			continue
		}
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is %w", filepath.Base(patterns[0]), errUnavailable)
}

// runAs runs a command to its end.
func runAs(user *credential, dir, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	user.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}
