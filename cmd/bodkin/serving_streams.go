package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/forward"
)

// serve serves one service until its listener is closed.
func (s *serving) serve(v *service) {
	e := v.now.Load()
	listener := &countedListener{v, &s.ledger}
	log := s.log.With("service", v.name)
	var err error
	switch {
	case e.socks != nil:
		err = forward.Socks(s.ctx, listener, e.socks, log)
	case e.dir != "":
		m := newMailbox(s.ctx, e.dir, log, s.delivered)
		v.mailbox.Store(m)
		err = m.serve(listener)
	default:
		err = forward.Each(s.ctx, listener, func(ctx context.Context) (io.ReadWriteCloser, error) { return dialTarget(ctx, v.now.Load().address) }, log)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Error("a service has ended", "service", v.name, "err", err)
	}
}

// targetTimeout is how long a target of this machine or its network may take to accept.
const targetTimeout = 10 * time.Second

func dialTarget(ctx context.Context, target string) (io.ReadWriteCloser, error) {
	dialer := net.Dialer{Timeout: targetTimeout}
	there, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err // not there: a nil net.Conn in another interface is not nil
	}
	return there, nil
}

// serveForward serves one local port until its listener is closed.
func (s *serving) serveForward(f *forwardedPort) {
	open := func(ctx context.Context) (io.ReadWriteCloser, error) {
		to := *f.now.Load()
		stream, err := openForwarding(ctx, s.node, to, s.told)
		if err != nil {
			return nil, err
		}
		return count(stream, false, &f.tally, &s.ledger), nil
	}
	if err := forward.Each(s.ctx, f.listener, open, nil); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Error("a forwarded port has ended", "port", f.listener.Addr(), "err", err)
	}
}
