package session

import (
	"net"
	"sync"
)

// A carrier remembers the first error of a connection that is not the consequence of closing it here. That tells a lost
// carrier from a peer that breaks the protocol.
type carrier struct {
	net.Conn

	mu     sync.Mutex // guards what follows
	closed bool
	err    error
}

func (c *carrier) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.note(err)
}

func (c *carrier) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.note(err)
}

func (c *carrier) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *carrier) note(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && !c.closed {
		c.err = err
	}
	return err
}

func (c *carrier) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
