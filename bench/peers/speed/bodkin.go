package main

import (
	"context"
	"io"

	"github.com/bodkin-p2p/bodkin/internal/record"
	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/session"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
)

// Bodkin's layers are those of a node: streams of a session, over a line, over TLS, over TCP. A node itself would let a
// peer open 256 streams.

// unsent is what a node has the kernel keep unsent of a carrier: see carriers.go.
const unsent = 128 << 10

func sessionConfig(p part) session.Config {
	return session.Config{MaxStreams: p.all(), Backlog: p.all()}
}

func listenBodkin(ctx context.Context, p part) (target, func() ([]io.ReadWriter, error), error) {
	config, err := serverTLS()
	if err != nil {
		return target{}, nil, err
	}
	at, accept, err := listenTCP(p)
	return at, func() ([]io.ReadWriter, error) {
		conn, err := accept()
		if err != nil {
			return nil, err
		}
		if err := reuseport.LimitUnsent(conn, unsent); err != nil {
			return nil, err
		}
		secured, err := record.ServerConn(ctx, conn, config)
		if err != nil {
			return nil, err
		}
		request, err := line.Receive(ctx, secured)
		if err != nil {
			return nil, err
		}
		l, err := request.Begin(line.Config{})
		if err == nil {
			err = l.Take(ctx, request, line.Carrier{})
		}
		if err != nil {
			return nil, err
		}
		s := session.New(l, false, sessionConfig(p))
		return several(p, func() (io.ReadWriter, error) { return s.Accept(ctx) })
	}, err
}

func dialBodkin(ctx context.Context, p part) ([]io.ReadWriter, error) {
	conn, err := dialTCP(p)
	if err != nil {
		return nil, err
	}
	if err := reuseport.LimitUnsent(conn, unsent); err != nil {
		return nil, err
	}
	secured, err := record.ClientConn(ctx, conn, clientTLS())
	if err != nil {
		return nil, err
	}
	l := line.New(line.Config{})
	if err := l.Attach(ctx, line.Carrier{Conn: secured}); err != nil {
		return nil, err
	}
	s := session.New(l, true, sessionConfig(p))
	return several(p, func() (io.ReadWriter, error) { return s.Open(ctx, "speed") })
}

// several makes as many streams as are wanted.
func several(p part, one func() (io.ReadWriter, error)) (all []io.ReadWriter, err error) {
	for range p.all() {
		s, err := one()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
