package punch

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// memNet makes connections in memory that behave as TCP ones do where it matters here: writing does not wait for the
// reader, bytes take time to arrive, and closing cuts the other end off. It knows every end, so that a test can ask
// which were left open. Its time is that of the synctest bubble.
type memNet struct {
	mu   sync.Mutex
	ends []*memConn
}

// pair is a connection whose bytes take delay each way.
func (n *memNet) pair(a, b netip.AddrPort, delay time.Duration) (*memConn, *memConn) {
	ab, ba := newLane(delay), newLane(delay)
	x := &memConn{local: a, remote: b, in: ba, out: ab}
	y := &memConn{local: b, remote: a, in: ab, out: ba}
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

// memConn is one end.
type memConn struct {
	local, remote netip.AddrPort
	in, out       *lane
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *memConn) LocalAddr() net.Addr         { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr        { return net.TCPAddrFromAddrPort(c.remote) }

func (c *memConn) Close() error {
	c.in.closeReader()
	c.out.closeWriter()
	return nil
}

func (c *memConn) isClosed() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.readerGone
}

func (c *memConn) SetDeadline(t time.Time) error     { return c.SetReadDeadline(t) }
func (c *memConn) SetWriteDeadline(time.Time) error  { return nil } // writing never waits
func (c *memConn) SetReadDeadline(t time.Time) error { c.in.setDeadline(t); return nil }

// lane carries bytes one way.
type lane struct {
	delay time.Duration

	mu         sync.Mutex
	segments   []segment
	readerGone bool
	writerGone bool
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
		if l.readerGone || l.writerGone {
			err = syscall.EPIPE
			return
		}
		n = len(b)
		l.segments = append(l.segments, segment{time.Now().Add(l.delay), append([]byte{}, b...)})
	})
	return n, err
}

func (l *lane) closeWriter() {
	l.change(func() {
		if !l.writerGone {
			l.writerGone = true
			l.segments = append(l.segments, segment{arrives: time.Now().Add(l.delay)})
		}
	})
}

func (l *lane) closeReader()            { l.change(func() { l.readerGone = true }) }
func (l *lane) setDeadline(t time.Time) { l.change(func() { l.deadline = t }) }

func (l *lane) read(b []byte) (int, error) {
	for {
		n, retry, err := l.tryRead(b)
		if retry == nil {
			return n, err
		}
		retry()
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
	case !l.deadline.IsZero() && !l.deadline.After(now):
		return 0, nil, os.ErrDeadlineExceeded
	}
	for len(l.segments) > 0 && n < len(b) && !l.segments[0].arrives.After(now) {
		head := &l.segments[0]
		if head.bytes == nil {
			break
		}
		read := copy(b[n:], head.bytes)
		n += read
		if head.bytes = head.bytes[read:]; len(head.bytes) == 0 {
			l.segments = l.segments[1:]
		}
	}
	if n > 0 || len(b) == 0 {
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
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-changed:
		case <-timer:
		}
	}, nil
}
