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
	until time.Time     // the end of the time for the handshake, from its first answer on
	sent  time.Time     // when what was written last left, if nothing was read since
	rtt   time.Duration // the longest wait for an answer: tickets are sent while the client's flight is there already
}

// open reads the first byte. The connection has the time for a ClientHello until it is answered, which means that its ClientHello was whole.
func (s *Server) open(ctx context.Context, nc net.Conn) (*opening, error) {
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	now := time.Now()
	o := &opening{Conn: nc, first: make([]byte, 1), until: now.Add(s.limits.HandshakeTimeout)}
	nc.SetDeadline(now.Add(min(s.limits.HelloTimeout, s.limits.HandshakeTimeout)))
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
	if !o.until.IsZero() {
		o.Conn.SetDeadline(o.until)
		o.until = time.Time{}
	}
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
