// Package relay passes TCP connections on to a server.
package relay

import (
	"context"
	"net"
	"sync"
)

// A Relay listens on a free port of the loopback interface, and connects to a
// server for each client that connects to it. Its methods may be called by
// several goroutines at once.
type Relay struct {
	// Addr is where the relay listens, as host:port.
	Addr string

	listener net.Listener
	wg       sync.WaitGroup
	stop     context.CancelFunc

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Listen starts a relay for the server at target. For each client, pass is
// called in a goroutine of its own: it passes on what either side sends until
// both have ended, or ctx has, which is when the relay is closed. The two
// connections are closed when it returns.
func Listen(target string, pass func(ctx context.Context, client, server *net.TCPConn)) (*Relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Relay{Addr: listener.Addr().String(), listener: listener, stop: stop, conns: make(map[net.Conn]bool)}
	r.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() {
				defer r.drop(client)
				if !r.keep(client) {
					return
				}
				server, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer r.drop(server)
				if r.keep(server) {
					pass(ctx, client.(*net.TCPConn), server.(*net.TCPConn))
				}
			})
		}
	})
	return r, nil
}

// keep has Close and CutAll close conn, too. It reports false after Close.
func (r *Relay) keep(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[conn] = true
	return !r.closed
}

func (r *Relay) drop(conn net.Conn) {
	conn.Close()
	r.mu.Lock()
	delete(r.conns, conn)
	r.mu.Unlock()
}

// CutAll cuts every connection.
func (r *Relay) CutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// Close stops listening, cuts every connection, and waits until nothing of the
// relay runs.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	err := r.listener.Close()
	r.stop()
	r.CutAll()
	r.wg.Wait()
	return err
}
