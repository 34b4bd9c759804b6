//go:build unix

package reuseport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// classifyErrno knows what connect(2) and bind(2) say on Linux, macOS and the BSDs.
func classifyErrno(e syscall.Errno) Failure {
	switch e {
	case unix.ECONNREFUSED,
		unix.ECONNRESET: // the reset came in the middle of a simultaneous open
		return Refused
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN,
		unix.ENOPROTOOPT,        // ICMP protocol unreachable
		unix.EACCES, unix.EPERM: // a route or a filter of this machine forbids it
		return Unreachable
	case unix.EADDRNOTAVAIL, // Linux, for a duplicate 4-tuple
		unix.EADDRINUSE: // macOS and BSD, for the same
		return TupleBusy
	case unix.ETIMEDOUT:
		return TimedOut
	}
	return Other
}

// isPortTaken tells that bind or listen met another socket.
func isPortTaken(err error) bool { return isErrno(err, unix.EADDRINUSE) }

// isFamilyMissing tells that the system has no IPv4, or no IPv6.
func isFamilyMissing(err error) bool {
	return isErrno(err, unix.EAFNOSUPPORT) || isErrno(err, unix.EADDRNOTAVAIL)
}
