package reuseport

import (
	"net"
	"time"
)

// Counts is what the kernel knows of the way of a connection's packets.
type Counts struct {
	RTT            time.Duration // smoothed; what waits in the sender's own buffer is not in it
	Sent, Repeated uint32        // packets with data that left, those that left again among them; both wrap around
}

// Counted returns the counts of c; false if the system does not tell, or c is not TCP. A layer with NetConn is looked through.
func Counted(c net.Conn) (Counts, bool) {
	tcp, ok := inner(c).(*net.TCPConn)
	if !ok {
		return Counts{}, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return Counts{}, false
	}
	return counted(raw)
}
