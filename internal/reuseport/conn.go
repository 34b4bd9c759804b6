package reuseport

import (
	"errors"
	"math"
	"net"
	"os"
	"syscall"
	"time"
)

// Abort closes c with a reset instead of an orderly end, so that its pair of
// addresses and ports can be used again at once instead of after TIME_WAIT (60 s
// on Linux). What was not yet sent, or not yet read by the other end, is lost, and
// NATs on the way forget the mapping of this pair. It is for losers of a punch and
// for hole connections. A layer with NetConn, such as *tls.Conn, is looked through.
// A connection that is not TCP is just closed.
func Abort(c net.Conn) error {
	tcp, ok := inner(c).(*net.TCPConn)
	if !ok {
		return c.Close()
	}
	return errors.Join(tcp.SetLinger(0), tcp.Close())
}

// SetUserTimeout makes the kernel give up on c when data it has sent stays without
// acknowledgment for d. That finds a dead mapping sooner than keepalive does when
// there is something to send. Linux counts milliseconds; macOS and Windows count
// seconds, and d is rounded up; other systems have no such option and nothing
// happens. Zero means the system's default. A layer with NetConn, such as
// *tls.Conn, is looked through. The error matches [errors.ErrUnsupported] if c is
// not TCP.
func SetUserTimeout(c net.Conn, d time.Duration) error {
	tcp, ok := inner(c).(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return setUserTimeout(raw, d)
}

// inner returns the connection below all layers that show theirs.
func inner(c net.Conn) net.Conn {
	for {
		layer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = layer.NetConn()
	}
}

// setOption calls set with the connection's descriptor.
func setOption(raw syscall.RawConn, set func(fd uintptr) error) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = os.NewSyscallError("setsockopt", set(fd)) })
	return errors.Join(err, failed)
}

// roundUp returns d in whole units, never less than d and at most what a socket
// option holds.
func roundUp(d, unit time.Duration) int {
	n := (d + unit - 1) / unit
	return int(max(0, min(n, math.MaxInt32)))
}
