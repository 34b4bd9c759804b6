package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Pair makes a connection between two addresses, without a network, whose bytes take delay each way.
func Pair(a, b netip.AddrPort, delay time.Duration) (atA, atB net.Conn) {
	there, back := newLane(delay), newLane(delay)
	return &conn{tuple: tuple{a, b}, in: back, out: there}, &conn{tuple: tuple{b, a}, in: there, out: back}
}

// A conn is one end of a connection.
type conn struct {
	host *Host // nil: of a Pair
	tuple
	peer    *conn
	in, out *lane

	// Guarded by host.network.mu.
	closed bool
	used   time.Time // when something was sent last
}

func (c *conn) Read(b []byte) (int, error)    { return c.in.read(b) }
func (c *conn) LocalAddr() net.Addr           { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr          { return net.TCPAddrFromAddrPort(c.remote) }
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.deadline = t })
	return nil
}
func (c *conn) SetWriteDeadline(time.Time) error { return nil } // writing never waits
func (c *conn) CloseWrite() error                { c.out.end(); return nil }

// Write sends, unless the network has forgotten the connection.
func (c *conn) Write(b []byte) (int, error) {
	c.touch()
	return c.out.write(b)
}

// touch notes that something is sent, which may be too late.
func (c *conn) touch() {
	if c.host == nil {
		return
	}
	c.host.network.mu.Lock()
	defer c.host.network.mu.Unlock()
	now := time.Now()
	for _, idle := range []time.Duration{c.host.idle, c.peer.host.idle} {
		if idle > 0 && now.Sub(c.used) > idle && now.Sub(c.peer.used) > idle {
			c.silence()
			c.peer.silence()
		}
	}
	c.used = now
}

// Close ends the connection: the other end reads what is on the way, and then io.EOF.
func (c *conn) Close() error {
	if c.host != nil {
		c.host.network.mu.Lock()
		c.drop()
		c.host.network.mu.Unlock()
	}
	c.in.change(func() { c.in.readerGone = true })
	c.out.end()
	return nil
}

// drop forgets the end, whose addresses are free at once. The caller holds the network's mu.
func (c *conn) drop() {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.host.conns, c.tuple)
	c.host.network.open--
}

// silence has everything that is sent from now on be lost.
func (c *conn) silence() { c.out.change(func() { c.out.lost = true }) }

// reset fails reading and writing at this end.
func (c *conn) reset() {
	c.in.change(func() { c.in.broken = true })
	c.out.change(func() { c.out.broken = true })
}

// A lane carries bytes one way.
type lane struct {
	delay time.Duration

	mu         sync.Mutex
	segments   []segment
	readerGone bool
	ended      bool
	lost       bool
	broken     bool
	deadline   time.Time
	changed    chan struct{} // closed and replaced at each change
}

type segment struct {
	arrives time.Time
	bytes   []byte // nil: the end
}

func newLane(delay time.Duration) *lane { return &lane{delay: delay, changed: make(chan struct{})} }

// change does what is to be done under the lock and wakes the reader.
func (l *lane) change(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lane) write(b []byte) (n int, err error) {
	l.change(func() {
		switch {
		case l.ended:
			err = net.ErrClosed
		case l.broken:
			err = syscall.ECONNRESET
		case l.lost:
			n = len(b)
		case l.readerGone:
			err = syscall.EPIPE
		default:
			n = len(b)
			l.segments = append(l.segments, segment{time.Now().Add(l.delay), append([]byte{}, b...)})
		}
	})
	return n, err
}

// end is the writer's last word.
func (l *lane) end() {
	l.change(func() {
		if !l.ended && !l.lost {
			l.segments = append(l.segments, segment{arrives: time.Now().Add(l.delay)})
		}
		l.ended = true
	})
}

func (l *lane) read(b []byte) (int, error) {
	for {
		n, wait, err := l.tryRead(b)
		if wait == nil {
			return n, err
		}
		wait()
	}
}

// tryRead reads what has arrived; else it returns what to wait with.
func (l *lane) tryRead(b []byte) (n int, wait func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.readerGone:
		return 0, nil, net.ErrClosed
	case l.broken:
		return 0, nil, syscall.ECONNRESET
	case !l.deadline.IsZero() && !l.deadline.After(now):
		return 0, nil, os.ErrDeadlineExceeded
	case len(b) == 0:
		return 0, nil, nil
	}
	for len(l.segments) > 0 && n < len(b) && !l.segments[0].arrives.After(now) {
		head := &l.segments[0]
		if head.bytes == nil {
			break
		}
		taken := copy(b[n:], head.bytes)
		n += taken
		if head.bytes = head.bytes[taken:]; len(head.bytes) == 0 {
			l.segments = l.segments[1:]
		}
	}
	if n > 0 {
		return n, nil, nil
	}
	next := l.deadline
	if len(l.segments) > 0 {
		arrives := l.segments[0].arrives
		if !arrives.After(now) {
			return 0, nil, io.EOF
		}
		if next.IsZero() || arrives.Before(next) {
			next = arrives
		}
	}
	changed := l.changed
	return 0, func() {
		if next.IsZero() {
			<-changed
			return
		}
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		select {
		case <-changed:
		case <-timer.C:
		}
	}, nil
}
