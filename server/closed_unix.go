//go:build unix

package server

import (
	"os"

	"golang.org/x/sys/unix"
)

// keepClosed takes a port of all addresses on which nobody can then listen, until the file is closed. A connection there is refused; a
// node to which it opens has something on its way that answers in our place.
func keepClosed() (port uint16, kept *os.File, err error) {
	family, addr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{})
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil { // no IPv6
		family, addr = unix.AF_INET, &unix.SockaddrInet4{}
		fd, err = unix.Socket(family, unix.SOCK_STREAM, 0)
	}
	if err != nil {
		return 0, nil, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	kept = os.NewFile(uintptr(fd), "closed port")
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			kept.Close()
			return 0, nil, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, addr); err != nil {
		kept.Close()
		return 0, nil, os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		kept.Close()
		return 0, nil, os.NewSyscallError("getsockname", err)
	}
	switch bound := bound.(type) {
	case *unix.SockaddrInet6:
		port = uint16(bound.Port)
	case *unix.SockaddrInet4:
		port = uint16(bound.Port)
	}
	return port, kept, nil
}
