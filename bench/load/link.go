package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// A Link is a network between a client and a server, as slow as it is told to
// be. The zero Link adds nothing.
type Link struct {
	// RoundTrip is what it takes from one end to the other and back, half of it
	// in each direction.
	RoundTrip time.Duration `json:"round_trip_ns"`

	// Up and Down are the rates towards the server and back, in megabits per
	// second; 0 means no limit.
	Up   float64 `json:"up_mbit_s"`
	Down float64 `json:"down_mbit_s"`
}

// An Emulation is a way to make a link on one machine.
type Emulation string

const (
	// Relay is a relay in this process that holds back what passes it, as a
	// whole: it delays what a write or a few of them sent, and takes no account
	// of packets and their headers. It works everywhere.
	Relay Emulation = "relay"

	// Netem is a pair of network devices of the kernel, in network namespaces
	// of their own, with the queueing discipline netem on each (tc-netem(8)).
	// It needs Linux, root, the programs ip and tc, and a kernel with netem;
	// [NetemAvailable] tells. The namespaces are gone with the link.
	Netem Emulation = "netem"
)

// A Path leads to a server through a link.
type Path struct {
	Addr string // where to connect to instead, as host:port

	listener net.Listener
	forward  func(client net.Conn) // passes everything on until either side ends
	release  func() error          // of what the path used, after all else

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[io.Closer]bool
	closed bool
}

// Open makes a path to the server at target, which ctx does not end.
func (l Link) Open(ctx context.Context, e Emulation, target string) (*Path, error) {
	if l.RoundTrip < 0 || l.Up < 0 || l.Down < 0 {
		return nil, fmt.Errorf("load: a link with a negative figure: %+v", l)
	}
	switch e {
	case Relay:
		return l.openRelay(target)
	case Netem:
		return l.openNetem(ctx, target)
	}
	return nil, fmt.Errorf("load: no emulation %q; there are %s and %s", string(e), Relay, Netem)
}

// serve accepts connections until Close is called.
func (p *Path) serve(listener net.Listener) {
	p.Addr = listener.Addr().String()
	p.listener = listener
	p.conns = make(map[io.Closer]bool)
	p.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() {
				defer client.Close()
				if p.keep(client) {
					p.forward(client)
				}
			})
		}
	})
}

// keep has Close close c, too. It reports false, and closes c, after Close.
func (p *Path) keep(c io.Closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

// drop closes c and forgets it.
func (p *Path) drop(c io.Closer) {
	c.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// Close closes the path and all connections that use it.
func (p *Path) Close() error {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.wg.Wait()
	if p.release != nil {
		err = errors.Join(err, p.release())
	}
	return err
}

// openRelay makes a path by a relay.
func (l Link) openRelay(target string) (*Path, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := new(Path)
	p.forward = func(client net.Conn) {
		defer p.drop(client)
		server, err := net.Dial("tcp", target)
		if err != nil || !p.keep(server) {
			return
		}
		defer p.drop(server)
		up, err := newSleeper()
		if err != nil || !p.keep(up) {
			return
		}
		defer p.drop(up)
		down, err := newSleeper()
		if err != nil || !p.keep(down) {
			return
		}
		defer p.drop(down)
		var both sync.WaitGroup
		both.Go(func() { slowly(server, client, up, l.RoundTrip/2, l.Up) })
		both.Go(func() { slowly(client, server, down, l.RoundTrip/2, l.Down) })
		both.Wait()
	}
	p.serve(listener)
	return p, nil
}

// A piece of data is on its way.
type piece struct {
	data    []byte
	arrived time.Time // at the near end
}

// slowly passes on what comes from one side until that ends, so much later and
// at that rate in megabits per second, and then ends the other side.
func slowly(to, from net.Conn, clock *sleeper, delay time.Duration, rate float64) {
	under := make(chan piece, 64)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(under)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				under <- piece{buf[:n], time.Now()}
			}
			if err != nil {
				return
			}
		}
	})
	var free time.Time // when the link has sent what came before
	var err error
	for p := range under {
		if err != nil {
			continue // so that the reader ends
		}
		if free.Before(p.arrived) {
			free = p.arrived
		}
		if rate > 0 {
			free = free.Add(time.Duration(float64(8*len(p.data)) / (rate * 1e6) * float64(time.Second)))
		}
		if err = clock.until(free.Add(delay)); err == nil {
			_, err = to.Write(p.data)
		}
		if err != nil {
			from.Close()
		}
	}
	if err == nil {
		to.(interface{ CloseWrite() error }).CloseWrite()
	}
	reading.Wait()
}

// Added returns what the link adds to the round trip of a byte, which is its own
// round trip and what the emulation takes: the median of n measurements.
func (l Link) Added(ctx context.Context, e Emulation, n int) (time.Duration, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	var echoes sync.WaitGroup
	defer echoes.Wait()
	defer listener.Close()
	echoes.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			echoes.Go(func() {
				io.Copy(conn, conn)
				conn.Close()
			})
		}
	})
	path, err := l.Open(ctx, e, listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer path.Close()
	far, err := roundTrip(ctx, path.Addr, n)
	if err != nil {
		return 0, err
	}
	near, err := roundTrip(ctx, listener.Addr().String(), n)
	return max(far-near, 0), err
}

// roundTrip returns the median of n round trips of a byte to an echo.
func roundTrip(ctx context.Context, addr string, n int) (time.Duration, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	times := make([]time.Duration, n)
	buf := []byte{0}
	for i := range times {
		start := time.Now()
		if _, err := conn.Write(buf); err != nil {
			return 0, errors.Join(ctx.Err(), err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			return 0, errors.Join(ctx.Err(), err)
		}
		times[i] = time.Since(start)
	}
	return median(times), nil
}

// median returns the middle one of times, or the mean of the two in the middle.
// It sorts them.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return (times[(len(times)-1)/2] + times[len(times)/2]) / 2
}
