package natlab

import (
	"net"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A launcher starts processes from one thread that lives as long as the lab, because the kernel
// kills them when the thread that started them ends.
type launcher struct {
	jobs chan job
	done chan struct{}
}

type job struct {
	space  *space
	cmd    *exec.Cmd
	result chan error
}

func (l *Lab) newLauncher() *launcher {
	a := &launcher{jobs: make(chan job), done: make(chan struct{})}
	l.own(a.run, func() { close(a.done) })
	return a
}

func (a *launcher) run() {
	runtime.LockOSThread() // never unlocked, so that the thread ends here
	var started []*exec.Cmd
	for {
		select {
		case j := <-a.jobs:
			err := j.space.do(j.cmd.Start)
			if err == nil {
				started = append(started, j.cmd)
			}
			j.result <- err
		case <-a.done:
			for _, cmd := range started {
				cmd.Process.Kill() // an error means that it has ended
			}
			return
		}
	}
}

// start starts a process in the namespace, to be killed with the lab at the latest.
func (a *launcher) start(s *space, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	}
	j := job{s, cmd, make(chan error, 1)}
	select {
	case a.jobs <- j:
		return <-j.result
	case <-a.done:
		return net.ErrClosed
	}
}
