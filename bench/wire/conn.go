package wire

import (
	"encoding/binary"
	"net"
	"sync"
)

// A countingConn counts what passes a connection below TLS.
type countingConn struct {
	net.Conn
	up, down stream
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.up.count(p[:n])
	return n, err
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.down.count(p[:n])
	return n, err
}

// counted returns what has passed so far.
func (c *countingConn) counted() Bytes {
	var b Bytes
	b.Up, b.UpInTLS = c.up.counted()
	b.Down, b.DownInTLS = c.down.counted()
	return b
}

// recordOverhead is what TLS 1.3 adds to each record of application data: the
// record's header, the inner content type and the authentication tag of AES-GCM
// or ChaCha20-Poly1305 (RFC 8446, section 5.2).
const recordOverhead = recordHeader + 1 + 16

const recordHeader = 5

// A stream counts bytes in one direction, and the TLS records that they are.
type stream struct {
	mu      sync.Mutex
	bytes   int
	records int

	header [recordHeader]byte // of the record that is passing
	have   int                // bytes of the header that have passed
	left   int                // bytes of the record's content that have not
}

func (s *stream) count(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += len(p)
	for len(p) > 0 {
		if s.left > 0 {
			n := min(s.left, len(p))
			s.left -= n
			p = p[n:]
			continue
		}
		n := copy(s.header[s.have:], p)
		s.have += n
		p = p[n:]
		if s.have == recordHeader {
			s.left = int(binary.BigEndian.Uint16(s.header[3:]))
			s.have = 0
			s.records++
		}
	}
}

// counted returns the bytes, and how many of them TLS was given to send. The
// latter means nothing for the handshake.
func (s *stream) counted() (bytes, inTLS float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.bytes), float64(s.bytes - s.records*recordOverhead)
}
