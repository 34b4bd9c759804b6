package server

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// kernelRTT is the lowest round trip that the kernel has seen on nc; 0 if it has seen none. Unlike what this process measures, it has
// no waiting for a processor in it.
func kernelRTT(nc net.Conn) (rtt time.Duration) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.Min_rtt != 1<<32-1 { // which stands for none
			rtt = time.Duration(info.Min_rtt) * time.Microsecond
		}
	})
	return rtt
}
