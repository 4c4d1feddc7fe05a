package testserver

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a client and a server, and cuts connections. Its methods
// may be called by several goroutines at once.
type Proxy struct {
	// Addr is where the proxy listens, as host:port.
	Addr string

	target   string
	listener net.Listener
	wg       sync.WaitGroup
	filter   atomic.Pointer[Filter]
	trips    atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// A Filter decides what becomes of each piece of data that passes a proxy: true
// cuts the connection instead.
type Filter func(toServer bool, data []byte) (cut bool)

// NewProxy starts a proxy for the server at target. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), target: target, listener: listener, conns: make(map[net.Conn]bool)}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		listener.Close()
		p.CutAll()
		p.wg.Wait()
	})
	return p
}

// SetFilter puts a filter into effect; nil lets everything pass.
func (p *Proxy) SetFilter(f Filter) {
	if f == nil {
		p.filter.Store(nil)
		return
	}
	p.filter.Store(&f)
}

// CutAll cuts every connection.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// RoundTrips returns how often a client has sent something and got an answer,
// on all connections together.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.add(client, server) {
			return
		}
		var asked atomic.Bool // and not yet answered
		p.wg.Go(func() { p.copy(server, client, true, &asked) })
		p.wg.Go(func() { p.copy(client, server, false, &asked) })
	}
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.closed {
			conn.Close()
		} else {
			p.conns[conn] = true
		}
	}
	return !p.closed
}

// copy passes on what comes from one side until either is gone.
func (p *Proxy) copy(to, from net.Conn, toServer bool, asked *atomic.Bool) {
	defer func() {
		to.Close()
		from.Close()
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if f := p.filter.Load(); f != nil && (*f)(toServer, buf[:n]) {
				return
			}
			if toServer {
				asked.Store(true)
			} else if asked.Swap(false) {
				p.trips.Add(1)
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
