package rendezvous

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// lifetimeAfter is how long a node runs before it measures how long idle connections live: not one that runs for a command.
	lifetimeAfter = time.Minute
	// lifetimeMin is the first idle time. Each that a connection survives is followed by twice as much.
	lifetimeMin = time.Minute
	// lifetimeMax is the longest: what RFC 5382, REQ-5, has a NAT keep at least.
	lifetimeMax = 124 * time.Minute
	// lifetimeGrace is how much later than announced the server's word may come: a lost segment is sent again within seconds.
	lifetimeGrace = 15 * time.Second
)

// measureLifetime finds out how long a connection without a byte stays open through the networks in between, with one connection at a
// time, of which each is silent for twice as long as the one before. It takes four hours to the end; what is proven is told at once.
func (s *mainConn) measureLifetime(ctx context.Context) {
	if s.proxied || len(s.holePorts) == 0 || s.client.config.DialSample == nil || !pause(ctx, lifetimeAfter) {
		return
	}
	for {
		proven := s.client.lifetime(s)
		if proven >= lifetimeMax {
			return
		}
		idle := min(max(2*proven, lifetimeMin), lifetimeMax)
		if !s.survives(ctx, idle) {
			return
		}
		s.client.setLifetime(s, idle)
	}
}

// survives reports whether a connection from a fresh port still carries a byte after that much silence.
func (s *mainConn) survives(ctx context.Context, idle time.Duration) bool {
	_, conn, err := s.openSample(ctx, s.holesHere()[0], idle, func() {})
	if err != nil {
		return false
	}
	defer abort(conn)
	if quiet, ok := conn.(interface{ SetKeepAlive(bool) error }); ok {
		quiet.SetKeepAlive(false)
	}
	return s.hear(ctx, conn, idle+lifetimeGrace) == nil
}

// hear waits for what the server says at the end of its silence.
func (s *mainConn) hear(ctx context.Context, conn net.Conn, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	return wire.Read(bufio.NewReader(conn), &wire.Observed{})
}

// lifetime is what is proven in the network of s.
func (c *Client) lifetime(s *mainConn) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return evidenceOf(&c.state, s.state.Remote.Addr()).Lifetime
}

// setLifetime notes what is proven, and registers it.
func (c *Client) setLifetime(s *mainConn, proven time.Duration) {
	c.mu.Lock()
	if c.main != s {
		c.mu.Unlock()
		return
	}
	evidenceOf(&c.state, s.state.Remote.Addr()).Lifetime = proven
	c.state.Behavior = natbehavior.Reports{IPv4: natbehavior.Classify(c.state.IPv4), IPv6: natbehavior.Classify(c.state.IPv6)}
	c.mu.Unlock()
	s.registerBehavior()
	c.tellState()
}

// evidenceOf is the evidence of the family of addr.
func evidenceOf(state *State, addr netip.Addr) *natbehavior.Evidence {
	if addr.Is4() {
		return &state.IPv4
	}
	return &state.IPv6
}
