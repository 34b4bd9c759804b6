package reuseport

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// Failure says what the error of a dial means for an attempt to reach a peer.
type Failure uint8

const (
	None        Failure = iota // no error
	Refused                    // the other end, or a box on the way, answered with a reset
	Unreachable                // no route, or a router says that nothing is there
	TupleBusy                  // a socket with the same two addresses and ports exists already
	TimedOut                   // silence until the deadline, or until the kernel gave up
	Canceled                   // the context or the port was closed
	Other                      // anything else: a local problem
)

// String returns the name as it stands in logs and reports.
func (f Failure) String() string {
	switch f {
	case None:
		return "none"
	case Refused:
		return "refused"
	case Unreachable:
		return "unreachable"
	case TupleBusy:
		return "tuple busy"
	case TimedOut:
		return "timed out"
	case Canceled:
		return "canceled"
	}
	return "other"
}

// Classify returns what err, from Dial or from package net, means. It looks through
// every wrapping: net puts system errors into *[net.OpError] and *[os.SyscallError],
// and code that compares them directly sees none of them.
func Classify(err error) Failure {
	var errno syscall.Errno
	switch {
	case err == nil:
		return None
	case errors.Is(err, errNoSource):
		return Unreachable
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut
	case errors.As(err, &errno):
		return classifyErrno(errno)
	}
	return Other
}

// errNoSource marks a dial that failed because this machine has no address of the
// remote's kind.
var errNoSource = errors.New("no local address to reach it from")

func isErrno(err error, want syscall.Errno) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno == want
}
