package punch

import "golang.org/x/sys/windows"

// What a connect says on this system when it is refused, cannot be routed, or finds its 4-tuple taken.
const (
	errnoRefused     = windows.WSAECONNREFUSED
	errnoUnreachable = windows.WSAEHOSTUNREACH
	errnoTupleBusy   = windows.WSAEADDRINUSE
)
