//go:build !linux

package network

import (
	"os"
	"sync"
	"time"
)

// A sleeper sleeps until a moment, as exactly as the runtime's timers are. It is
// for one goroutine, except for Close.
type sleeper struct {
	once sync.Once
	done chan struct{}
}

func newSleeper() (*sleeper, error) { return &sleeper{done: make(chan struct{})}, nil }

// until sleeps until t, or until Close is called, which is an error.
func (s *sleeper) until(t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.done:
		return os.ErrClosed
	}
}

// Close ends a sleep that is under way.
func (s *sleeper) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}
