//go:build unix

package postgres

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// checkAlive returns driver.ErrBadConn for a connection that the server has
// closed, so that the pool takes another one. It reads what has arrived, which
// takes a system call and no time: on an idle connection that is nothing, or
// the end, or a message that announces the end.
func checkAlive(_ context.Context, conn *pgx.Conn) error {
	netConn := conn.PgConn().Conn()
	if c, ok := netConn.(*tls.Conn); ok {
		netConn = c.NetConn()
	}
	c, ok := netConn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return driver.ErrBadConn
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		alive = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	if err != nil || !alive {
		return driver.ErrBadConn
	}
	return nil
}
