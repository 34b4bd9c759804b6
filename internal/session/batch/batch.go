// Package batch is a connection that makes fewer and larger system calls.
//
// A crypto/tls connection writes each record of 16 KiB by itself, and reads little more than a record at a time. Between it and its
// socket a [Conn] gathers what is written between Cork and Uncork into one write of up to 128 KiB, and reads as much at once while
// there is as much to read. Without Cork every write goes out at once, and small reads are not delayed.
package batch

import (
	"net"
	"sync"
)

// size is the most that is written or read at once: past it nothing is gained.
const size = 128 << 10

// buffers are shared by all connections: an idle one holds none.
var buffers = sync.Pool{New: func() any { return new([size]byte) }}

// A Conn is a connection that gathers. Its methods are as safe for concurrent use as those of the connection below, but for Cork and
// Uncork, which belong to whoever writes.
type Conn struct {
	net.Conn

	reading sync.Mutex // guards what follows
	in      *[size]byte
	unread  []byte // in in
	busy    bool   // the last read filled what it was given
	onWait  func()

	writing sync.Mutex // guards what follows
	corked  bool
	out     *[size]byte
	held    int // bytes in out
}

// New makes a gathering connection of conn, which belongs to it.
func New(conn net.Conn) *Conn { return &Conn{Conn: conn} }

// NetConn returns the connection below, as crypto/tls's does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// OnWait has f called before each read of the connection below: what Read has given by then is all there is for now.
func (c *Conn) OnWait(f func()) {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.onWait = f
}

// Read reads what is there. While the peer sends much, it reads up to 128 KiB ahead.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(c.unread) > 0 {
		return c.take(p), nil
	}
	if c.onWait != nil {
		c.onWait()
	}
	if !c.busy || len(p) >= size {
		n, err := c.Conn.Read(p)
		c.busy = n == len(p) && n >= 1<<10
		return n, err
	}
	c.in = buffers.Get().(*[size]byte)
	n, err := c.Conn.Read(c.in[:])
	c.unread = c.in[:n]
	c.busy = n >= size/2
	if n > 0 {
		err = nil // comes again with the next read
	}
	return c.take(p), err
}

// take copies from what was read ahead, and gives the buffer back with the last byte.
func (c *Conn) take(p []byte) int {
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 && c.in != nil {
		buffers.Put(c.in)
		c.in, c.unread = nil, nil
	}
	return n
}

// Write writes, or while corked keeps.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.corked {
		return c.Conn.Write(p)
	}
	for wrote := 0; ; {
		if c.out == nil {
			c.out = buffers.Get().(*[size]byte)
		}
		n := copy(c.out[c.held:], p[wrote:])
		c.held += n
		if wrote += n; wrote == len(p) {
			return wrote, nil
		}
		if err := c.flush(); err != nil {
			return wrote, err
		}
	}
}

// Cork keeps what is written from now on until Uncork, or until there are 128 KiB of it.
func (c *Conn) Cork() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.corked = true
}

// Uncork writes what was kept.
func (c *Conn) Uncork() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.corked = false
	return c.flush()
}

func (c *Conn) flush() error {
	if c.out == nil {
		return nil
	}
	_, err := c.Conn.Write(c.out[:c.held])
	buffers.Put(c.out)
	c.out, c.held = nil, 0
	return err
}
