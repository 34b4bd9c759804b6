package punch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A link is one open connection on its way to be the winner. Until it is kept its Close is a reset, whoever calls it (the
// TLS handshake does when its context ends): an orderly end would hold the 4-tuple for a minute (TIME_WAIT), and the
// next round would find it busy.
//
// It checks and takes away the preface of the other end before the first byte is read, so that a client's TLS need not
// wait for it before it speaks.
type link struct {
	net.Conn // the TCP connection
	attempt  wire.AttemptID
	ready    bool // the other end's preface is read. Guarded by its only reader.
	refused  error
	kept     atomic.Bool
}

// newLink takes over a connection. If it was accepted, its preface has been read.
func newLink(c net.Conn, attempt wire.AttemptID, accepted bool) *link {
	return &link{Conn: c, attempt: attempt, ready: accepted}
}

var errOtherAttempt = errors.New("the preface names another attempt")

// An OtherAttemptError tells of a node that is busy with something else, and with what.
type OtherAttemptError struct{ Attempt wire.AttemptID }

// Error does not name the attempt, which says nothing to people.
func (e *OtherAttemptError) Error() string { return errOtherAttempt.Error() }

// Unwrap is the same for all attempts.
func (e *OtherAttemptError) Unwrap() error { return errOtherAttempt }

// verify sends our preface and has the peer proven, all within timeout.
func (l *link) verify(ctx context.Context, timeout time.Duration, prove func(context.Context, net.Conn) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := l.Write(wire.Preface{Attempt: l.attempt}.Append(nil)); err != nil {
		return nil, fmt.Errorf("send preface: %w", err)
	}
	return prove(ctx, l)
}

// Read reads what follows the preface. One goroutine at a time may read until the preface has come.
func (l *link) Read(b []byte) (int, error) {
	if !l.ready {
		if l.refused == nil {
			l.refused = l.readPreface()
		}
		if l.refused != nil {
			return 0, l.refused
		}
		l.ready = true
	}
	return l.Conn.Read(b)
}

func (l *link) readPreface() error {
	var b [wire.PrefaceLen]byte
	if _, err := io.ReadFull(l.Conn, b[:]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	preface, err := wire.ParsePreface(b[:])
	if err != nil {
		return err
	}
	if preface.Attempt != l.attempt {
		return &OtherAttemptError{preface.Attempt}
	}
	return nil
}

// Close closes the connection: with a reset unless it is kept.
func (l *link) Close() error {
	if l.kept.Load() {
		return l.Conn.Close()
	}
	return reuseport.Abort(l.Conn)
}

// keep makes Close an orderly one.
func (l *link) keep() { l.kept.Store(true) }

// Plain is the TCP connection, which gives what the link gives once the preface is taken away.
func (l *link) Plain() net.Conn { return l.Conn }

// NetConn is the TCP connection, for socket options.
func (l *link) NetConn() net.Conn { return l.Conn }

// writeNomination tells the callee that conn is the one. It does not wait: the few bytes fit the send buffer.
func writeNomination(conn net.Conn, attempt wire.AttemptID) error {
	return wire.Write(conn, &wire.Nominate{Attempt: attempt[:]})
}

// readNomination waits until the dialer nominates conn. It takes no byte more.
func readNomination(conn net.Conn, attempt wire.AttemptID) error {
	var m wire.Nominate
	if err := wire.Read(wire.Exactly(conn), &m); err != nil {
		return err
	}
	if !bytes.Equal(m.Attempt, attempt[:]) {
		return errors.New("the nomination names another attempt")
	}
	return nil
}

// Greet sends our preface on a connection of an attempt that needs no Run: there is but one way to the peer, which is expected. What it
// returns takes away the preface of the other end, if the connection was not accepted, and is closed with a reset until keep is called. If Greet
// fails, it has closed the connection.
func Greet(c net.Conn, attempt wire.AttemptID, accepted bool) (greeted net.Conn, keep func(), err error) {
	l := newLink(c, attempt, accepted)
	if _, err := l.Write(wire.Preface{Attempt: attempt}.Append(nil)); err != nil { // a few bytes, which fit the send buffer
		l.Close()
		return nil, nil, fmt.Errorf("send preface: %w", err)
	}
	return l, l.keep, nil
}
