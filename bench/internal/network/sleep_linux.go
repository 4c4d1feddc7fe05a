package network

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A sleeper sleeps until a moment, to a few hundredths of a millisecond.
// time.Sleep oversleeps by up to a millisecond in an idle program, since the
// runtime waits for the network in whole milliseconds; a timer that is a file is
// part of what it waits for (timerfd_create(2)). A sleeper is for one goroutine,
// except for Close.
type sleeper struct {
	timer *os.File
	buf   [8]byte
}

func newSleeper() (*sleeper, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &sleeper{timer: os.NewFile(uintptr(fd), "timer")}, nil
}

// until sleeps until t, or until Close is called, which is an error.
func (s *sleeper) until(t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	conn, err := s.timer.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = conn.Control(func(fd uintptr) {
		setErr = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
	if err != nil {
		return err
	}
	if setErr != nil {
		return os.NewSyscallError("timerfd_settime", setErr)
	}
	_, err = s.timer.Read(s.buf[:])
	return err
}

// Close ends a sleep that is under way.
func (s *sleeper) Close() error { return s.timer.Close() }
