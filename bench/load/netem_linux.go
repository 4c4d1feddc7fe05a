package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// NetemAvailable returns why [Netem] cannot be used here, or nil.
func NetemAvailable(ctx context.Context) error {
	pair, err := newPair(ctx, Link{RoundTrip: time.Millisecond})
	if err != nil {
		return err
	}
	return pair.Close()
}

// openNetem makes a path through two network namespaces. Both have no other
// network than the pair of devices between them, and this process's sockets are
// outside of them, except for those of the two ends:
//
//	client → relay → socket in near ═ netem ═ socket in far → relay → server
func (l Link) openNetem(ctx context.Context, target string) (*Path, error) {
	pair, err := newPair(ctx, l)
	if err != nil {
		return nil, err
	}
	var far net.Listener
	err = pair.far.do(func() error {
		far, err = net.Listen("tcp", farAddr+":0")
		return err
	})
	if err != nil {
		return nil, errors.Join(err, pair.Close())
	}
	end := &Path{forward: func(client net.Conn) {}}
	end.forward = end.passOn(func() (net.Conn, error) { return net.Dial("tcp", target) })
	end.serve(far)

	release := func() error { return errors.Join(end.Close(), pair.Close()) }
	near, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, release())
	}
	p := &Path{release: release}
	p.forward = p.passOn(func() (conn net.Conn, err error) {
		err = pair.near.do(func() error {
			conn, err = net.Dial("tcp", end.Addr)
			return err
		})
		return conn, err
	})
	p.serve(near)
	return p, nil
}

// passOn returns a function that passes on what a client sends to the server
// that dial connects to, and back, without delay.
func (p *Path) passOn(dial func() (net.Conn, error)) func(client net.Conn) {
	return func(client net.Conn) {
		defer p.drop(client)
		server, err := dial()
		if err != nil || !p.keep(server) {
			return
		}
		defer p.drop(server)
		var both sync.WaitGroup
		pass := func(to, from net.Conn) {
			// A buffer hides that these are TCP connections, which io.Copy
			// would connect in the kernel, and thereby gather what it sends.
			io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 64<<10))
			to.(*net.TCPConn).CloseWrite()
		}
		both.Go(func() { pass(server, client) })
		both.Go(func() { pass(client, server) })
		both.Wait()
	}
}

// A pair is two network namespaces that a pair of devices connects.
type pair struct{ near, far namespace }

// Addresses for documentation (RFC 5737), which nobody else has.
const (
	nearAddr = "192.0.2.1"
	farAddr  = "192.0.2.2"
)

// newPair makes a pair with a link between the namespaces.
func newPair(ctx context.Context, l Link) (_ *pair, err error) {
	p := new(pair)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("load: netem: %w", err), p.Close())
		}
	}()
	if err := p.near.create(); err != nil {
		return nil, err
	}
	if err := p.far.create(); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		in      *namespace
		command string
	}{
		{&p.far, "ip link set lo up"},
		{&p.near, "ip link set lo up"},
		{&p.near, "ip link add near type veth peer name far netns " + p.far.path()},
		{&p.near, "ip addr add " + nearAddr + "/30 dev near"},
		{&p.far, "ip addr add " + farAddr + "/30 dev far"},
		{&p.near, "ip link set near up"},
		{&p.far, "ip link set far up"},
		{&p.near, l.qdisc("near", l.Up)},
		{&p.far, l.qdisc("far", l.Down)},
	} {
		if step.command == "" {
			continue
		}
		if err := step.in.run(ctx, strings.Fields(step.command)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// qdisc returns the command that makes what leaves a device late and slow, or
// "" if it is neither. The limit is in packets, and generous: nothing is to be
// lost.
func (l Link) qdisc(device string, rate float64) string {
	var slow string
	if l.RoundTrip > 0 {
		slow += fmt.Sprintf(" delay %dus", (l.RoundTrip / 2).Microseconds())
	}
	if rate > 0 {
		slow += fmt.Sprintf(" rate %.0fbit", rate*1e6)
	}
	if slow == "" {
		return ""
	}
	return "tc qdisc add dev " + device + " root netem limit 10000" + slow
}

func (p *pair) Close() error { return errors.Join(p.near.Close(), p.far.Close()) }

// A namespace is a network namespace that exists for as long as it is open, or
// a socket in it is.
type namespace struct{ file *os.File }

func (n *namespace) create() error {
	return onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
}

// path is the namespace as ip takes it.
func (n *namespace) path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(n.file.Fd()))
}

// do calls f on a thread that is in the namespace.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// run runs a command in the namespace.
func (n *namespace) run(ctx context.Context, command []string) error {
	return n.do(func() error {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, bytes.TrimSpace(out))
		}
		return nil
	})
}

func (n *namespace) Close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}

// onThread calls f on a thread of its own, which ends with f, since it is not
// where other threads are.
func onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- f()
	}()
	return <-result
}
