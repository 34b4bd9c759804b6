package reuseport

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func limitUnsent(raw syscall.RawConn, bytes int) error {
	return setOption(raw, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes)
	})
}
