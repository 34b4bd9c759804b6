package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// An opening is a new connection to a main port, of which one byte has been read to tell what it is. Reading begins with that byte
// again. It also measures the round trip that every handshake has in it, so that one is known before the node's first ping.
type opening struct {
	net.Conn
	first []byte // not read again yet

	mu    sync.Mutex    // a wrapped relayed connection is read and written at once
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
	if _, err := io.ReadFull(nc, o.first); err != nil || o.first[0] != recordHandshake {
		return o, err
	}
	return o, o.readHello()
}

const (
	recordHandshake = 0x16    // the first byte of TLS (RFC 8446, section 5.1)
	recordMax       = 1 << 14 // bytes in a record that is not encrypted
)

// readHello takes in the first record of TLS, in which the client says which protocols it speaks.
func (o *opening) readHello() error {
	o.first = append(o.first, 0, 0, 0, 0)
	if _, err := io.ReadFull(o.Conn, o.first[1:]); err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint16(o.first[3:]))
	if length > recordMax {
		return errors.New("the first record is too long")
	}
	o.first = append(o.first, make([]byte, length)...)
	_, err := io.ReadFull(o.Conn, o.first[5:])
	return err
}

// isWrapped tells whether the connection is TLS around a relayed one. It looks for the protocol's name among what is not encrypted; TLS
// then makes sure that it is the one agreed on.
func (o *opening) isWrapped() bool {
	return o.first[0] == recordHandshake && bytes.Contains(o.first, []byte(wrappedName))
}

// wrappedName is the protocol as the client names it: behind its length (RFC 7301, section 3.1).
const wrappedName = string(rune(len(identity.RelayProtocol))) + identity.RelayProtocol

// isRelayed tells whether it is a relayed connection, and not TLS.
func (o *opening) isRelayed() bool { return o.first[0] == wire.PrefaceFirst }

func (o *opening) Read(b []byte) (int, error) {
	if len(o.first) > 0 && len(b) > 0 {
		n := copy(b, o.first)
		o.first = o.first[n:]
		return n, nil
	}
	n, err := o.Conn.Read(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sent.IsZero() {
		o.rtt, o.sent = max(o.rtt, time.Since(o.sent)), time.Time{}
	}
	return n, err
}

func (o *opening) Write(b []byte) (int, error) {
	o.leaves()
	return o.Conn.Write(b)
}

// leaves notes that something is written now.
func (o *opening) leaves() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.until.IsZero() {
		o.Conn.SetDeadline(o.until)
		o.until = time.Time{}
	}
	o.sent = time.Now()
}

// roundTrip is the round trip to the node, as the kernel saw it or else as the handshake did.
func (o *opening) roundTrip() time.Duration {
	if rtt := kernelRTT(o.Conn); rtt > 0 {
		return rtt
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rtt
}
