//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package postgres

import (
	"net"
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(server, client net.Conn)
		want bool
	}{
		{"an idle connection", func(net.Conn, net.Conn) {}, true},
		{"a connection that somebody else is reading", func(_, client net.Conn) {
			reading := make(chan struct{})
			go func() {
				close(reading)
				client.Read(make([]byte, 1))
			}()
			<-reading
			time.Sleep(10 * time.Millisecond) // until Read has begun
		}, true},
		{"a connection that the server has closed", func(server, client net.Conn) { server.Close(); wait(client) },
			false},
		{"a connection with a message nobody asked for",
			func(server, client net.Conn) { server.Write([]byte("bye")); wait(client) }, false},
		{"a connection that is closed", func(_, client net.Conn) { client.Close() }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, client := pair(t)
			tc.do(server, client)
			if got := alive(client); got != tc.want {
				t.Errorf("alive is %v, want %v", got, tc.want)
			}
			// The message is left for the driver.
			if tc.name == "a connection with a message nobody asked for" {
				b := make([]byte, 3)
				if n, err := client.Read(b); string(b[:n]) != "bye" {
					t.Errorf("read %q, %v", b[:n], err)
				}
			}
		})
	}
}

// pair returns the two ends of a connection.
func pair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

// wait waits until something has arrived.
func wait(conn net.Conn) {
	for range 100 {
		if !alive(conn) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
