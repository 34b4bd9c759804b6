package sockerr

import (
	"syscall"

	"golang.org/x/sys/windows"
)

func classify(number syscall.Errno) meaning {
	switch number {
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, // made up by package syscall, for portable programs
		windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENETRESET, windows.WSAESHUTDOWN,
		windows.ERROR_NETNAME_DELETED, // a read or write that was under way when the reset came
		windows.ERROR_CONNECTION_ABORTED, windows.ERROR_BROKEN_PIPE, windows.ERROR_NO_DATA:
		return cut
	case syscall.ECONNREFUSED, windows.WSAECONNREFUSED, windows.ERROR_CONNECTION_REFUSED:
		return refused
	case syscall.EADDRINUSE, windows.WSAEADDRINUSE, windows.WSAEACCES: // the latter where the other socket does not share, or Windows has set the port aside
		return inUse
	case windows.WSAEAFNOSUPPORT, windows.WSAEPROTONOSUPPORT, windows.WSAESOCKTNOSUPPORT:
		return unsupported
	case windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAENETDOWN, windows.WSAEHOSTDOWN, windows.ERROR_NETWORK_UNREACHABLE, windows.ERROR_HOST_UNREACHABLE:
		return unreachable
	case windows.WSAEADDRNOTAVAIL:
		return elsewhere
	}
	return other
}
