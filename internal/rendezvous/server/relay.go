package server

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// A Relay carries bytes between two nodes that have no direct path in time. It shares the main port with the main connections.
type Relay struct {
	// Token makes the token with which one side of an attempt may come to the relay. node and room number whose quotas it uses.
	Token func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte

	// Keep is Token for one that is kept for later. Nil: there are none.
	Keep func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte

	// TLS is for relayed connections that come wrapped in TLS, of identity.RelayServerConfig.
	TLS *tls.Config

	// Take takes over a connection that began with first, and returns when it is known who it is. It closes conn in the end.
	Take func(conn net.Conn, first []byte)
}

// takeRelayed gives a connection to the relay. It does not count as a main connection: the relay has limits of its own.
func (s *Server) takeRelayed(ctx context.Context, o *opening) {
	s.connections.leave(addrPort(o.RemoteAddr()).Addr())
	if s.relay == nil {
		count(s.metrics.handshakes, "failed")
		turnAway(o.Conn)
		return
	}
	defer context.AfterFunc(ctx, func() { o.Conn.Close() })()
	s.relay.Take(o.Conn, o.first)
}

// takeWrapped is takeRelayed for a connection that is wrapped in TLS.
func (s *Server) takeWrapped(ctx context.Context, o *opening) {
	s.connections.leave(addrPort(o.RemoteAddr()).Addr())
	if s.relay == nil {
		count(s.metrics.handshakes, "failed")
		turnAway(o.Conn)
		return
	}
	defer context.AfterFunc(ctx, func() { o.Conn.Close() })()
	secured := tls.Server(o, s.relay.TLS)
	if err := secured.HandshakeContext(ctx); err != nil { // within the deadline of open
		count(s.metrics.handshakes, "failed")
		o.Conn.Close()
		return
	}
	s.relay.Take(secured, nil)
}

// RelayOver tells the node of a main connection why the relay ends one of its connections. It does not block.
func (s *Server) RelayOver(connection uint64, attempt wire.AttemptID, status wire.RelayStatus) {
	if c := s.table.find(connection); c != nil {
		c.sendMessage(&wire.ServerMessage{Body: &wire.ServerMessage_RelayOver{RelayOver: &wire.RelayOver{Attempt: attempt[:], Status: status}}})
	}
}

// relayOfferLocked is what e may have of the relay; nil: nothing.
func (a *attempt) relayOfferLocked(e *end) *wire.RelayOffer {
	relay := a.all.server.relay
	if relay == nil || a.relay == relayNever {
		return nil
	}
	offer := &wire.RelayOffer{RttUs: relayRTT(a.ends[0].rtt, a.ends[1].rtt), Token: e.token(relay.Token, a.id)}
	if a.relay == relayInTime {
		offer.HeadStartUs = uint32(headStart(a.ends[0].rtt, a.ends[1].rtt).Microseconds())
	}
	return offer
}

// keptLocked is a token with which e may come to the relay later, when what comes of this attempt is late: nobody need introduce the two then. Nil:
// one of them does not want that, or there is no relay.
func (a *attempt) keptLocked(e *end) []byte {
	relay := a.all.server.relay
	if relay == nil || relay.Keep == nil || !a.keeps {
		return nil
	}
	return e.token(relay.Keep, a.id.Kept())
}

// token has a token made for one end of an attempt.
func (e *end) token(by func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte, id wire.AttemptID) []byte {
	c := e.conn
	return by(id, e.role, binary.BigEndian.Uint64(c.node[:]), binary.BigEndian.Uint64(c.room.id[:]), c.number)
}

// relayRTT is the round trip by the relay, in microseconds, as the two to the server tell; zero: one of them is unknown.
func relayRTT(a, b time.Duration) uint32 {
	if a == 0 || b == 0 {
		return 0
	}
	return uint32(min((a + b).Microseconds(), wire.MaxRTTMicros))
}

// relaying is what the two nodes of an attempt want of the relay together.
type relaying uint8

const (
	relayInTime relaying = iota // after the head start
	relayNever
	relayAtOnce
)

// wishes tells what two connections want of the relay.
func wishes(a, b *conn) relaying {
	aNever, aAlways := a.room.relayPolicy(a)
	bNever, bAlways := b.room.relayPolicy(b)
	switch {
	case aNever || bNever:
		return relayNever
	case aAlways || bAlways:
		return relayAtOnce
	}
	return relayInTime
}
