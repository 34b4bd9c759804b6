package bodkin

import (
	"net"

	"github.com/bodkin-p2p/bodkin/internal/session"
)

// A Conn is one stream between two nodes. It is a net.Conn that can also be closed for writing alone. Any number of
// them share a session, and so a path.
type Conn struct {
	*session.Stream
	link *link
}

// Path returns the way the stream's bytes travel now.
func (c *Conn) Path() Path { return c.link.path }

// Peer returns the id of the node at the other end, which has proven it.
func (c *Conn) Peer() NodeID { return c.link.peer }

// PeerName returns the name of the node at the other end.
func (c *Conn) PeerName() string { return c.link.name }

// RemoteAddr returns an [Addr]; Path tells the transport address.
func (c *Conn) RemoteAddr() net.Addr {
	return Addr{Node: c.link.peer, Name: c.link.name, Service: c.Service()}
}

// An Addr is one end of a stream: a node and a service. Its network is "bodkin".
type Addr struct {
	Node    NodeID
	Name    string
	Service string // empty at the dialling end
}

// Network returns "bodkin".
func (a Addr) Network() string { return "bodkin" }

// String returns "name:service".
func (a Addr) String() string { return a.Name + ":" + a.Service }
