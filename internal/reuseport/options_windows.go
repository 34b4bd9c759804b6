package reuseport

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// controlReuse lets the socket share its port; it fits net.Dialer and
// net.ListenConfig. SO_REUSEADDR on Windows allows what SO_REUSEADDR and
// SO_REUSEPORT together allow elsewhere, to every process.
func controlReuse(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt",
			windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1))
	})
	return errors.Join(err, failed)
}

// resetOnClose makes the close of the socket a reset.
func resetOnClose(fd uintptr) error {
	return windows.SetsockoptLinger(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, &windows.Linger{Onoff: 1})
}
