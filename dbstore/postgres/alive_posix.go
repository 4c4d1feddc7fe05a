//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package postgres

import (
	"crypto/tls"
	"net"
	"syscall"
)

// alive is false for a connection that the server has closed. It looks at what
// has arrived, which takes a system call and no time: on an idle connection that
// is nothing, or the end, or a message that announces the end.
//
// The driver may have left a goroutine behind that waits for data on the
// connection, so this neither takes the data away nor waits for its turn to
// read.
func alive(conn net.Conn) bool {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var received error
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, received = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && (received == syscall.EAGAIN || received == syscall.EWOULDBLOCK || received == syscall.EINTR)
}
