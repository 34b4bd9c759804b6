package punch

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/memnet"
)

// memNet makes connections in memory, and knows every end, so that a test can ask which were left open.
type memNet struct {
	mu   sync.Mutex
	ends []*memConn
}

// pair is a connection whose bytes take delay each way.
func (n *memNet) pair(a, b netip.AddrPort, delay time.Duration) (*memConn, *memConn) {
	atA, atB := memnet.Pair(a, b, delay)
	x, y := &memConn{Conn: atA, local: a}, &memConn{Conn: atB, local: b}
	x.peer, y.peer = y, x
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends = append(n.ends, x, y)
	return x, y
}

// stillOpen is the ends that nobody has closed, besides those given.
func (n *memNet) stillOpen(but ...net.Conn) []*memConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var open []*memConn
	for _, end := range n.ends {
		kept := false
		for _, b := range but {
			kept = kept || b == end
		}
		if !kept && !end.isClosed() {
			open = append(open, end)
		}
	}
	return open
}

// memConn is one end, which knows what was said there and whether it was closed.
type memConn struct {
	net.Conn
	local netip.AddrPort
	peer  *memConn

	mu     sync.Mutex // guards the following
	said   []byte
	closed bool
}

func (c *memConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, b[:n]...)
	return n, err
}

func (c *memConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.Conn.Close()
}

func (c *memConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
