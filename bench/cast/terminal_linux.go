package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// columns is the width of a terminal.
const columns = 100

// A terminal is one in which a command runs.
type terminal struct {
	who  string
	cmd  *natlab.Cmd
	pair [2]*os.File // its own end, and the command's

	ended chan struct{} // closed at the end of the command, when all it has written has been read; err is set then
	err   error

	mu      sync.Mutex // guards the following
	output  strings.Builder
	changed chan struct{} // closed and replaced at each change
}

// open starts a command on a host that calls itself who, in its home, with programs in the PATH.
func open(ctx context.Context, host *natlab.Host, who, home, programs, command string) (*terminal, error) {
	t := &terminal{who: who, ended: make(chan struct{}), changed: make(chan struct{})}
	var err error
	if t.pair, err = newTerminal(); err != nil {
		return nil, err
	}
	t.cmd = host.Command(ctx, "/bin/sh", "-c", "echo "+who+" >/proc/sys/kernel/hostname && "+command)
	t.cmd.Dir = home
	t.cmd.Env = []string{"HOME=" + home, "PATH=" + programs + ":/usr/bin:/bin", "TERM=xterm"}
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = t.pair[1], t.pair[1], t.pair[1]
	t.cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUTS, Setsid: true, Setctty: true} // a host name of its own
	err = t.cmd.Start()
	t.pair[1].Close()
	if err != nil {
		t.pair[0].Close()
		return nil, err
	}
	var reading sync.WaitGroup
	reading.Go(t.read)
	go func() {
		defer close(t.ended)
		t.err = t.cmd.Wait()
		reading.Wait()
	}()
	return t, nil
}

// newTerminal makes a pseudoterminal (pts(4)).
func newTerminal() (pair [2]*os.File, err error) {
	own, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return pair, err
	}
	fd := int(own.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns})); err == nil {
		pair[1], err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		own.Close()
		return pair, err
	}
	pair[0] = own
	return pair, nil
}

// read keeps what the command writes, until nobody has the terminal any more, which is an error to Linux.
func (t *terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := t.pair[0].Read(buffer)
		t.mu.Lock()
		t.output.Write(buffer[:n])
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// text is what stands on the terminal.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return rendered(t.output.String())
}

// await waits until something on the terminal matches the pattern; if that is empty, until the command has ended well.
func (t *terminal) await(pattern string) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if text := t.text(); pattern != "" && regexp.MustCompile(pattern).MatchString(text) && strings.HasSuffix(text, "\n") {
			return nil
		}
		select {
		case <-changed:
		case <-t.ended:
			if t.err != nil || pattern != "" {
				return fmt.Errorf("%s: the command ended, %v, with\n%s", t.who, t.err, t.text())
			}
			return nil
		case <-deadline.C:
			return fmt.Errorf("%s: still not done after %v:\n%s", t.who, patience, t.text())
		}
	}
}

// close ends the command with all that it has started, also where a terminal that goes is no reason to (nohup).
func (t *terminal) close() {
	t.cmd.Process.Kill()
	unix.Kill(-t.cmd.Process.Pid, unix.SIGKILL) // its session's first group
	<-t.ended
	t.pair[0].Close()
}
