//go:build unix

package punch

import "syscall"

// What a connect says on this system when it is refused, cannot be routed, or finds its 4-tuple taken.
const (
	errnoRefused     = syscall.ECONNREFUSED
	errnoUnreachable = syscall.EHOSTUNREACH
	errnoTupleBusy   = syscall.EADDRNOTAVAIL
)
