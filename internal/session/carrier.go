package session

import (
	"net"
	"sync"
)

// A carrier remembers the first error of a connection, which tells a lost carrier from a peer that breaks the protocol.
type carrier struct {
	net.Conn

	mu  sync.Mutex
	err error // guarded by mu
}

func (c *carrier) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.note(err)
}

func (c *carrier) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.note(err)
}

func (c *carrier) note(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	return err
}

func (c *carrier) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
