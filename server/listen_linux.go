package server

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// firstBytes is how long the kernel keeps a connection to itself that says nothing.
const firstBytes = 3 * time.Second

// awaitFirstBytes has the kernel hand over a connection only when its first bytes are there. All who connect to a main or hole port
// speak first, so nobody waits longer; and connections that say nothing take no place from nodes. Seen without it: 64 of them from
// each of 20 addresses kept every node out (internal/rendezvous/server Limits.Handshakes).
func awaitFirstBytes(_, _ string, raw syscall.RawConn) error {
	var err error
	outer := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, int(firstBytes/time.Second))
	})
	if outer != nil {
		return outer
	}
	return err
}
