package relay

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// reasonTimeout is how long a broken connection waits for the server's word why, which comes by the main connection: sent
// first, but on another path.
const reasonTimeout = time.Second

// A Conn is a node's end of a relayed connection. Its first Read waits for the other node. When the server refuses or ends it, or is
// gone, the error of Read and Write is a *[StatusError].
type Conn struct {
	net.Conn                         // to the server
	over     <-chan wire.RelayStatus // what the server says of the end, on the main connection
	joined   bool                    // the server has answered. Guarded by the only reader
	asking   chan struct{}           // held by who finds out the reason, which takes time: a channel, as no test's clock waits for a mutex
	reason   error                   // guarded by asking
	closing  sync.Once
	atEnd    func() // called when it is closed first; nil: nothing
	closed   chan struct{}
}

// Enter says hello on a connection to the server's main port, and returns the connection to the other node, on which bytes can be
// sent at once. over gives the reason for the end if the server tells one; nil means that errors stay as they are. On an error conn is closed.
func Enter(conn net.Conn, hello wire.RelayHello, over <-chan wire.RelayStatus) (*Conn, error) {
	if _, err := conn.Write(hello.Append(nil)); err != nil {
		conn.Close()
		return nil, err
	}
	return &Conn{Conn: conn, over: over, asking: make(chan struct{}, 1), closed: make(chan struct{})}, nil
}

// AtEnd has a function called when the connection is closed, once. It is to be set before the connection is used.
func (c *Conn) AtEnd(do func()) { c.atEnd = do }

// Read reads from the other node. Only one goroutine may read until the first byte has come.
func (c *Conn) Read(b []byte) (int, error) {
	if !c.joined {
		if err := c.readStatus(); err != nil {
			return 0, err
		}
		c.joined = true
	}
	n, err := c.Conn.Read(b)
	return n, c.explain(err)
}

// Write writes to the other node.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		if c.atEnd != nil {
			c.atEnd()
		}
	})
	return c.Conn.Close()
}

// NetConn is the connection to the server, for socket options.
func (c *Conn) NetConn() net.Conn { return c.Conn }

func (c *Conn) readStatus() error {
	var b [1]byte
	if n, err := c.Conn.Read(b[:]); n == 0 {
		return c.explain(err)
	}
	if status := wire.RelayStatus(b[0]); status != ready {
		return &StatusError{Status: status}
	}
	return nil
}

// explain gives an error the reason that the server tells. Without one the server itself is gone. Between nodes no bytes end
// without a word inside their TLS, so even io.EOF is a break.
func (c *Conn) explain(err error) error {
	if err == nil || c.over == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.asking <- struct{}{} // one asks, the other waits for what it hears
	defer func() { <-c.asking }()
	if c.reason != nil {
		return c.reason
	}
	patience := time.NewTimer(reasonTimeout)
	defer patience.Stop()
	select {
	case status := <-c.over:
		c.reason = &StatusError{Status: status, Err: err}
	case <-patience.C:
		c.reason = &StatusError{Err: err}
	case <-c.closed:
		c.reason = net.ErrClosed
	}
	return c.reason
}
