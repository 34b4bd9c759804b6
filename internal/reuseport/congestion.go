package reuseport

import (
	"net"
	"strings"
	"time"
)

// DistrustRoundTrip keeps a false first measurement from slowing c down, where the
// system's congestion control would believe it. It returns the algorithm it changed
// to, "" if c needs no change. roundTrip is a round trip measured on c by other means,
// a TLS handshake for instance; too long does no harm.
//
// In a simultaneous open whose SYNs left d apart, the kernel of the earlier side
// measures one way minus d as its first round trip, since it counts from its SYN+ACK to
// the answer to its SYN. BBR takes the least round trip of 10 s for the path's and lets no more
// into the network than fits twice into it: measured at 50 ms round trip, 16 MiB took 11.8 s instead
// of 0.7 s with the SYNs 10 ms apart (TestAFalseRoundTripDoesNotSlowTheConnection;
// docs/decisions/0029). Algorithms that go by loss (Reno, Cubic) did not mind.
//
// A layer with NetConn, such as *tls.Conn, is looked through. Only Linux lets a
// program choose; elsewhere, and for c that is not TCP, nothing happens.
func DistrustRoundTrip(c net.Conn, roundTrip time.Duration) (changed string, err error) {
	tcp, ok := inner(c).(*net.TCPConn)
	if !ok {
		return "", nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return "", err
	}
	return distrustRoundTrip(raw, roundTrip)
}

// isMisled tells whether an algorithm that saw least as its least round trip holds a path
// of roundTrip to a small part of what it carries. BBR allows two round trips' worth, so
// half of the true one is enough for it.
func isMisled(algorithm string, least, roundTrip time.Duration) bool {
	return goesByRoundTrip(algorithm) && 2*least < roundTrip
}

// goesByRoundTrip tells whether a congestion control algorithm of Linux compares with the
// least round trip it has seen.
func goesByRoundTrip(algorithm string) bool {
	switch algorithm {
	case "vegas", "westwood", "yeah", "veno", "nv", "lp", "cdg", "illinois":
		return true
	}
	return strings.HasPrefix(algorithm, "bbr")
}
