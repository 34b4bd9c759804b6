package main

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// A tally counts connections.
type tally struct{ open, total atomic.Int64 }

func (t *tally) begin() (end func()) {
	t.open.Add(1)
	t.total.Add(1)
	return sync.OnceFunc(func() { t.open.Add(-1) })
}

// A countedListener hands out the streams of a service for which it is, and refuses the others.
type countedListener struct {
	service *service
	ledger  *control.Ledger
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		stream, err := l.service.listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.service.now.Load().allows(stream) {
			stream.Refuse("it is not for this peer")
			continue
		}
		return count(stream, true, &l.service.tally, l.ledger), nil
	}
}

// Close implements net.Listener.
func (l *countedListener) Close() error { return l.service.listener.Close() }

// Addr implements net.Listener.
func (l *countedListener) Addr() net.Addr { return bodkin.Addr{Service: l.service.name} }

// count enters a stream that was accepted or dialled, until it is closed.
func count(stream control.Stream, accepted bool, tally *tally, ledger *control.Ledger) *countedStream {
	end := tally.begin()
	_, closed := ledger.Add(stream, accepted)
	return &countedStream{stream, func() { end(); closed() }}
}

// A countedStream counts as open until it is closed in any way.
type countedStream struct {
	control.Stream
	end func()
}

// Close implements net.Conn.
func (c *countedStream) Close() error {
	c.end()
	return c.Stream.Close()
}

// Abort implements control.Stream.
func (c *countedStream) Abort() error {
	c.end()
	return c.Stream.Abort()
}

// Refuse implements control.Stream.
func (c *countedStream) Refuse(reason string) error {
	c.end()
	return c.Stream.Refuse(reason)
}
