package mux

import (
	"io"
	"net"
	"sync"
	"time"
)

// A link is one direction of a path: bytes come out delay after they went in, at most rate of them a second.
// What is on the way and in the sender's buffer is bounded, as it is for a TCP connection.
type link struct {
	delay time.Duration
	rate  float64 // bytes a second; zero means unlimited
	limit int     // bytes written and not yet read

	mu     sync.Mutex
	change sync.Cond // broadcast after each change of the fields below
	chunks []chunk
	queued int
	free   time.Time // when the last byte has left the sender
	closed bool
}

type chunk struct {
	data []byte
	due  time.Time
}

func newLink(delay time.Duration, rate float64) *link {
	bandwidthDelay := int(rate * 2 * delay.Seconds())
	l := &link{delay: delay, rate: rate, limit: max(4<<20, 2*bandwidthDelay)}
	if rate == 0 && delay > 0 {
		l.limit = 1 << 30 // only the multiplexer's own window limits
	}
	l.change.L = &l.mu
	return l
}

func (l *link) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.queued >= l.limit && !l.closed {
		l.change.Wait()
	}
	if l.closed {
		return 0, io.ErrClosedPipe
	}
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	if l.rate > 0 {
		l.free = l.free.Add(time.Duration(float64(len(b)) / l.rate * float64(time.Second)))
	}
	l.chunks = append(l.chunks, chunk{append([]byte(nil), b...), l.free.Add(l.delay)})
	l.queued += len(b)
	l.change.Broadcast()
	return len(b), nil
}

func (l *link) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.closed {
			return 0, io.EOF
		}
		if len(l.chunks) == 0 {
			l.change.Wait()
			continue
		}
		if wait := time.Until(l.chunks[0].due); wait > 0 {
			wake := time.AfterFunc(wait, l.wake)
			l.change.Wait()
			wake.Stop()
			continue
		}
		c := &l.chunks[0]
		n := copy(b, c.data)
		if c.data = c.data[n:]; len(c.data) == 0 {
			l.chunks = l.chunks[1:]
		}
		l.queued -= n
		l.change.Broadcast()
		return n, nil
	}
}

// wake takes the lock, so that it can't come between a reader's look at the clock and its wait.
func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change.Broadcast()
}

func (l *link) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.change.Broadcast()
	return nil
}

// An end is one end of a path made of two links. It keeps no deadlines: nothing here depends on them.
type end struct {
	io.Reader
	io.Writer
	in, out *link
}

// path returns the two ends of a path with the given round trip and rate in bytes a second (zero: unlimited).
func path(rtt time.Duration, rate float64) (net.Conn, net.Conn) {
	there, back := newLink(rtt/2, rate), newLink(rtt/2, rate)
	return &end{back, there, back, there}, &end{there, back, there, back}
}

func (e *end) Close() error {
	e.in.Close()
	return e.out.Close()
}

func (e *end) LocalAddr() net.Addr              { return &net.IPAddr{} }
func (e *end) RemoteAddr() net.Addr             { return &net.IPAddr{} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
