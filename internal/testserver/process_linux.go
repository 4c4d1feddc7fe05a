package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// credential is whom a server runs as; nil is who runs the tests.
type credential struct{ uid, gid uint32 }

// lookUp returns the credential of a user, or of nobody if there is no such
// user, since servers refuse to run as root. It is nil if the tests do not run
// as root, and then cannot choose.
func lookUp(name string) (*credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &credential{uint32(uid), uint32(gid)}, nil
}

// own gives a file to the user.
func (c *credential) own(path string) error {
	if c == nil {
		return nil
	}
	return os.Chown(path, int(c.uid), int(c.gid))
}

// apply makes a command run as the user.
func (c *credential) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.uid, Gid: c.gid}
	}
}

// process is a server's main process.
type process struct {
	pid   int
	ended chan struct{} // closed when the process has ended
}

// startProcess starts a process that does not outlive the tests, however they
// end.
func startProcess(cmd *exec.Cmd, user *credential) (*process, error) {
	user.apply(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &process{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started the process.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// kill ends the process and its children at once, and waits until they are
// gone.
func (p *process) kill() {
	select {
	case <-p.ended:
		return
	default:
	}
	// Stopped, it starts no further children.
	syscall.Kill(p.pid, syscall.SIGSTOP)
	children := childrenOf(p.pid)
	syscall.Kill(p.pid, syscall.SIGKILL)
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
	for _, pid := range children {
		for syscall.Kill(pid, 0) == nil && !zombie(pid) {
			runtime.Gosched()
		}
	}
}

func childrenOf(parent int) []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		var pid, ppid int
		if _, ppid, _ = readStat(file); ppid == parent {
			if _, err := fmt.Sscanf(file, "/proc/%d/stat", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func zombie(pid int) bool {
	state, _, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || state == "Z"
}

// readStat reads a process's state and its parent, the third and fourth field
// of proc_pid_stat(5); the second, the name, is in brackets and may contain
// anything.
func readStat(file string) (state string, parent int, err error) {
	stat, err := os.ReadFile(file)
	if err != nil {
		return "", 0, err
	}
	rest := string(stat)[strings.LastIndexByte(string(stat), ')')+1:]
	_, err = fmt.Sscanf(rest, " %s %d", &state, &parent)
	return state, parent, err
}
