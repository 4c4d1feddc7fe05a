package testserver

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"sessionengine/internal/relay"
)

// Proxy stands between a client and a server, and cuts connections. Its methods
// may be called by several goroutines at once.
type Proxy struct {
	*relay.Relay
	filter atomic.Pointer[Filter]
	trips  atomic.Int64
}

// A Filter decides what becomes of each piece of data that passes a proxy: true
// cuts the connection instead.
type Filter func(toServer bool, data []byte) (cut bool)

// NewProxy starts a proxy for the server at target. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := new(Proxy)
	var err error
	if p.Relay, err = relay.Listen(target, p.pass); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
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

// RoundTrips returns how often a client has sent something and got an answer,
// on all connections together.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

// pass passes everything on until either side is gone.
func (p *Proxy) pass(_ context.Context, client, server *net.TCPConn) {
	var asked atomic.Bool // and not yet answered
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, true, &asked) })
	both.Go(func() { p.copy(client, server, false, &asked) })
	both.Wait()
}

func (p *Proxy) copy(to, from net.Conn, toServer bool, asked *atomic.Bool) {
	defer to.Close()
	defer from.Close()
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
