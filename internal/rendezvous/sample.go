package rendezvous

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// sampleTimeout bounds a hole connection that a round waits for; the server waits less.
const sampleTimeout = 2 * time.Second

// A SampleRequest is the server's wish to see how this node's network maps a new port, before a round of an attempt.
type SampleRequest struct {
	Attempt wire.AttemptID
	Keep    bool // the round leaves from that port
}

// Sample shows the server the mapping of a new port: it opens a hole connection with dial, which leaves from there, and says whom it is
// for; the zero AttemptID for all that wait for one. It returns when the server has seen it, with the connection open: the caller
// resets it when the mapping is needed no more.
func (c *Client) Sample(ctx context.Context, attempt wire.AttemptID, dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)) (net.Conn, error) {
	hole, _, err := c.show(ctx, attempt[:], dial)
	return hole, err
}

// Observe is Sample for the node's own use: nobody else hears of the mapping, which it returns.
func (c *Client) Observe(ctx context.Context, dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)) (net.Conn, netip.AddrPort, error) {
	return c.show(ctx, nil, dial)
}

// show opens a hole connection and says whom it is for.
func (c *Client) show(ctx context.Context, attempt []byte, dial func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)) (net.Conn, netip.AddrPort, error) {
	s := c.current()
	if s == nil || s.proxied || len(s.holePorts) == 0 {
		return nil, netip.AddrPort{}, ErrOffline
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := dial(ctx, netip.AddrPortFrom(s.state.Remote.Addr(), uint16(s.holePorts[0])))
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	hello := &wire.HoleHello{Token: s.welcomed.GetHoleToken(), Sample: true, Attempt: attempt}
	interrupt := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	var seen wire.Observed
	if err = wire.Write(conn, hello); err == nil {
		err = wire.Read(bufio.NewReader(conn), &seen)
	}
	if !interrupt() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		abort(conn)
		return nil, netip.AddrPort{}, err
	}
	return conn, seen.Endpoint.AddrPort(), nil
}

// sampleAsked passes the server's wish on.
func (s *mainConn) sampleAsked(m *wire.Sample) {
	if tell := s.client.config.SampleAsked; tell != nil {
		s.client.telling.Lock()
		defer s.client.telling.Unlock()
		tell(SampleRequest{Attempt: wire.AttemptID(m.Attempt), Keep: m.Keep})
	}
}
