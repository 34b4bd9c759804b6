//go:build !windows

package sockerr

import "syscall"

func classify(number syscall.Errno) meaning {
	switch number {
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return cut
	case syscall.ECONNREFUSED:
		return refused
	case syscall.EADDRINUSE:
		return inUse
	case syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT:
		return unsupported
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN:
		return unreachable
	case syscall.EADDRNOTAVAIL:
		return elsewhere
	}
	return other
}
