//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"
)

// notifyPipes has broken pipes told to c. From then on writes to them fail, and do not end the process; commands that it starts are
// ended by them, as ever.
func notifyPipes(c chan<- os.Signal) { signal.Notify(c, unix.SIGPIPE) }

// outputGone tells whether nobody reads stdout or stderr any more.
func outputGone() bool {
	outputs := []unix.PollFd{{Fd: int32(unix.Stdout)}, {Fd: int32(unix.Stderr)}}
	if _, err := unix.Poll(outputs, 0); err != nil {
		return false
	}
	return slices.ContainsFunc(outputs, func(p unix.PollFd) bool { return p.Revents&(unix.POLLERR|unix.POLLHUP) != 0 })
}
