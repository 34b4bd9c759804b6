package server

import (
	"context"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/record"
)

// greet makes the handshake and hands the connection to the loop. From then on it has no goroutine. A relayed connection goes to the
// relay.
func (s *Server) greet(ctx context.Context, nc net.Conn) {
	remote := addrPort(nc.RemoteAddr())
	defer s.handshaking.leave(remote.Addr())
	opening, err := s.open(ctx, nc)
	if err == nil && opening.isRelayed() {
		s.takeRelayed(ctx, opening)
		return
	}
	if err == nil && opening.isWrapped() {
		s.takeWrapped(ctx, opening)
		return
	}
	var c *conn
	if err == nil {
		c, err = s.handshake(ctx, opening)
	}
	if err != nil {
		count(s.metrics.handshakes, "failed")
		s.log.Debug("handshake failed", "remote", remote, "err", err)
		nc.Close()
		s.connections.leave(remote.Addr())
		return
	}
	s.table.add(c)
	s.sweeper.reap(c, s.limits.RegisterTimeout)
	c.socket.Start()
}

// handshake has what is left of the time that open began.
func (s *Server) handshake(ctx context.Context, o *opening) (*conn, error) {
	nc := o.Conn
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	channel, state, err := record.Server(o, s.tls)
	if err != nil {
		return nil, err
	}
	node, roomID, err := identity.Authenticated(state)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetKeepAlive(false) // nodes ping
	}
	c := &conn{server: s, node: node, remote: addrPort(nc.RemoteAddr()), local: addrPort(nc.LocalAddr()).Addr(), in: channel.In, out: channel.Out}
	c.heard.Store(int64(s.now()))
	c.rtt.Store(uint32(min(o.roundTrip(), time.Minute).Microseconds()))
	if c.socket, err = s.loop.Add(nc, c); err != nil {
		return nil, err
	}
	c.room = s.registry.enter(roomID)
	if state.DidResume {
		count(s.metrics.handshakes, "resumed")
	} else {
		count(s.metrics.handshakes, "full")
	}
	return c, nil
}
