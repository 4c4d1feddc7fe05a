package network

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"sessionengine/internal/relay"
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

// open makes a way to the server at target: a relay in this process that holds
// back what passes it, as a whole. It delays what a write or a few of them sent,
// and takes no account of packets and their headers.
func (l Link) open(target string) (*relay.Relay, error) {
	return relay.Listen(target, func(ctx context.Context, client, server *net.TCPConn) {
		var both sync.WaitGroup
		both.Go(func() { slowly(ctx, server, client, l.RoundTrip/2, l.Up) })
		both.Go(func() { slowly(ctx, client, server, l.RoundTrip/2, l.Down) })
		both.Wait()
	})
}

// A piece of data is on its way.
type piece struct {
	data    []byte
	arrived time.Time // at the near end
}

// slowly passes on what comes from one side until that ends, so much later and
// at that rate in megabits per second, and then ends the other side.
func slowly(ctx context.Context, to, from *net.TCPConn, delay time.Duration, rate float64) {
	clock, err := newSleeper()
	if err != nil {
		from.Close()
		to.Close()
		return
	}
	defer clock.Close()
	defer context.AfterFunc(ctx, func() { clock.Close() })()
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
		to.CloseWrite()
	}
	reading.Wait()
}

// median returns the middle one of times, or the mean of the two in the middle.
// It sorts them.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return (times[(len(times)-1)/2] + times[len(times)/2]) / 2
}
