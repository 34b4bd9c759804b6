package reuseport

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func setUserTimeout(raw syscall.RawConn, d time.Duration) error {
	return setOption(raw, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, roundUp(d, time.Millisecond))
	})
}
