package server

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// An opening is a new connection to a main port, of which one byte has been read to tell what it is. Reading begins with that byte
// again. It also measures the round trip that every handshake has in it, so that one is known before the node's first ping.
type opening struct {
	net.Conn
	first []byte        // not read again yet
	sent  time.Time     // when what was written last left, if nothing was read since
	rtt   time.Duration // the longest wait for an answer: tickets are sent while the client's flight is there already
}

// open reads the first byte, within the time for a handshake.
func (s *Server) open(ctx context.Context, nc net.Conn) (*opening, error) {
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	nc.SetDeadline(time.Now().Add(s.limits.HandshakeTimeout))
	o := &opening{Conn: nc, first: make([]byte, 1)}
	_, err := io.ReadFull(nc, o.first)
	return o, err
}

// isRelayed tells whether it is a relayed connection, and not TLS.
func (o *opening) isRelayed() bool { return o.first[0] == wire.PrefaceFirst }

func (o *opening) Read(b []byte) (int, error) {
	if len(o.first) > 0 && len(b) > 0 {
		n := copy(b, o.first)
		o.first = o.first[n:]
		return n, nil
	}
	n, err := o.Conn.Read(b)
	if !o.sent.IsZero() {
		o.rtt, o.sent = max(o.rtt, time.Since(o.sent)), time.Time{}
	}
	return n, err
}

func (o *opening) Write(b []byte) (int, error) {
	o.sent = time.Now()
	return o.Conn.Write(b)
}

// roundTrip is the round trip to the node, as the kernel saw it or else as the handshake did.
func (o *opening) roundTrip() time.Duration {
	if rtt := kernelRTT(o.Conn); rtt > 0 {
		return rtt
	}
	return o.rtt
}
