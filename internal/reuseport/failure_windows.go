package reuseport

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// classifyErrno knows what ConnectEx and bind say. A failed ConnectEx comes as a
// Winsock error or as the Win32 error it was made from.
func classifyErrno(e syscall.Errno) Failure {
	switch e {
	case windows.WSAECONNREFUSED, windows.ERROR_CONNECTION_REFUSED,
		windows.WSAECONNRESET, windows.ERROR_PORT_UNREACHABLE:
		return Refused
	case windows.WSAEHOSTUNREACH, windows.ERROR_HOST_UNREACHABLE,
		windows.WSAENETUNREACH, windows.ERROR_NETWORK_UNREACHABLE,
		windows.WSAEHOSTDOWN, windows.ERROR_HOST_DOWN, windows.WSAENETDOWN,
		windows.WSAEADDRNOTAVAIL, // Windows has another code for a busy 4-tuple
		windows.WSAEACCES:        // the firewall forbids it
		return Unreachable
	case windows.WSAEADDRINUSE, windows.ERROR_DUP_NAME:
		return TupleBusy
	case windows.WSAETIMEDOUT, windows.ERROR_SEM_TIMEOUT:
		return TimedOut
	case windows.ERROR_OPERATION_ABORTED:
		return Canceled
	}
	return Other
}

// isPortTaken counts ports that Windows has set aside (WSAEACCES) as taken.
func isPortTaken(err error) bool {
	return isErrno(err, windows.WSAEADDRINUSE) || isErrno(err, windows.WSAEACCES)
}

// isFamilyMissing tells that the system has no IPv4, or no IPv6.
func isFamilyMissing(err error) bool { return isErrno(err, windows.WSAEAFNOSUPPORT) }
