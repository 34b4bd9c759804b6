package reuseport

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// crossedEvery is how often a socket in SYN_SENT is looked at.
const crossedEvery = 3 * time.Millisecond

// tcpSynSent is TCP_SYN_SENT of the kernel's states.
const tcpSynSent = 2

// watch looks at a socket until it is no longer in SYN_SENT, ctx ends, or the dial is to begin anew.
func (c *crossing) watch(ctx context.Context, socket syscall.RawConn) {
	tick := time.NewTicker(crossedEvery)
	defer tick.Stop()
	for !c.over() {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			var info *unix.TCPInfo
			var err error
			failed := socket.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
			if failed != nil || err != nil || info.State != tcpSynSent {
				return
			}
			c.look(info.Segs_in, now)
		}
	}
}
