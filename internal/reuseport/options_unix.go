//go:build unix

package reuseport

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setReuse lets the socket share its port with sockets that have the same options.
// SO_REUSEPORT allows a listener next to connections; SO_REUSEADDR is for the
// connections of an earlier Port that are in TIME_WAIT.
func setReuse(fd int) error {
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// controlReuse applies setReuse; it fits net.Dialer and net.ListenConfig.
func controlReuse(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = setReuse(int(fd)) })
	return errors.Join(err, failed)
}

// resetOnClose makes the close of the socket a reset.
func resetOnClose(fd uintptr) error {
	return unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}
