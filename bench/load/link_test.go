package load_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"sessionengine/bench/load"
)

// listen serves connections with handle until the test ends.
func listen(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			}()
		}
	}()
	return listener.Addr().String()
}

func echo(conn *net.TCPConn) { io.Copy(conn, conn) }

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func open(t *testing.T, l load.Link, e load.Emulation, target string) *load.Path {
	t.Helper()
	path, err := l.Open(t.Context(), e, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { path.Close() })
	return path
}

// emulations calls f for each emulation that makes link l here.
func emulations(t *testing.T, l load.Link, f func(t *testing.T, e load.Emulation)) {
	for _, e := range []load.Emulation{load.Relay, load.Netem} {
		t.Run(string(e), func(t *testing.T) {
			if e == load.Netem {
				// Without delay and rate, the kernel needs no netem.
				path, err := l.Open(t.Context(), e, "127.0.0.1:1")
				if err != nil {
					t.Skip(err)
				}
				path.Close()
			}
			f(t, e)
		})
	}
}

func TestALinkChangesNothingOfWhatPasses(t *testing.T) {
	for _, l := range []load.Link{{}, {RoundTrip: 2 * time.Millisecond, Up: 100, Down: 200}} {
		emulations(t, l, func(t *testing.T, e load.Emulation) {
			conn := dial(t, open(t, l, e, listen(t, echo)).Addr)
			sent := make([]byte, 1<<20)
			rand.Read(sent)
			go func() {
				conn.Write(sent)
				conn.CloseWrite()
			}()
			// The echo ends when it has read everything: the end has passed as well.
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
			}
		})
	}
}

func TestALinkDelays(t *testing.T) {
	const trip = 30 * time.Millisecond
	l := load.Link{RoundTrip: trip}
	emulations(t, l, func(t *testing.T, e load.Emulation) {
		if added, err := l.Added(t.Context(), e, 5); err != nil || added < trip*9/10 {
			t.Errorf("a round trip takes %v more, %v; want %v", added, err, trip)
		}
	})
}

func TestALinkIsSlowInTheDirectionThatItIsToldTo(t *testing.T) {
	const size = 25_000 // 100 ms at 2 Mbit/s
	for name, l := range map[string]load.Link{"up": {Up: 2}, "down": {Down: 2}} {
		emulations(t, l, func(t *testing.T, e load.Emulation) {
			conn := dial(t, open(t, l, e, listen(t, echo)).Addr)
			begin := time.Now()
			go conn.Write(make([]byte, size))
			if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			// A bucket may let the first packets through at once.
			if took := time.Since(begin); took < 80*time.Millisecond {
				t.Errorf("%s: %d bytes took %v; want 100 ms", name, size, took)
			}
		})
	}
}

func TestClosingAPathClosesItsConnections(t *testing.T) {
	emulations(t, load.Link{}, func(t *testing.T, e load.Emulation) {
		path := open(t, load.Link{}, e, listen(t, echo))
		conn := dial(t, path.Addr)
		if _, err := conn.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := path.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes after Close", n)
		}
		if c, err := net.Dial("tcp", path.Addr); err == nil {
			c.Close()
			t.Error("connected after Close")
		}
	})
}

func TestAConnectionEndsWhenItsServerIsGone(t *testing.T) {
	emulations(t, load.Link{}, func(t *testing.T, e load.Emulation) {
		conn := dial(t, open(t, load.Link{}, e, "127.0.0.1:1").Addr) // where nobody listens
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes", n)
		}
	})
}

func TestLinksThatMakeNoSenseAreRefused(t *testing.T) {
	for _, l := range []load.Link{{RoundTrip: -1}, {Up: -1}, {Down: -1}} {
		if path, err := l.Open(t.Context(), load.Relay, "127.0.0.1:1"); err == nil {
			path.Close()
			t.Errorf("%+v: no error", l)
		}
	}
	if path, err := (load.Link{}).Open(t.Context(), "carrier pigeon", "127.0.0.1:1"); err == nil {
		path.Close()
		t.Error("an unknown emulation: no error")
	}
}

func TestNetemIsAvailableOrTellsWhyNot(t *testing.T) {
	err := load.NetemAvailable(t.Context())
	path, openErr := load.Link{RoundTrip: time.Millisecond}.Open(t.Context(), load.Netem, "127.0.0.1:1")
	if openErr == nil {
		path.Close()
	}
	if (err == nil) != (openErr == nil) {
		t.Errorf("available: %v; and used: %v", err, openErr)
	}
	if err != nil {
		t.Log(err)
	}
}

func TestNetworkNamespacesLeaveNothingBehind(t *testing.T) {
	devices := func() int {
		list, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before, home := devices(), namespace(t)
	path, err := load.Link{}.Open(context.Background(), load.Netem, "127.0.0.1:1")
	if err != nil {
		t.Skip(err)
	}
	if during := devices(); during != before {
		t.Errorf("there are %d devices outside of the namespaces, and %d before", during, before)
	}
	path.Close()
	if after := devices(); after != before || namespace(t) != home {
		t.Errorf("%d devices in %s, and before %d in %s", after, namespace(t), before, home)
	}
}

// namespace returns the network namespace that this thread is in.
func namespace(t *testing.T) string {
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Skip(err)
	}
	return name
}
