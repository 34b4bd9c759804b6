package reuseport

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func counted(raw syscall.RawConn) (counts Counts, ok bool) {
	raw.Control(func(fd uintptr) { // fails only for a closed connection, of which nothing is known
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Data_segs_out == 0 { // before Linux 4.6 it does not count, and a carrier has sent something
			return
		}
		counts = Counts{RTT: time.Duration(info.Rtt) * time.Microsecond, Sent: info.Data_segs_out, Repeated: info.Total_retrans}
		ok = true
	})
	return counts, ok
}
