//go:build !linux

package testserver

import "os/exec"

// credential is whom a server runs as: who runs the tests.
type credential struct{}

func lookUp(string) (*credential, error) { return nil, nil }
func (*credential) own(string) error     { return nil }
func (*credential) apply(*exec.Cmd)      {}

// process is a server's main process.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

func startProcess(cmd *exec.Cmd, _ *credential) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// kill ends the process. Its children see that it is gone, and end as well.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}
