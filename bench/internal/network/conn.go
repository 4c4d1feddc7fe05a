package network

import (
	"context"
	"net"
)

// A counter is a connection that counts what passes it.
type counter struct {
	net.Conn
	up, down int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.up += n
	return n, err
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.down += n
	return n, err
}

// A line is a connection with TLS that counts on both sides of it. It is for one
// goroutine.
type line struct {
	counter          // what TLS is given
	below   *counter // what TLS makes of it
}

// connect connects to a server.
func connect(ctx context.Context, server *server, http1 bool) (*line, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.Addr)
	if err != nil {
		return nil, err
	}
	below := &counter{Conn: conn}
	above, err := server.Handshake(ctx, below, http1)
	if err != nil {
		return nil, err
	}
	return &line{counter{Conn: above}, below}, nil
}

func (l *line) counted() Bytes {
	return Bytes{
		Up: float64(l.below.up), Down: float64(l.below.down),
		UpInTLS: float64(l.up), DownInTLS: float64(l.down),
	}
}
