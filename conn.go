package bodkin

import (
	"io"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/session"
)

// A Conn is one stream between two nodes: a net.Conn that can also be closed for writing alone. Any number of them share
// a session, and so a path. Its methods are safe for concurrent use. Whoever dialled or accepted it must close it.
type Conn struct {
	stream *session.Stream
	link   *link
}

var _ net.Conn = (*Conn)(nil)

// Read reads what the peer wrote, and returns io.EOF behind the last byte once the peer has closed for writing. On a
// dialled Conn whose service nobody listens on it returns [ErrServiceUnknown]; if the listener refused or is full, an
// error with its words.
func (c *Conn) Read(p []byte) (int, error) { return c.stream.Read(p) }

// WriteTo writes to w what the peer writes, until its end. It saves [io.Copy] a buffer and a copy.
func (c *Conn) WriteTo(w io.Writer) (int64, error) { return c.stream.WriteTo(w) }

// Write writes to the peer. It may succeed before the peer has accepted the stream; a refusal comes with a later Write,
// or with Read.
func (c *Conn) Write(p []byte) (int, error) { return c.stream.Write(p) }

// CloseWrite tells the peer that nothing more comes. Reading goes on.
func (c *Conn) CloseWrite() error { return c.stream.CloseWrite() }

// Close ends both directions. What was written still reaches the peer. It may be called twice, and interrupts Read and
// Write.
func (c *Conn) Close() error { return c.stream.Close() }

// Abort ends both directions at once, as a TCP reset does: what was not yet read is lost, and the peer sees an error
// instead of an end.
func (c *Conn) Abort() error { return c.stream.Abort() }

// Refuse closes a stream that was accepted, and gives the dialer reason as the error of its Read.
func (c *Conn) Refuse(reason string) error { return c.stream.Refuse(session.ErrRefused, reason) }

// SetDeadline sets until when Read and Write may wait, those at work too. The zero time means for ever. Past it they
// return os.ErrDeadlineExceeded.
func (c *Conn) SetDeadline(t time.Time) error { return c.stream.SetDeadline(t) }

// SetReadDeadline is SetDeadline for Read alone.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.stream.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for Write alone.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }

// Path returns the way the stream's bytes travel now. It changes when the session moves to another connection, and is the
// zero Path while the session waits for one.
func (c *Conn) Path() Path { return c.link.path() }

// ConnStats are the figures of a stream and of its session.
type ConnStats struct {
	BytesIn, BytesOut uint64 // of this stream, as read and written

	SessionIn, SessionOut uint64        // of all streams of the session
	Repeated              uint64        // bytes that the session sent again because their connection was lost
	Unacknowledged        int           // bytes that the session keeps because the peer may not have them
	RTT                   time.Duration // of the connection in use, last measured; zero: not yet, or none
	Connections           int           // by so many this node's bytes travel now: see Config.Connections; zero while the session waits for one
}

// Stats returns the figures of the stream and its session.
func (c *Conn) Stats() ConnStats {
	in, out := c.stream.Counts()
	all, line := c.link.session.Stats(), c.link.line.Stats()
	rtt := line.RTT
	if rtt == 0 {
		rtt = all.RTT
	}
	return ConnStats{
		BytesIn: in, BytesOut: out, SessionIn: all.BytesIn, SessionOut: all.BytesOut,
		Repeated: line.Repeated, Unacknowledged: line.Unacknowledged, RTT: rtt, Connections: line.Carriers,
	}
}

// Service returns the name that was dialled.
func (c *Conn) Service() string { return c.stream.Service() }

// Peer returns the id of the node at the other end, which has proven it.
func (c *Conn) Peer() NodeID { return c.link.peer }

// PeerName returns the name of the node at the other end.
func (c *Conn) PeerName() string { return c.link.name }

// LocalAddr returns an [Addr] of this node; Path tells the transport address.
func (c *Conn) LocalAddr() net.Addr { return c.link.local }

// RemoteAddr returns an [Addr] of the peer; Path tells the transport address.
func (c *Conn) RemoteAddr() net.Addr {
	return Addr{Node: c.link.peer, Name: c.link.name, Service: c.Service()}
}

// An Addr is one end of a stream: a node and a service. Its network is "bodkin".
type Addr struct {
	Node    NodeID
	Name    string
	Service string // empty at this node's end
}

// Network returns "bodkin".
func (a Addr) Network() string { return "bodkin" }

// String returns "name:service", or the name alone.
func (a Addr) String() string {
	if a.Service == "" {
		return a.Name
	}
	return a.Name + ":" + a.Service
}
