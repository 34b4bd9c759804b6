package relay

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

// saidMax is how much is kept to be said again: a preface and a ClientHello are 2 KiB. More is not written before the other side is there.
const saidMax = 16 << 10

// An again is a connection that is made a second time, in another way, if it is cut before anything came back on it: what was written
// until then is written again. There are boxes that reset a connection when its first bytes are of no protocol that they know.
type again struct {
	redial func() (net.Conn, error)

	mu       sync.Mutex
	conn     net.Conn
	open     bool   // nothing has come back yet, and it was not made again
	said     []byte // while open
	closed   bool
	deadline struct{ read, write time.Time }
}

// Again returns a connection that goes over conn, or over what redial returns if conn is cut before anything has come back on it. What
// was written by then is written again. redial is called once, if at all, by the reader.
func Again(conn net.Conn, redial func() (net.Conn, error)) net.Conn { return newAgain(conn, redial) }

func newAgain(conn net.Conn, redial func() (net.Conn, error)) *again {
	return &again{conn: conn, redial: redial, open: true}
}

// Read reads. One goroutine at a time may read until something has come.
func (a *again) Read(b []byte) (int, error) {
	conn, open := a.now()
	n, err := conn.Read(b)
	if !open {
		return n, err
	}
	if n == 0 && sockerr.IsCut(err) {
		if conn, err = a.replace(); err != nil {
			return 0, err
		}
		return conn.Read(b)
	}
	if n > 0 {
		a.mu.Lock()
		a.open, a.said = false, nil
		a.mu.Unlock()
	}
	return n, err
}

// Write writes. What is cut now shows to the reader.
func (a *again) Write(b []byte) (int, error) {
	a.mu.Lock()
	conn, keep := a.conn, a.open && len(a.said)+len(b) <= saidMax
	if keep {
		a.said = append(a.said, b...)
	}
	a.mu.Unlock()
	n, err := conn.Write(b)
	if keep && sockerr.IsCut(err) {
		return len(b), nil
	}
	return n, err
}

// replace makes the connection again and says what was said.
func (a *again) replace() (net.Conn, error) {
	conn, err := a.redial()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	conn.SetReadDeadline(a.deadline.read)
	conn.SetWriteDeadline(a.deadline.write)
	if _, err := conn.Write(a.said); err != nil { // a few KiB, which fit the send buffer
		conn.Close()
		return nil, err
	}
	a.conn.Close()
	a.conn, a.open, a.said = conn, false, nil
	return conn, nil
}

// now is the connection, and whether it may be made again.
func (a *again) now() (conn net.Conn, open bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conn, a.open
}

func (a *again) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	return a.conn.Close()
}

// CloseWrite ends this direction, if the connection has two ends.
func (a *again) CloseWrite() error {
	conn, _ := a.now()
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn is the connection below, for socket options.
func (a *again) NetConn() net.Conn { conn, _ := a.now(); return conn }

func (a *again) LocalAddr() net.Addr  { conn, _ := a.now(); return conn.LocalAddr() }
func (a *again) RemoteAddr() net.Addr { conn, _ := a.now(); return conn.RemoteAddr() }

func (a *again) SetDeadline(t time.Time) error {
	return errors.Join(a.SetReadDeadline(t), a.SetWriteDeadline(t))
}

func (a *again) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline.read = t
	return a.conn.SetReadDeadline(t)
}

func (a *again) SetWriteDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline.write = t
	return a.conn.SetWriteDeadline(t)
}
