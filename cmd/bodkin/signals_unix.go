//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// notifyPipes has broken pipes told to c. From then on writes to them fail, and do not end the process; commands that it starts are
// ended by them, as ever.
func notifyPipes(c chan<- os.Signal) { signal.Notify(c, unix.SIGPIPE) }

// outputs are the descriptors of stdout and stderr.
func outputs() []int { return []int{unix.Stdout, unix.Stderr} }

// openTerminals finds out which of stdin, stdout and stderr are terminals. Later, when they have gone, nobody could tell.
func openTerminals() []int {
	return slices.DeleteFunc([]int{unix.Stdin, unix.Stdout, unix.Stderr}, func(fd int) bool { return !term.IsTerminal(fd) })
}

// anyGone tells whether nobody is at the other end of one of these any more.
func anyGone(descriptors []int) bool {
	var asked []unix.PollFd
	for _, fd := range descriptors {
		asked = append(asked, unix.PollFd{Fd: int32(fd)})
	}
	if _, err := unix.Poll(asked, 0); err != nil {
		return false
	}
	return slices.ContainsFunc(asked, func(p unix.PollFd) bool { return p.Revents&(unix.POLLERR|unix.POLLHUP) != 0 })
}
