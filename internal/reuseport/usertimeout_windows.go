package reuseport

import (
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

func setUserTimeout(raw syscall.RawConn, d time.Duration) error {
	return setOption(raw, func(fd uintptr) error {
		return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, windows.TCP_MAXRT, roundUp(d, time.Second))
	})
}
