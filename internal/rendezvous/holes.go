package rendezvous

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

const (
	// holesMax is how many of the server's hole ports are asked. Two more views than the main connection's show a
	// mapping that depends on the endpoint, and its step.
	holesMax    = 2
	holeTimeout = 5 * time.Second
)

// openHoles opens hole connections to the server's other ports, one after the other, so that their order is that of the mappings, and
// notes what they show. It runs once in a session. Behind a proxy there is nothing to see: no other connection keeps a mapping alive.
func (s *session) openHoles(ctx context.Context) {
	if s.proxied {
		return
	}
	for _, port := range s.holePorts[:min(len(s.holePorts), holesMax)] {
		to := netip.AddrPortFrom(s.state.Remote.Addr(), uint16(port))
		seen, err := s.openHole(ctx, to)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.client.log.Info("hole connection failed", "server", to, "err", err)
			continue
		}
		s.client.addHole(Observation{to, seen})
	}
}

// openHole makes one hole connection and returns where the server saw it come from.
func (s *session) openHole(ctx context.Context, to netip.AddrPort) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, holeTimeout)
	defer cancel()
	conn, err := s.client.config.Dial(ctx, to)
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer abort(conn)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if err := wire.Write(conn, &wire.HoleHello{Token: s.holeToken}); err != nil {
		return netip.AddrPort{}, err
	}
	var observed wire.Observed
	err = wire.Read(bufio.NewReader(conn), &observed)
	return observed.GetEndpoint().AddrPort(), err
}

// abort closes with RST, so that the addresses of the connection are free for the next.
func abort(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

func (c *Client) addHole(o Observation) {
	c.mu.Lock()
	// A new slice, since State hands out the old one.
	c.state.Holes = append(c.state.Holes[:len(c.state.Holes):len(c.state.Holes)], o)
	c.state.Mapping = classify(c.state.Observed, c.state.Holes)
	c.mu.Unlock()
	c.tellState()
}

// classify compares what the server saw on its main port with what it saw on others.
func classify(observed netip.AddrPort, holes []Observation) Mapping {
	if len(holes) == 0 {
		return MappingUnknown
	}
	for _, hole := range holes {
		if hole.Seen != observed {
			return MappingEndpointDependent
		}
	}
	return MappingEndpointIndependent
}
