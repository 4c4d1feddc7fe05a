package network

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"testing"
	"time"
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

func open(t *testing.T, l Link, target string) string {
	t.Helper()
	path, err := l.open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { path.Close() })
	return path.Addr
}

func TestALinkChangesNothingOfWhatPasses(t *testing.T) {
	for _, l := range []Link{{}, {RoundTrip: 2 * time.Millisecond, Up: 100, Down: 200}} {
		conn := dial(t, open(t, l, listen(t, echo)))
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
	}
}

func TestALinkDelays(t *testing.T) {
	const trip = 30 * time.Millisecond
	conn := dial(t, open(t, Link{RoundTrip: trip}, listen(t, echo)))
	begin := time.Now()
	conn.Write([]byte{1})
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < trip {
		t.Errorf("a round trip takes %v; want %v", took, trip)
	}
}

func TestALinkIsSlowInTheDirectionThatItIsToldTo(t *testing.T) {
	const size = 25_000 // 100 ms at 2 Mbit/s
	for name, l := range map[string]Link{"up": {Up: 2}, "down": {Down: 2}} {
		conn := dial(t, open(t, l, listen(t, echo)))
		begin := time.Now()
		go conn.Write(make([]byte, size))
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 100*time.Millisecond {
			t.Errorf("%s: %d bytes took %v; want 100 ms", name, size, took)
		}
	}
}

func TestClosingAPathClosesItsConnections(t *testing.T) {
	path, err := Link{RoundTrip: time.Hour}.open(listen(t, echo))
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, path.Addr)
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := path.Close(); err != nil { // while the byte is on its way
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes after Close", n)
	}
	if c, err := net.Dial("tcp", path.Addr); err == nil {
		c.Close()
		t.Error("connected after Close")
	}
}

func TestAConnectionEndsWhenItsServerIsGone(t *testing.T) {
	conn := dial(t, open(t, Link{}, "127.0.0.1:1")) // where nobody listens
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
}
